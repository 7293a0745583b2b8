"""``carvoice config``, ``devices``, ``doctor``: what is set, what is there, what to do."""

from __future__ import annotations

import importlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer
from rich.syntax import Syntax
from rich.table import Table

from carvoice.cli.app import app, console, settings_of
from carvoice.config import Config, dump_config
from carvoice.errors import CarvoiceError


@app.command()
def config(context: typer.Context) -> None:
    """Print the effective settings as a carvoice.toml, each with its meaning."""
    text = dump_config(settings_of(context))
    if console.is_terminal:
        console.print(Syntax(text, "toml", background_color="default"))
    else:
        typer.echo(text)


@app.command()
def devices() -> None:
    """List microphones and loudspeakers."""
    from carvoice.audio.devices import list_devices

    table = Table("index", "name", "inputs", "outputs", title="Audio devices", title_justify="left")
    for index, name, inputs, outputs in list_devices():
        table.add_row(str(index), name, str(inputs), str(outputs))
    console.print(table)
    if not table.row_count:
        console.print("No audio device. `carvoice demo` and `carvoice run --wav FILE` need none.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: a part, whether it is well, what was found, and what to do if not."""

    part: str
    well: bool
    found: str
    advice: str = ""
    needed: bool = True


@app.command()
def doctor(context: typer.Context) -> None:
    """Check what is installed, which models and buses there are, and say what to do."""
    settings = settings_of(context)
    table = Table("", "part", "found", "what to do", title="carvoice doctor", title_justify="left")
    failed = False
    for finding in findings(settings):
        bad = "[red]no[/red]" if finding.needed else "[yellow]-[/yellow]"
        mark = "[green]ok[/green]" if finding.well else bad
        table.add_row(mark, finding.part, finding.found, finding.advice)
        failed = failed or (finding.needed and not finding.well)
    console.print(table)
    raise typer.Exit(1 if failed else 0)


def findings(settings: Config) -> Iterator[Finding]:
    """Examine everything, the needed parts first."""
    yield Finding("Python", True, f"{platform.python_version()} on {platform.machine()}")
    yield _package("audio core", "carvoice.audio", "", "python setup.py build_ext --inplace")
    yield _package("recognizer", "sherpa_onnx", "sherpa-onnx", "pip install sherpa-onnx")
    yield _package("CAN", "can", "python-can", "pip install python-can")
    yield _try("grammar", lambda: _grammar(settings))
    yield _try("speech model", lambda: _model(settings))
    yield _try("car", lambda: _car(settings))
    if settings.vehicle.target == "kuksa":
        yield _try("databroker", lambda: _broker(settings))
    else:
        yield _try("CAN bus", lambda: _bus(settings))
    yield _try("voice", lambda: _voice(settings))
    yield _try(
        "microphone", _microphone, "sudo apt-get install portaudio19-dev && pip install pyaudio", False
    )
    yield _package("language model runtime", "llama_cpp", "llama-cpp-python", "make llm", needed=False)
    yield _try("language model", lambda: _gguf(settings), "", False)


def _package(part: str, module: str, package: str, advice: str, needed: bool = True) -> Finding:
    try:
        importlib.import_module(module)
    except ImportError as error:
        return Finding(part, False, str(error), advice, needed)
    found = f"{package} {importlib.metadata.version(package)}" if package else "built"
    return Finding(part, True, found, "", needed)


def _try(part: str, look: Callable[[], str], advice: str = "", needed: bool = True) -> Finding:
    try:
        return Finding(part, True, look(), "", needed)
    except (CarvoiceError, ImportError) as error:
        return Finding(part, False, str(error), advice, needed)


def _grammar(settings: Config) -> str:
    from carvoice.assistant.rooms import build_automaton
    from carvoice.grammar import build_acceptor

    automaton = build_automaton(settings.language)
    return f"{settings.language.code}: {build_acceptor(automaton).n_states} states"


def _model(settings: Config) -> str:
    from carvoice.assistant.rooms import find_asr_model

    model = find_asr_model(settings.asr)
    size = sum(path.stat().st_size for path in model.files.values())
    return f"{model.name}, {size / 1e6:.1f} MB, look-ahead {model.look_ahead_ms} ms"


def _car(settings: Config) -> str:
    from carvoice.assistant.vehicle import car_path
    from carvoice.vehicle.car import Car

    car = Car.load(car_path(settings.vehicle))
    return f"{settings.vehicle.car}: {len(car.nodes)} signals"


def _bus(settings: Config) -> str:
    from carvoice.vehicle.bus import Bus

    vehicle = settings.vehicle
    Bus.open(vehicle.interface, vehicle.channel, **vehicle.options).close()
    return f"{vehicle.interface}:{vehicle.channel} opens"


def _broker(settings: Config) -> str:
    from carvoice.assistant.vehicle import broker_address, is_simulated
    from carvoice.vehicle.kuksa import server_name

    if is_simulated(settings.vehicle):
        return "a stand-in in this process"
    return f"{settings.vehicle.broker} is {server_name(broker_address(settings.vehicle))}"


def _voice(settings: Config) -> str:
    from carvoice.assistant.rooms import build_voice

    voice = build_voice(settings.tts, settings.language.code)
    if voice is None:
        return "none wanted"
    samples = sum(len(piece) for piece in voice.synthesize("hello"))
    return f"{settings.tts.voice} speaks ({samples / 16:.0f} ms for 'hello')"


def _microphone() -> str:
    from carvoice.audio.devices import list_devices

    inputs = [name for _, name, count, _ in list_devices() if count]
    if not inputs:
        from carvoice.errors import AudioError

        raise AudioError("no input device on this machine")
    return ", ".join(inputs[:3])


def _gguf(settings: Config) -> str:
    from carvoice.assistant.brain import find_gguf

    path = find_gguf(settings.llm)
    if path is not None:
        return f"{path.name}, {path.stat().st_size / 1e6:.0f} MB"
    from carvoice.errors import ModelError

    raise ModelError("none installed; `carvoice models` lists good ones")
