"""The simulated car by itself: movement, interlocks, physics, scenarios."""

from __future__ import annotations

import pytest
from conftest import DEMO, setting

from carvoice.errors import CarError
from carvoice.records import Evidence
from carvoice.vehicle.e2e import CheckStatus
from carvoice.vehicle.simulator import Scenario
from carvoice.vehicle.simulator.ecu import invert
from carvoice.vehicle.simulator.scenario import Fault, FaultKind
from carvoice.vehicle.transform import Transform

SPEED = "Vehicle.Speed"
WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
CABIN = "Vehicle.Cabin.HVAC.AmbientAirTemperature"
LIGHTS = "Vehicle.Body.Lights."
SCENARIOS = sorted((DEMO.parent / "scenarios").glob("*.toml"))


def test_a_window_takes_its_time(rig):
    rig.actuator.perform(setting(WINDOW, 100))
    seen = []
    for _ in range(9):
        seen.append(rig.simulated.get(WINDOW))
        rig.pass_time(0.5)
    assert seen[0] < 5
    assert seen == sorted(seen)
    assert rig.simulated.get(WINDOW) == 100
    assert seen[4] == pytest.approx(50, abs=4)  # 4 s for the full travel


def test_a_new_target_turns_a_window_round(rig):
    rig.actuator.perform(setting(WINDOW, 100))
    rig.pass_time(2.0)
    rig.actuator.perform(setting(WINDOW, 0))
    rig.pass_time(3.0)
    assert rig.simulated.get(WINDOW) == 0


def test_the_cabin_follows_the_set_point_slowly(rig):
    start = rig.simulated.get(CABIN)
    rig.actuator.perform(setting(TEMP, 28.0))
    rig.pass_time(60.0)
    middle = rig.simulated.get(CABIN)
    rig.pass_time(600.0)
    assert start < middle < 28.0
    assert rig.simulated.get(CABIN) == pytest.approx(28.0, abs=0.1)


def test_distance_is_speed_times_time(rig):
    before = rig.simulated.get("Vehicle.TraveledDistance")
    rig.set(SPEED, 36.0)
    rig.pass_time(60.0)
    assert rig.simulated.get("Vehicle.TraveledDistance") - before == pytest.approx(606, abs=2)


def test_light_switch_and_beams(rig):
    assert rig.actuator.perform(setting(LIGHTS + "LightSwitch", "BEAM")).evidence is Evidence.ACTUATED
    assert rig.simulated.get(LIGHTS + "Beam.Low.IsOn") is True
    assert rig.actuator.perform(setting(LIGHTS + "IsHighBeamSwitchOn", True)).evidence is Evidence.ACTUATED
    assert rig.simulated.get(LIGHTS + "Beam.High.IsOn") is True
    rig.actuator.perform(setting(LIGHTS + "LightSwitch", "OFF"))
    assert rig.simulated.get(LIGHTS + "Beam.High.IsOn") is False


def test_opening_a_door_unlocks_it(rig):
    door = "Vehicle.Cabin.Door.Row2.DriverSide."
    assert rig.simulated.get(door + "IsLocked") is True
    result = rig.actuator.perform(setting(door + "IsOpen", True), confirmed=True)
    assert (result.evidence, rig.simulated.get(door + "IsLocked")) == (Evidence.ACTUATED, False)


def test_charging_and_skipping(rig):
    charging = "Vehicle.Powertrain.TractionBattery.Charging."
    rig.actuator.perform(setting(charging + "StartStopCharging", "START"))
    rig.pass_time(0.5)
    assert rig.state.get(charging + "IsCharging").value is True


def test_the_ecus_refuse_by_themselves(rig):
    rig.set("Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed", 0)
    codec = rig.car.messages["HU_AirReq"]
    import can

    frame = can.Message(
        arbitration_id=codec.arbitration_id, data=codec.encode({"HU_AcOnReq": 1}), is_extended_id=False
    )
    rig.simulated.set("Vehicle.Cabin.HVAC.IsAirConditioningActive", False)
    rig.ours.raw.send(frame)  # past the gate, as a faulty head unit would
    rig.pass_time(0.2)
    assert rig.simulated.get("Vehicle.Cabin.HVAC.IsAirConditioningActive") is False


def test_frames_with_a_wrong_checksum_or_counter_are_not_carried_out(rig):
    import can

    codec = rig.car.messages["HU_WindowReq"]
    good = rig.car.protection["HU_WindowReq"].protect(codec.encode({"HU_WindowDrvFReq": 80}), 0)
    for data in (bytes([good[0] ^ 1]) + good[1:], good, good):
        rig.ours.raw.send(can.Message(arbitration_id=codec.arbitration_id, data=data, is_extended_id=False))
    rig.pass_time(0.1)
    (checker,) = (c for key, c in rig.simulated._checkers.items() if key == codec.key)
    assert checker.statuses[CheckStatus.WRONG_CRC] == 1
    assert checker.statuses[CheckStatus.REPEATED] == 1
    assert rig.simulated.get(WINDOW) > 0


