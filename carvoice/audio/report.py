"""A picture of what the front end did to a recording (``carvoice audio-report``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from carvoice.audio._frontend import FrontEnd, FrontEndOutput
from carvoice.audio.devices import read_wav
from carvoice.audio.settings import ZONES, FrontEndSettings
from carvoice.errors import AudioError, AudioFormatError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray

FRAME_S = 0.01
LONGEST_S = 600.0


def write_report(
    path_in: str | Path,
    path_out: str | Path,
    far: str | Path | None = None,
    settings: FrontEndSettings | None = None,
) -> None:
    """Run a recording through the front end and draw waveforms, spectrograms, ERLE, levels and speech.

    Args:
        path_in: what the microphone heard, or a channel for each of the microphones.
        path_out: picture to write: .png, .svg or .pdf.
        far: what the loudspeaker played meanwhile. None: one more channel of ``path_in`` if it has one.
        settings: of the front end; the defaults if None.

    Raises:
        AudioError: a file cannot be read or written, or matplotlib is missing.
        AudioFormatError: the recording is not usable (see :func:`read_wav`) or longer than ten minutes.
    """
    pyplot = _pyplot()
    front_end = FrontEnd(settings)
    near, loudspeaker = _load(Path(path_in), far, front_end.settings.microphones)
    out = front_end.process(near, loudspeaker)
    heard = near[0] if near.ndim > 1 else near
    figure = _draw(pyplot, Path(path_in).name, heard, loudspeaker, out, front_end)
    try:
        figure.savefig(path_out, dpi=110)
    except (OSError, ValueError) as error:
        raise AudioError(f"{path_out}: report cannot be written ({error})") from error
    finally:
        pyplot.close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise AudioError("the audio report needs matplotlib: pip install 'carvoice[report]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _load(path: Path, far: str | Path | None, microphones: int) -> tuple[FloatArray, FloatArray | None]:
    channels = read_wav(path, keep_channels=True)
    if channels.shape[1] > LONGEST_S * SAMPLE_RATE_HZ:
        raise AudioFormatError(f"{path}: longer than {LONGEST_S:.0f} s; cut it first")
    if len(channels) < microphones:
        raise AudioFormatError(f"{path}: has {len(channels)} channels, but {microphones} microphones are set")
    near = channels[0] if microphones == 1 else channels[:microphones]
    if far is not None:
        played = read_wav(far)[: channels.shape[1]]
        return near, np.pad(played, (0, channels.shape[1] - len(played)))
    return near, channels[microphones] if len(channels) > microphones else None


def _draw(
    pyplot: Any, name: str, near: FloatArray, far: FloatArray | None, out: FrontEndOutput, front_end: FrontEnd
) -> Any:
    figure, axes = pyplot.subplots(6, 1, figsize=(12, 14), sharex=True, layout="constrained")
    frames_s = np.arange(len(out)) * FRAME_S
    lag = front_end.latency_samples
    for signal, label, color in (
        (near, "microphone", "0.6"),
        (out.asr[lag:], "asr output", "C0"),
        (out.vad[lag:], "vad output", "C1"),
    ):
        axes[0].plot(np.arange(len(signal)) / SAMPLE_RATE_HZ, signal, color=color, linewidth=0.4, label=label)
    axes[0].set_ylabel("amplitude")
    axes[0].legend(loc="upper right", ncols=3)
    for axis, signal, label in (
        (axes[1], near, "microphone"),
        (axes[2], out.asr[lag:], "asr output"),
        (axes[3], out.vad[lag:], "vad output"),
    ):
        axis.specgram(
            signal + 1e-7, NFFT=320, noverlap=160, Fs=SAMPLE_RATE_HZ, vmin=-130, vmax=-40, cmap="magma"
        )
        axis.set_ylabel(f"{label}\nHz")
    axes[4].plot(frames_s, out.level_db, color="0.6", linewidth=0.8, label="microphone, dBFS")
    axes[4].plot(frames_s, _level_db(out.vad), color="C1", linewidth=0.8, label="vad output, dBFS")
    axes[4].plot(frames_s, out.erle_db, color="C2", linewidth=1.2, label="echo cancelled (ERLE), dB")
    axes[4].set_ylim(-100, 60)
    axes[4].set_ylabel("dB")
    axes[4].legend(loc="upper right", ncols=3)
    axes[5].fill_between(frames_s, out.speech, color="C3", alpha=0.6, label="speech, probability")
    axes[5].fill_between(
        frames_s, -0.1, np.where(out.far_active, -0.02, -0.1), color="C4", label="loudspeaker sounds"
    )
    for index, zone in enumerate(ZONES):
        if (out.zone == index).any():
            here = np.where(out.zone == index, 1.0, np.nan)
            axes[5].plot(frames_s, here, color=f"C{5 + index}", linewidth=4, label=f"{zone.value} talks")
    axes[5].set_ylim(-0.12, 1.02)
    axes[5].set_xlabel("seconds")
    axes[5].legend(loc="upper right", ncols=4)
    reference = "no loudspeaker signal" if far is None else f"echo path delay {front_end.delay_ms:.1f} ms"
    figure.suptitle(
        f"{name}: {len(near) / SAMPLE_RATE_HZ:.1f} s, {reference}, drift {front_end.drift_ppm:.0f} ppm"
    )
    return figure


def _level_db(signal: FloatArray) -> FloatArray:
    frames = signal.reshape(-1, round(FRAME_S * SAMPLE_RATE_HZ))
    return np.asarray(10 * np.log10(np.mean(frames**2, axis=1) + 1e-12), np.float32)
