"""The safety rules the house was planned with, one by one, each held against the demo car."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import can
import pytest
from conftest import Desk, setting

import carvoice.vehicle.gate
from carvoice.dialogue import Replies
from carvoice.records import Actuation, Decision, Evidence, Interpretation, Slot, Zone
from carvoice.resources import data_path
from carvoice.vehicle.gate import DeniedError, Gate, inspect
from carvoice.vehicle.planner import Actions, Planner

SPEED = "Vehicle.Speed"
DOORS = [
    f"Vehicle.Cabin.Door.Row{row}.{side}Side.IsOpen" for row in (1, 2) for side in ("Driver", "Passenger")
]
LIDS = ["Vehicle.Body.Trunk.Rear.IsOpen", "Vehicle.Body.Hood.IsOpen"]
WINDOWS = [path.replace("IsOpen", "Window.Position") for path in DOORS]
ROOF, SHADE = "Vehicle.Cabin.Sunroof.Position", "Vehicle.Cabin.Sunroof.Shade.Position"
SEAT = "Vehicle.Cabin.Seat.Row1.DriverSide."
SEAT_MOVES = [SEAT + part for part in ("Position", "Height", "Backrest.Recline", "MemoryRecall")]
HVAC = "Vehicle.Cabin.HVAC."
COOLING, FAN = HVAC + "IsAirConditioningActive", HVAC + "Station.Row1.Driver.FanSpeed"
TEMP = HVAC + "Station.Row1.Driver.Temperature"
LIGHTS = "Vehicle.Body.Lights."


class Nowhere:
    def __init__(self) -> None:
        self.frames: list[can.Message] = []

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        self.frames.append(msg)


def judge(desk: Desk, path: str, value: object, zone: Zone = Zone.DRIVER, **more: bool):
    action = setting(path, value, zone)
    return desk.gate.check(action, desk.state, desk.clock(), **more)


def is_denied(desk: Desk, path: str, value: object, zone: Zone = Zone.DRIVER) -> bool:
    """Denied whatever the driver says."""
    return judge(desk, path, value, zone, confirmed=True).decision is Decision.DENY


def test_deny_by_default(desk, car):
    nothing = Gate(car, dataclasses.replace(desk.policy, allow=()), desk.clock)
    for path, node in car.nodes.items():
        if node.write is not None:
            value = node.allowed[0] if node.allowed else True if node.datatype == "boolean" else node.low
            action = setting(path, value)
            assert nothing.check(action, desk.state, desk.clock(), confirmed=True).rule == "not-listed"
            sink = Nowhere()
            with pytest.raises(DeniedError):
                nothing.send(sink, action, desk.state, confirmed=True)
            assert sink.frames == []


@pytest.mark.parametrize("source", ["grammar", "llm"])
def test_the_grammar_and_the_language_model_go_through_the_same_gate(desk, source):
    desk.set(SPEED, 60.0)
    for path in DOORS:
        action = setting(path, True, source=source)
        with pytest.raises(DeniedError):
            desk.gate.send(Nowhere(), action, desk.state, confirmed=True)


def test_only_the_asked_for_signal_of_the_asked_for_id_may_be_in_the_frame(car):
    codec = car.messages["HU_ClimateReq"]
    wanted = {"HU_TempSetDrvReq": codec.signal("HU_TempSetDrvReq").bits(21.0)}
    inspect(codec, None, wanted, codec.encode_bits(wanted))
    for other in codec.signals:
        if other not in wanted:
            smuggled = codec.encode_bits({**wanted, other: codec.signal(other).idle_raw ^ 1})
            with pytest.raises(DeniedError, match="frame-other"):
                inspect(codec, None, wanted, smuggled)


def test_range_and_enum(desk):
    assert judge(desk, TEMP, 28.5).rule == "out-of-range"
    assert judge(desk, LIGHTS + "LightSwitch", "DISCO").rule == "out-of-range"


def test_rate(desk):
    sink = Nowhere()
    for _ in range(12):
        desk.gate.send(sink, setting(WINDOWS[0], 30), desk.state)
    with pytest.raises(DeniedError, match="motor-rate"):
        desk.gate.send(sink, setting(WINDOWS[0], 30), desk.state)
    assert len(sink.frames) == 12


@pytest.mark.parametrize("path", [*DOORS, *LIDS])
def test_what_can_hurt_is_confirmed(desk, path):
    assert judge(desk, path, True).decision is Decision.CONFIRM
    assert judge(desk, path, True, confirmed=True).decision is Decision.ALLOW


def test_zones_of_driver_and_passenger(desk):
    for path in SEAT_MOVES:
        for zone in (Zone.PASSENGER, Zone.REAR_LEFT, Zone.REAR_RIGHT):
            assert is_denied(desk, path, 1, zone)
    assert is_denied(desk, WINDOWS[0], 50, Zone.REAR_LEFT)
    assert not is_denied(desk, WINDOWS[2], 50, Zone.REAR_LEFT)
    desk.set("Vehicle.Cabin.IsWindowChildLockEngaged", True)
    assert is_denied(desk, WINDOWS[2], 50, Zone.REAR_LEFT)


@pytest.mark.parametrize("path", [*DOORS, *LIDS])
def test_no_door_or_trunk_opens_above_5_kmh(desk, path):
    desk.set(SPEED, 5.01)
    assert is_denied(desk, path, True)


@pytest.mark.parametrize("path", WINDOWS)
def test_windows_close_only_with_ignition_on_and_declared_auto_reverse(desk, car, path):
    desk.set(path, 50)
    assert not is_denied(desk, path, 0)
    bare = dataclasses.replace(car, features={"window_auto_reverse": False})
    assert Gate(bare, desk.policy, desk.clock).check(setting(path, 0), desk.state, desk.clock()).rule == (
        "window-close-auto-reverse"
    )
    for power in ("OFF", "ACC", "LOCK"):
        if power in car.nodes["Vehicle.LowVoltageSystemState"].allowed:
            desk.set("Vehicle.LowVoltageSystemState", power)
            assert is_denied(desk, path, 0)
            assert not is_denied(desk, path, 100)


@pytest.mark.parametrize("path", SEAT_MOVES)
def test_the_drivers_seat_moves_only_at_standstill(desk, path):
    assert not is_denied(desk, path, 1)
    desk.set(SPEED, 1.0)
    assert is_denied(desk, path, 1)


def test_the_sunroof_needs_the_shade_open(desk):
    desk.set(SHADE, 100)
    assert is_denied(desk, ROOF, 50)
    desk.set(SHADE, 0)
    assert not is_denied(desk, ROOF, 50)


def test_cooling_needs_the_fan_and_warns_with_windows_open(desk):
    desk.set(FAN, 0)
    assert is_denied(desk, COOLING, True)
    desk.set(FAN, 10)
    desk.set(WINDOWS[3], 21)
    warned = judge(desk, COOLING, True)
    assert (warned.decision, warned.reason) == (Decision.ALLOW, "A window is open.")
    desk.set(WINDOWS[3], 20)
    assert judge(desk, COOLING, True).reason == ""


def test_front_defrost_brings_fan_2_and_windshield_airflow(desk, car):
    desk.set(FAN, 0)
    planner = Planner(car, Actions.load(data_path("grammars", "actions.yaml")), desk.policy)
    slots = {"position": Slot("front"), "state": Slot("on")}
    actions = planner.plan(Interpretation("ClimateDefrost", slots), desk.state, Zone.DRIVER)
    assert [(a.path.removeprefix(HVAC), a.value) for a in actions] == [
        ("Station.Row1.Driver.FanSpeed", 20),  # level 2 of 10
        ("Station.Row1.Driver.AirDistribution", "UP"),
        ("IsFrontDefrosterActive", True),
    ]


def test_fog_lights_need_low_beam_and_high_beam_excludes_fog(desk):
    fog, high = LIGHTS + "Fog.Front.IsOn", LIGHTS + "IsHighBeamSwitchOn"
    assert is_denied(desk, fog, True)
    desk.set(LIGHTS + "Beam.Low.IsOn", True)
    assert not is_denied(desk, fog, True)
    assert not is_denied(desk, high, True)
    desk.set(fog, True)
    assert is_denied(desk, high, True)


def test_nothing_that_moves_moves_without_fresh_state(desk, car):
    moving = [p for p, n in car.nodes.items() if n.write is not None and n.settle_s > 0]
    assert len(moving) > 20
    desk.clock.now_s += 1.01  # the bus has been silent
    for path in moving:
        node = car.nodes[path]
        assert is_denied(desk, path, True if node.datatype == "boolean" else node.high), path


def test_a_reply_has_its_own_sentence_for_every_evidence():
    replies = Replies.load(data_path("grammars", "en", "replies.yaml"))
    command = Interpretation("WindowOpen", {"zone": Slot("driver")})
    said = {
        evidence: replies.outcome(command, (Actuation(setting(WINDOWS[0], 100), evidence, value=100),)).text
        for evidence in Evidence
    }
    assert len(set(said.values())) >= len(Evidence) - 1  # requested and transmitted may sound alike
    assert all(said.values())
    done = said[Evidence.ACTUATED]
    assert [e for e, text in said.items() if text == done] == [Evidence.ACTUATED]


def test_profiles_1_2_and_5_protect_what_is_sent_and_what_is_checked(car):
    ours = {p.profile for name, p in car.protection.items() if car.node in car.messages[name].senders}
    theirs = {p.profile for name, p in car.protection.items() if car.node not in car.messages[name].senders}
    assert ours == theirs == {1, 2, 5}


def test_we_say_that_it_is_qm_software():
    assert "QM software" in (carvoice.vehicle.gate.__doc__ or "")
    readme = Path(__file__).resolve().parents[2] / "README.md"
    assert re.search(r"QM software: the ECU keeps its own safety\s+mechanisms", readme.read_text())