# ---- scenarios ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda p: p.stem)
def test_shipped_scenarios_load_and_run(rig, path):
    rig.play(Scenario.load(path, rig.car))
    rig.pass_time(12.0)
    assert rig.state.get("Vehicle.Cabin.HVAC.AmbientAirTemperature") is not None


def test_speed_profile(rig):
    rig.play(Scenario.load(DEMO.parent / "scenarios" / "city.toml", rig.car))
    assert rig.state.get(SPEED).value == 0.0
    rig.pass_time(6.0)
    assert 10 < rig.state.get(SPEED).value < 40
    rig.pass_time(6.0)
    assert rig.state.get(SPEED).value == 50.0


def test_driving_at_60_the_trunk_stays_shut(rig):
    rig.play(Scenario.load(DEMO.parent / "scenarios" / "driving60.toml", rig.car))
    result = rig.actuator.perform(setting("Vehicle.Body.Trunk.Rear.IsOpen", True), confirmed=True)
    assert result.detail.startswith("policy trunk-open-speed")


def test_faults_come_and_go(rig, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(
        '[[at]]\ntime_s = 1.5\nfault = { kind = "silent", target = "DCM_WindowStat" }\n'
        '[[at]]\ntime_s = 3.0\nclear = { kind = "silent", target = "DCM_WindowStat" }\n'
        '[[at]]\ntime_s = 3.0\nset = { "Vehicle.Body.Lights.LightSwitch" = "POSITION" }\nramp_s = 1\n'
    )
    rig.play(Scenario.load(path, rig.car))
    rig.pass_time(1.5)
    assert rig.state.get(WINDOW).age_s > 1.0
    assert Fault(FaultKind.SILENT, "DCM_WindowStat") in rig.simulated.faults
    rig.pass_time(1.0)
    assert rig.state.get(WINDOW).age_s < 0.2
    assert rig.state.get("Vehicle.Body.Lights.LightSwitch").value == "POSITION"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = 1", "unknown key nonsense; known: at, name, start"),
        ('[start]\n"Vehicle.Wings" = 1', r"s\.toml:1: .*no Vehicle.Wings"),
        ('[start]\n"Vehicle.Speed" = "fast"', "is a number, not 'fast'"),
        ("[[at]]\nramp_s = 1", r"\[\[at\]\] number 1: needs time_s"),
        ("[[at]]\ntime_s = 1\nspeed = 3", "unknown: speed"),
        (
            '[[at]]\ntime_s = 1\nfault = { kind = "tired", target = "GW_Motion" }',
            "'tired' is not a valid FaultKind",
        ),
        ('[[at]]\ntime_s = 1\nfault = { kind = "silent", target = "GW" }', "no message or path 'GW'"),
    ],
)
def test_scenario_errors(car, tmp_path, text, message):
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(CarError, match=message):
        Scenario.load(path, car)


# ---- transforms, both ways ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "x", "y"),
    [
        (None, 3, 3),
        ({"math": "x * 2 - 1"}, 3, 5),
        ({"math": "floor((x*40)-100)"}, 2.01, -20),
        ({"math": "x^2"}, 3, 9),
        ({"math": "min(max(x, 0), 10)"}, 12, 10),
        ({"math": "-x % 7"}, 3, 4),
        ({"mapping": [{"from": "ON", "to": True}]}, "ON", True),
        ({"mapping": [{"from": "ON", "to": True}]}, "OFF", None),
        ({"math": "x"}, "text", None),
    ],
)
def test_transforms(table, x, y):
    assert Transform.parse(table).apply(x) == y


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("x", "must be a table"),
        ({}, "exactly one of mapping, math"),
        ({"math": "x", "mapping": []}, "exactly one of"),
        ({"math": "x +"}, "cannot read the expression"),
        ({"math": "x.y"}, "Attribute is not allowed"),
        ({"math": "'a'"}, "'a' is not a number"),
        ({"math": "y"}, "unknown name 'y'"),
        ({"math": "x(3)"}, "only plain function calls"),
        ({"mapping": 3}, "mapping must be a list"),
        ({"mapping": [{"from": 1}]}, "a mapping entry must be"),
        ({"mapping": [{"from": 1, "to": 2}, {"from": 1, "to": 3}]}, "names 1 twice"),
    ],
)
def test_transform_errors(table, message):
    with pytest.raises(CarError, match=message):
        Transform.parse(table)


def test_transforms_backwards():
    assert invert(Transform.parse({"math": "x * 4 - 100"}), 0) == 25
    assert invert(Transform.parse({"mapping": [{"from": 1, "to": "A"}]}), "A") == 1
    assert invert(Transform.parse(None), "A") == "A"
    with pytest.raises(CarError, match="gives 'B'"):
        invert(Transform.parse({"mapping": [{"from": 1, "to": "A"}]}), "B")
    with pytest.raises(CarError, match="not linear"):
        invert(Transform.parse({"math": "x * x"}), 4)
