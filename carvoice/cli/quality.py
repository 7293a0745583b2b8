"""``carvoice eval``: score a folder of recordings over noises and levels."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import numpy as np
import typer
from rich.progress import Progress

from carvoice.asr.evaluate import Condition, evaluate, load_recordings, summarize
from carvoice.cli.app import app, console, errors, settings_of
from carvoice.config import Config
from carvoice.records import FloatArray, Hypothesis, Value

_CLUSTER_S = 10

NoiseMaker: TypeAlias = Callable[[int, np.random.Generator], FloatArray]


class WholeEar:
    """Recognizer and understanding as the assistant has them, for one recording at a time."""

    def __init__(self, settings: Config) -> None:
        from carvoice.assistant import rooms
        from carvoice.assistant.ears import Ears

        ears = Ears(settings)
        self._understander = ears.understander
        self._stream = rooms.build_recognizer(ears.automaton, ears.lexicon, settings).create_stream()

    def hear(
        self, sound: FloatArray, chunk_samples: int
    ) -> tuple[Hypothesis, tuple[str, dict[str, Value]], float]:
        """Recognize a whole recording; returns also the milliseconds the last step took."""
        self._stream.reset()
        for start in range(0, len(sound), chunk_samples):
            self._stream.accept(sound[start : start + chunk_samples])
        started_s = time.monotonic()
        hypothesis = self._stream.finish()
        final_ms = (time.monotonic() - started_s) * 1e3
        first = self._understander.parse(hypothesis)[0]
        meaning = ("", {}) if first.rejected is not None else (first.intent, dict(first.values))
        return hypothesis, meaning, final_ms


@app.command("eval")
def evaluate_folder(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Recordings with a labels.json: file, intent, slots, text.")],
    grammar: Annotated[
        Path | None, typer.Option(help="Grammar of these recordings instead of the configured one.")
    ] = None,
    snr: Annotated[str, typer.Option(help="Levels of speech above cabin noise, dB.")] = "24,12,6",
    noise: Annotated[
        list[Path] | None, typer.Option(help="Noise recordings instead of simulated cabin noise.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes to share the work.")] = 1,
    dask: Annotated[str, typer.Option(help="Address of a Dask scheduler to share the work.")] = "",
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("eval"),
) -> None:
    """Score recordings, clean and in noise; writes a table, a page with plots, and the plots as PNG."""
    from carvoice.asr.plots import write_plots
    from carvoice.asr.report import markdown, write_report

    settings = settings_of(context)
    if grammar is not None:
        language = settings.language.model_copy(update={"shipped": False, "grammars": (grammar,)})
        settings = settings.model_copy(update={"language": language})
    recordings = load_recordings(folder)
    conditions = _conditions(snr, noise or [])
    outcomes = []
    build = partial(WholeEar, settings)
    with _cluster(dask) as executor, Progress(console=errors) as progress:
        task = progress.add_task("hearing", total=len(recordings) * len(conditions))
        for outcome in evaluate(recordings, build, conditions, processes=processes, executor=executor):
            outcomes.append(outcome)
            progress.advance(task)
    typer.echo(markdown(summarize(outcomes)))
    console.print(f"Report: {write_report(outcomes, out)}")
    try:
        console.print(f"Plots: {', '.join(map(str, write_plots(outcomes, out)))}")
    except ImportError:
        console.print("Plots as PNG need: pip install 'carvoice[report]'")


@contextmanager
def _cluster(address: str) -> Iterator[Executor | None]:
    """The workers of a Dask cluster, which must see the recordings at the same paths; None for no address."""
    if not address:
        yield None
        return
    from carvoice.errors import ConfigError

    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("--dask needs: pip install 'dask[distributed]'") from None
    try:
        client = Client(address, timeout=_CLUSTER_S)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--dask {address}: no scheduler answers there ({error})") from None
    with client:
        yield client.get_executor()


def _conditions(snr: str, noises: Sequence[Path]) -> list[Condition]:
    from carvoice.audio.devices import read_wav
    from carvoice.errors import ConfigError

    try:
        levels_db = [float(level) for level in snr.split(",") if level.strip()]
    except ValueError:
        raise ConfigError(f"--snr {snr}: write levels in dB with commas, e.g. 24,12,6") from None
    makers: list[tuple[str, NoiseMaker]] = [("cabin", cabin_noise)]
    if noises:
        makers = [(path.stem, partial(cut, read_wav(path))) for path in noises]
    conditions = [Condition("clean")]
    for name, maker in makers:
        conditions += [Condition(f"{name} {level:g} dB", maker, level) for level in levels_db]
    return conditions


def cut(noise: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
    """n samples of a noise recording from a random place, going round at its end."""
    start = int(rng.integers(len(noise)))
    return noise[(start + np.arange(n)) % len(noise)]


def cabin_noise(n: int, rng: np.random.Generator) -> FloatArray:
    """n samples with the long-term spectrum of a car at speed: falling 9 dB per octave from 50 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency_hz = np.maximum(np.fft.rfftfreq(n, 1 / 16_000), 50.0)
    noise = np.fft.irfft(spectrum * (frequency_hz / 50.0) ** -1.5, n)
    return np.asarray(noise / np.std(noise), np.float32)


@app.command("audio-report")
def audio_report(
    context: typer.Context,
    recording: Annotated[
        Path, typer.Argument(help="Microphone recording; a channel more is the loudspeaker.")
    ],
    out: Annotated[Path, typer.Argument(help="Picture to write: .png, .svg or .pdf.")],
    far: Annotated[Path | None, typer.Option(help="What the loudspeaker played meanwhile.")] = None,
) -> None:
    """Draw what the front end makes of a recording: waveforms, spectrograms, ERLE, levels, voice activity."""
    from carvoice.assistant.rooms import front_end_settings
    from carvoice.audio.report import write_report
    from carvoice.errors import ConfigError

    try:
        write_report(recording, out, far, front_end_settings(settings_of(context).audio))
    except ImportError:
        raise ConfigError("audio-report needs: pip install 'carvoice[report]'") from None
    console.print(f"{out} written")
