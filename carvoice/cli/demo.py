"""``carvoice demo``: recorded drivers, a virtual cabin, a simulated car, everything else for real."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from carvoice.cli.app import MIN_WIDTH, app, console, settings_of
from carvoice.records import Turn, Value
from carvoice.resources import data_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip of the demo.

    Attributes:
        clip: name of the recording beside the script.
        title: what it shows.
        car: signals of the simulated car, set before it.
        over_reply: spoken while the reply before it is still being said.
        picture: its turn is shown in the picture of the run.
        voice, noise, text: of the recording.
    """

    clip: str
    title: str
    car: dict[str, Value] = field(default_factory=dict)
    over_reply: bool = False
    picture: bool = False
    voice: str = ""
    noise: str = ""
    text: str = ""

    @property
    def heading(self) -> str:
        """For the panel."""
        return f"{self.title}  [dim]{self.clip}.wav, {self.voice}, {self.noise}[/dim]"


def load_scenes(folder: Path) -> list[Scene]:
    """Read ``script.toml`` and ``clips.toml``."""
    clips = {Path(clip["file"]).stem: clip for clip in _read(folder / "clips.toml")["clip"]}
    scenes = []
    for scene in _read(folder / "script.toml")["scene"]:
        clip = clips[scene["clip"]]
        scenes.append(Scene(**scene, voice=clip["voice"], noise=clip["noise"], text=clip["text"]))
    return scenes


@app.command()
def demo(
    context: typer.Context,
    speed: Annotated[float, typer.Option(min=0, help="Times real time; 0 for as fast as it goes.")] = 1.0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines for machines.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Keep audio, frames (candump log) and the turn log in this folder.")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write a picture of the run to this file.")] = None,
) -> None:
    """Play recorded drivers to the assistant and a simulated car, and show what happens."""
    from carvoice.audio.devices import read_wav
    from carvoice.cli.live import cabin_session, display
    from carvoice.cli.recorder import Recorder
    from carvoice.cli.view import summary_json, summary_view, turn_view

    settings = settings_of(context, vehicle__interface="virtual", vehicle__simulate="yes")
    folder = data_path("demo")
    scenes = load_scenes(folder)
    terminal = console
    picture = Console(record=True, width=MIN_WIDTH, file=io.StringIO())
    recorder = Recorder(save) if save else None
    turns: list[Turn] = []
    if not json:
        terminal.print(
            f"[dim]carvoice demo: {len(scenes)} recorded clips, a virtual cabin, a simulated car[/dim]"
        )
    with display(json, terminal) as shown, cabin_session(settings, shown.event, speed) as session:
        if recorder is not None:
            recorder.attach(session)
        for index, scene in enumerate(scenes):
            for path, value in scene.car.items():
                session.assistant.vehicle.set_simulated(path, value)
            shown.title(scene.clip if json else scene.heading)
            next_cuts_in = index + 1 < len(scenes) and scenes[index + 1].over_reply
            ended = session.speak(read_wav(folder / f"{scene.clip}.wav"), wait=not next_cuts_in)
            turns += ended
            if scene.picture:
                for turn in ended:
                    picture.print(turn_view(scene.heading, turn))
    if recorder is not None:
        recorder.finish(turns)
    if json:
        typer.echo(summary_json(turns))
    else:
        terminal.print(summary_view(turns))
        if save:
            terminal.print(f"Kept in {save}: {recorder.files if recorder else ''}")
    if svg is not None:
        picture.print(summary_view(turns))
        svg.parent.mkdir(parents=True, exist_ok=True)
        picture.save_svg(str(svg), title="carvoice demo")


def _read(path: Path) -> Any:
    return tomllib.loads(path.read_text(encoding="utf-8"))
