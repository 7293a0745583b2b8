"""``carvoice say``, ``run``, ``listen``: talk to the assistant."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from carvoice.cli.app import app, console, settings_of
from carvoice.cli.view import turn_view
from carvoice.records import Decision, Turn, Value, Zone
from carvoice.service.jsonlines import to_json

JSON = Annotated[bool, typer.Option("--json", help="Print JSON lines for machines.")]

_MODEL_LOADS_S = 60.0


@app.command()
def say(
    context: typer.Context,
    sentences: Annotated[
        list[str], typer.Argument(help="What the driver says; several are one conversation.")
    ],
    zone: Annotated[Zone, typer.Option(help="Where the talker sits.")] = Zone.DRIVER,
    car: Annotated[
        list[str] | None,
        typer.Option("--car", metavar="PATH=VALUE", help="Set a signal of the simulated car first."),
    ] = None,
    json: JSON = False,
) -> None:
    """Text in, frames out: interpret sentences and act on them, without audio.

    Exit code 1 when the last one was refused or not understood.
    """
    from carvoice.assistant import Assistant
    from carvoice.service.observe import build_observer

    settings = settings_of(context)
    with ExitStack() as stack:
        observe = build_observer(settings, stack)
        assistant = stack.enter_context(Assistant(settings, aloud=False))
        observe.attach(assistant)
        assistant.vehicle.wait_until_known()
        assistant.answerer.wait_ready(_MODEL_LOADS_S)
        for path, value in signals(car or []):
            assistant.vehicle.set_simulated(path, value)
        for sentence in sentences:
            turn = assistant.say(sentence, zone)
            observe(turn)
            if json:
                typer.echo(to_json(turn))
            else:
                console.print(turn_view(sentence, turn, budget=False))
    raise typer.Exit(0 if _went_well(turn) else 1)


@app.command()
def run(
    context: typer.Context,
    wav: Annotated[
        list[Path] | None, typer.Option("--wav", help="Recordings instead of the microphone.")
    ] = None,
    json: JSON = False,
) -> None:
    """Run the assistant on the microphone, or on recordings, until interrupted.

    Exit code 1 when the last of the recordings' utterances that got an answer was refused or not
    understood, or none got one.
    """
    from carvoice.cli.live import run_microphone, run_recordings

    settings = settings_of(context)
    if wav:
        turns = run_recordings(settings, wav, json)
        answered = [turn for turn in turns if turn.reply is not None and turn.reply.text]
        raise typer.Exit(0 if answered and _went_well(answered[-1]) else 1)
    run_microphone(settings, json)


@app.command()
def listen(
    context: typer.Context,
    wav: Annotated[
        list[Path] | None, typer.Option("--wav", help="Recordings instead of the microphone.")
    ] = None,
    json: JSON = False,
) -> None:
    """Transcribe only: partials, phones, confidence, the winning template; nothing is done."""
    from carvoice.cli.live import transcribe

    transcribe(settings_of(context), wav or [], json)


def signals(settings: list[str]) -> list[tuple[str, Value]]:
    """Parse ``PATH=VALUE`` options."""
    parsed: list[tuple[str, Value]] = []
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"{setting}: write PATH=VALUE, e.g. Vehicle.Speed=60", param_hint="--car"
            )
        parsed.append((path, _value(text)))
    return parsed


def _value(text: str) -> Value:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _went_well(turn: Turn) -> bool:
    refused = any(verdict.decision is Decision.DENY for verdict in turn.verdicts)
    understood = any(i.rejected is None for i in turn.interpretations)
    return understood and not refused
