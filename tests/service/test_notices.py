"""An alert that is said to the driver, shown by the car, and handed to a callback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from carvoice.assistant import Assistant
from carvoice.config import Config, LogConfig, VehicleConfig
from carvoice.dialogue.events import Event, TurnEnded
from carvoice.errors import ConfigError
from carvoice.records import Action, ActionKind, Decision, Hypothesis, Reply, Turn
from carvoice.service.alerts import Alert
from carvoice.service.observe import Observer, build_observer

LAMP = "Vehicle.Private.VoiceAssistant.IsDegraded"
FAILED = Turn("f", Hypothesis("open the trunk"), reply=Reply("Something went wrong.", "failed"))
DONE = Turn("d", Hypothesis("open the trunk"), reply=Reply("The trunk is open."))
OFTEN = 50  # turns: a whole window


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Assistant, Observer, list[Turn], list[Alert]]]:
    config = Config(
        vehicle=VehicleConfig(channel="notices"),
        log=LogConfig(alert_spoken=True, alert_path=LAMP, alert_error_rate=0.5),
    )
    turns: list[Turn] = []
    alerts: list[Alert] = []

    def on_event(event: Event) -> None:
        if isinstance(event, TurnEnded):
            turns.append(event.turn)

    with ExitStack() as stack:
        observe = build_observer(config, stack, alerts.append)
        assistant = stack.enter_context(Assistant(config, aloud=False, on_event=on_event))
        assistant.vehicle.wait_until_known()
        observe.attach(assistant)
        yield assistant, observe, turns, alerts


def lamp(assistant: Assistant) -> object:
    reading = assistant.vehicle.state.get(LAMP)
    return reading.value if reading is not None else None


def test_an_alert_is_said_shown_and_taken_back(running) -> None:
    assistant, observe, turns, alerts = running
    state = assistant.vehicle.state
    assert lamp(assistant) == 0
    for _ in range(OFTEN):
        observe(FAILED)
    assert state.wait(lambda: lamp(assistant) == 1, 5.0)
    assert state.wait(lambda: bool(turns), 5.0)
    assert [turn.reply.text for turn in turns] == ["Several commands didn't work lately. I may need a check."]
    assert turns[0].reply.kind == "notice"
    for _ in range(OFTEN):
        observe(DONE)
    assert state.wait(lambda: lamp(assistant) == 0, 5.0)
    assert [alert.raised for alert in alerts] == [True, False]
    assert len(turns) == 1  # that all is well again is not said


def test_nobody_but_the_service_may_light_the_lamp(running) -> None:
    assistant, *_ = running
    vehicle = assistant.vehicle
    for source in ("grammar", "llm"):
        verdict = vehicle.gate.check(Action(ActionKind.SET, LAMP, True, source=source), vehicle.state, 0.0)
        assert (verdict.decision, verdict.rule) == (Decision.DENY, "not-listed")


def test_a_path_that_the_car_does_not_have(running) -> None:
    assistant, *_ = running
    with ExitStack() as stack:
        observe = build_observer(Config(log=LogConfig(alert_path="Vehicle.No.Such")), stack)
        with pytest.raises(ConfigError, match=r"log\.alert_path"):
            observe.attach(assistant)
