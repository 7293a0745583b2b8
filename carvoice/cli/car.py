"""``carvoice car``, ``sim``, ``replay``: car descriptions, the simulated car, recorded buses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from carvoice.cli.app import app, console, settings_of
from carvoice.records import Zone
from carvoice.resources import data_path

car_app = typer.Typer(help="Check, draft and question car descriptions.", no_args_is_help=True)
app.add_typer(car_app, name="car")


@car_app.command()
def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Car file; the configured car if left out.")] = None,
) -> None:
    """Check a car file against its database, its policy and the grammar.

    Exit code 1 on errors; what this car lacks of what can be said is a warning.
    """
    from carvoice.assistant.vehicle import car_path
    from carvoice.vehicle.check import Severity, check_car

    path = file or car_path(settings_of(context).vehicle)
    problems = check_car(path, data_path("grammars", "actions.yaml"))
    for problem in problems:
        typer.echo(str(problem))
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    typer.echo(f"{path}: {errors} errors, {len(problems) - errors} warnings")
    raise typer.Exit(1 if errors else 0)


@car_app.command()
def new(
    source: Annotated[Path, typer.Option("--from", help="Database: DBC, ARXML, KCD or SYM.")],
    node: Annotated[str, typer.Option(help="Our node in the database; found by itself if left out.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Car file to write, with a rules.toml beside it; the terminal if left out."),
    ] = None,
) -> None:
    """Draft a car file and a policy for an unknown database, for an integrator to finish."""
    from carvoice.errors import CarError
    from carvoice.vehicle.car import Car
    from carvoice.vehicle.policy import Policy
    from carvoice.vehicle.scaffold import scaffold_car
    from carvoice.vehicle.scaffold_policy import scaffold_policy

    catalogue = Car.load(data_path("cars", "demo", "demo.toml"))
    folder = out.absolute().parent if out is not None else None
    text = scaffold_car(source.absolute(), catalogue, node, folder)
    if out is None:
        typer.echo(text)
        return
    rules = out.with_name("rules.toml")
    for path in (out, rules):
        if path.exists():
            raise CarError(f"{path}: is there already; give another name or folder to --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        policy = scaffold_policy(Car.load(out), Policy.load(catalogue.rules_path, catalogue))
        rules.write_text(policy, encoding="utf-8")
    except OSError as error:
        raise CarError(f"{out}: cannot be written ({error.strerror}); give another folder to --out") from None
    console.print(
        f"{out} and {rules} written; finish both, then run: carvoice car check {out}", soft_wrap=True
    )


@car_app.command()
def why(
    context: typer.Context,
    sentence: Annotated[str, typer.Argument(help="What the driver would say.")],
    zone: Annotated[Zone, typer.Option(help="Where the talker sits.")] = Zone.DRIVER,
    car: Annotated[
        list[str] | None, typer.Option("--car", metavar="PATH=VALUE", help="Set a signal first.")
    ] = None,
) -> None:
    """Explain what the policy makes of a sentence, rule by rule; nothing is sent."""
    from carvoice.assistant import Assistant
    from carvoice.cli.talk import signals
    from carvoice.vehicle.explain import explain

    with Assistant(settings_of(context), aloud=False) as assistant:
        vehicle = assistant.vehicle
        vehicle.wait_until_known()
        for path, value in signals(car or []):
            vehicle.set_simulated(path, value)
        for interpretation in assistant.ears.understander.parse(sentence):
            if interpretation.rejected is not None:
                typer.echo(f"not a command: {interpretation.rejected}")
                raise typer.Exit(1)
            for action in vehicle.planner.plan(interpretation, vehicle.state, zone):
                typer.echo(str(explain(vehicle.gate, action, vehicle.state, time.monotonic())))


@app.command()
def sim(
    context: typer.Context,
    interface: Annotated[str | None, typer.Option(help="python-can interface.")] = None,
    channel: Annotated[str | None, typer.Option(help="Channel of the interface.")] = None,
    scenario: Annotated[str | None, typer.Option(help="Scenario: a shipped name or a file.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop by itself after this time.")] = None,
) -> None:
    """Run the simulated car on a CAN interface, for another process or machine to talk to."""
    from carvoice.assistant.vehicle import car_path, load_scenario
    from carvoice.vehicle.bus import Bus
    from carvoice.vehicle.car import Car
    from carvoice.vehicle.simulator import SimulatedCar

    settings = settings_of(
        context, vehicle__interface=interface, vehicle__channel=channel, vehicle__scenario=scenario
    ).vehicle
    car = Car.load(car_path(settings))
    with Bus.open(settings.interface, settings.channel, **settings.options) as bus:
        simulated = SimulatedCar(car, bus, load_scenario(settings, car))
        simulated.start()
        typer.echo(f"{settings.car} on {settings.interface}:{settings.channel}; Ctrl-C stops it")
        try:
            _sleep(seconds)
        finally:
            simulated.stop()


@app.command()
def replay(
    context: typer.Context,
    log: Annotated[Path, typer.Argument(help="Bus log: candump, ASC, BLF, CSV, TRC or MF4.")],
    until: Annotated[float | None, typer.Option(help="Stop after these seconds of the log.")] = None,
    turn: Annotated[str, typer.Option(help="Show only the frames of this turn (its trace id).")] = "",
) -> None:
    """Drive the car's state from a recorded bus and print it; or find the frames of a turn."""
    from carvoice.assistant.vehicle import car_path
    from carvoice.cli.view import frame_lines
    from carvoice.vehicle.car import Car
    from carvoice.vehicle.logs import Replay, frames_of_turn

    if turn:
        frames = frames_of_turn(log, turn)
        console.print(frame_lines(frames) if frames else f"no frame of turn {turn} in {log}")
        raise typer.Exit(0 if frames else 1)
    car = Car.load(car_path(settings_of(context).vehicle))
    played = Replay(log, car)
    count = played.run(until)
    for path in sorted(car.nodes):
        reading = played.state.get(path)
        if reading is not None:
            typer.echo(f"{path} = {reading.value}  ({reading.age_s:.1f} s old)")
    typer.echo(f"{count} frames, {played.now_s:.1f} s, {played.state.unknown_frames} of unknown messages")


def _sleep(seconds: float | None) -> None:
    end_s = None if seconds is None else time.monotonic() + seconds
    while end_s is None or time.monotonic() < end_s:
        time.sleep(0.1 if end_s is None else max(0.0, min(0.1, end_s - time.monotonic())))
