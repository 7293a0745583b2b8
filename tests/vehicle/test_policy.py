"""The demo car's policy as a table: situation, action, verdict. And the errors of policy files."""

from __future__ import annotations

import pytest
from conftest import DEMO, setting

from carvoice.errors import CarError
from carvoice.records import Decision, Zone
from carvoice.vehicle.policy import Condition, Policy, Range, When

SPEED = "Vehicle.Speed"
DRIVER_WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
REAR_WINDOW = "Vehicle.Cabin.Door.Row2.DriverSide.Window.Position"
DOOR = "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"
TRUNK = "Vehicle.Body.Trunk.Rear.IsOpen"
LOCK = "Vehicle.Cabin.Door.Row1.DriverSide.IsLocked"
CHILD = "Vehicle.Cabin.Door.Row2.DriverSide.IsChildLockActive"
SEAT = "Vehicle.Cabin.Seat.Row1.DriverSide.Position"
SEAT2 = "Vehicle.Cabin.Seat.Row1.PassengerSide.Position"
SEAT_HEAT = "Vehicle.Cabin.Seat.Row1.DriverSide.HeatingCooling"
ROOF = "Vehicle.Cabin.Sunroof.Position"
SHADE = "Vehicle.Cabin.Sunroof.Shade.Position"
AC = "Vehicle.Cabin.HVAC.IsAirConditioningActive"
FAN = "Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed"
TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
FOG = "Vehicle.Body.Lights.Fog.Front.IsOn"
HIGH = "Vehicle.Body.Lights.IsHighBeamSwitchOn"
LOW_ON = "Vehicle.Body.Lights.Beam.Low.IsOn"
HIGH_ON = "Vehicle.Body.Lights.Beam.High.IsOn"
SWITCH = "Vehicle.Body.Lights.LightSwitch"
POWER = "Vehicle.LowVoltageSystemState"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
HOOD = "Vehicle.Body.Hood.IsOpen"
WINDOW_LOCK = "Vehicle.Cabin.IsWindowChildLockEngaged"
TCS = "Vehicle.ADAS.TCS.IsEnabled"
DIAL = "Vehicle.Cabin.Infotainment.Phone.DialEntry"
CABLE = "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableLocked"
OCCUPIED = "Vehicle.Cabin.Seat.Row1.PassengerSide.IsOccupied"
DRIVER, PASSENGER, REAR, UNKNOWN = Zone.DRIVER, Zone.PASSENGER, Zone.REAR_LEFT, Zone.UNKNOWN

TABLE = [
    # situation, path, value, talker, verdict, rule
    ({}, TEMP, 21.0, REAR, "allow", "comfort"),
    ({}, TEMP, 40.0, DRIVER, "deny", "out-of-range"),
    ({}, SWITCH, "DISCO", DRIVER, "deny", "out-of-range"),
    ({}, TEMP, None, DRIVER, "deny", "out-of-range"),
    ({}, SPEED, 3.0, DRIVER, "deny", "not-listed"),
    ({}, "Vehicle.Wings.Position", 1, DRIVER, "deny", "unknown-path"),
    ({}, LOW_ON, True, DRIVER, "deny", "not-settable"),
    ({}, DOOR, True, DRIVER, "confirm", "door-open-confirm"),
    ({SPEED: 5.0}, DOOR, True, DRIVER, "confirm", "door-open-confirm"),
    ({SPEED: 5.1}, DOOR, True, DRIVER, "deny", "door-open-speed"),
    ({}, DOOR, False, DRIVER, "deny", "door-by-hand"),
    ({}, DOOR, True, REAR, "deny", "not-listed"),
    ({}, TRUNK, True, DRIVER, "confirm", "door-open-confirm"),
    ({SPEED: 60.0}, TRUNK, True, DRIVER, "deny", "trunk-open-speed"),
    ({TRUNK: True}, TRUNK, False, DRIVER, "confirm", "trunk-close-confirm"),
    ({GEAR: 127}, HOOD, True, DRIVER, "deny", "hood-standstill"),
    ({}, HOOD, True, DRIVER, "confirm", "door-open-confirm"),
    ({SPEED: 80.0}, LOCK, True, DRIVER, "allow", "front-row"),
    ({SPEED: 80.0}, LOCK, False, DRIVER, "deny", "unlock-speed"),
    ({}, CHILD, False, DRIVER, "allow", "front-row"),
    ({}, CHILD, False, UNKNOWN, "confirm", "child-lock-release"),
    ({}, CHILD, False, REAR, "deny", "not-listed"),
    ({SPEED: 120.0}, DRIVER_WINDOW, 100, DRIVER, "allow", "windows-and-shades"),
    ({}, DRIVER_WINDOW, 100, REAR, "deny", "rear-own-windows"),
    ({}, REAR_WINDOW, 100, REAR, "allow", "windows-and-shades"),
    ({WINDOW_LOCK: True}, REAR_WINDOW, 100, REAR, "deny", "window-child-lock"),
    ({WINDOW_LOCK: True}, REAR_WINDOW, 100, DRIVER, "allow", "windows-and-shades"),
    ({DRIVER_WINDOW: 60, POWER: "OFF"}, DRIVER_WINDOW, 0, DRIVER, "deny", "window-close-ignition"),
    ({DRIVER_WINDOW: 60, POWER: "OFF"}, DRIVER_WINDOW, 80, DRIVER, "allow", "windows-and-shades"),
    ({DRIVER_WINDOW: 60}, DRIVER_WINDOW, 0, DRIVER, "allow", "windows-and-shades"),
    ({SHADE: 100}, ROOF, 100, DRIVER, "deny", "sunroof-needs-shade"),
    ({SHADE: 0}, ROOF, 100, DRIVER, "allow", "windows-and-shades"),
    ({ROOF: 50}, SHADE, 100, DRIVER, "deny", "shade-under-open-roof"),
    ({}, SEAT, 100, DRIVER, "allow", "front-row"),
    ({SPEED: 1.0}, SEAT, 100, DRIVER, "deny", "driver-seat-standstill"),
    ({}, SEAT, 100, PASSENGER, "deny", "driver-seat-own"),
    ({}, SEAT, 100, REAR, "deny", "not-listed"),
    ({}, SEAT_HEAT, 100, REAR, "deny", "driver-seat-own"),
    ({SPEED: 100.0}, SEAT2, 100, PASSENGER, "allow", "front-row"),
    ({OCCUPIED: True}, SEAT2, 100, DRIVER, "confirm", "passenger-seat-occupied"),
    ({}, SEAT2, 100, DRIVER, "allow", "front-row"),
    ({}, "Vehicle.Body.Mirrors.DriverSide.IsFolded", True, DRIVER, "allow", "driver-only"),
    ({SPEED: 30.0}, "Vehicle.Body.Mirrors.DriverSide.IsFolded", True, DRIVER, "deny", "mirror-fold-speed"),
    ({}, AC, True, DRIVER, "allow", "comfort"),
    ({FAN: 0}, AC, True, DRIVER, "deny", "ac-needs-fan"),
    ({DRIVER_WINDOW: 21}, AC, True, DRIVER, "allow", "ac-open-windows"),
    ({DRIVER_WINDOW: 20}, AC, True, DRIVER, "allow", "comfort"),
    ({}, FOG, True, DRIVER, "deny", "fog-needs-low-beam"),
    ({LOW_ON: True}, FOG, True, DRIVER, "allow", "driver-only"),
    ({LOW_ON: True, HIGH_ON: True}, FOG, True, DRIVER, "deny", "fog-excludes-high-beam"),
    ({LOW_ON: True}, HIGH, True, DRIVER, "allow", "driver-only"),
    ({}, HIGH, True, DRIVER, "deny", "high-beam-needs-low-beam"),
    ({LOW_ON: True, FOG: True}, HIGH, True, DRIVER, "deny", "high-beam-excludes-fog"),
    ({LOW_ON: True}, HIGH, True, PASSENGER, "deny", "not-listed"),
    ({SPEED: 60.0}, SWITCH, "OFF", DRIVER, "confirm", "lights-off-driving"),
    ({SPEED: 60.0}, SWITCH, "BEAM", DRIVER, "allow", "driver-only"),
    ({}, TCS, False, DRIVER, "confirm", "assistance-off"),
    ({SPEED: 90.0}, TCS, False, DRIVER, "deny", "traction-off-speed"),
    ({}, TCS, True, DRIVER, "allow", "driver-only"),
    ({}, DIAL, 112, DRIVER, "confirm", "emergency-call-confirm"),
    ({}, DIAL, 1, DRIVER, "allow", "comfort"),
    ({}, CABLE, False, DRIVER, "confirm", "cable-unlock-confirm"),
    ({SPEED: 10.0}, CABLE, False, DRIVER, "deny", "charge-parked"),
    (
        {},
        "Vehicle.Cabin.Seat.Row1.PassengerSide.MemoryStore",
        1,
        DRIVER,
        "confirm",
        "seat-memory-store-confirm",
    ),
    ({SPEED: 100.0}, "Vehicle.ADAS.CruiseControl.SpeedSet", 120.0, DRIVER, "allow", "driver-only"),
]


@pytest.mark.parametrize(("situation", "path", "value", "zone", "decision", "rule"), TABLE)
def test_verdict(desk, situation, path, value, zone, decision, rule):
    for where, what in situation.items():
        desk.set(where, what)
    desk.pass_time(0.6)
    verdict = desk.gate.check(setting(path, value, zone), desk.state, desk.clock())
    assert (verdict.decision.value, verdict.rule) == (decision, rule)
    if verdict.decision is not Decision.ALLOW:
        assert verdict.reason.endswith(".")


def test_every_rule_of_the_demo_car_is_in_the_table_or_tested_elsewhere(policy):
    elsewhere = {"window-close-auto-reverse", "moving-parts-fresh-state", "llm-confirm", "cruise-fresh-speed"}
    tested = {row[-1] for row in TABLE} | elsewhere
    assert {rule.id for rule in policy.rules} <= tested


@pytest.mark.parametrize("path", [DRIVER_WINDOW, SEAT, TRUNK, ROOF, "Vehicle.Body.Mirrors.DriverSide.Tilt"])
def test_nothing_that_moves_moves_without_fresh_state(desk, path):
    value = True if path == TRUNK else 0
    desk.clock.now_s += 1.5  # the bus is silent
    verdict = desk.gate.check(setting(path, value), desk.state, desk.clock(), confirmed=True)
    assert verdict.decision is Decision.DENY
    desk.pass_time(0.2)
    verdict = desk.gate.check(setting(path, value), desk.state, desk.clock(), confirmed=True)
    assert verdict.decision is Decision.ALLOW


def test_closing_when_the_position_is_unknown_counts_as_closing(desk):
    desk.set(POWER, "OFF")
    desk.clock.now_s += 1.5
    verdict = desk.gate.check(setting(DRIVER_WINDOW, 100), desk.state, desk.clock())
    assert verdict.rule == "window-close-ignition"


def test_without_declared_auto_reverse_windows_do_not_close(desk, car):
    import dataclasses

    from carvoice.vehicle.gate import Gate

    desk.set(DRIVER_WINDOW, 60)
    careful = Gate(dataclasses.replace(car, features={}), desk.policy, desk.clock)
    assert (
        careful.check(setting(DRIVER_WINDOW, 0), desk.state, desk.clock()).rule == "window-close-auto-reverse"
    )
    assert careful.check(setting(DRIVER_WINDOW, 90), desk.state, desk.clock()).decision is Decision.ALLOW


def test_the_language_model_needs_a_yes_and_may_not_do_everything(desk):
    action = setting(TEMP, 21.0, source="llm")
    assert desk.gate.check(action, desk.state, desk.clock()).rule == "llm-confirm"
    assert desk.gate.check(action, desk.state, desk.clock(), confirmed=True).decision is Decision.ALLOW
    lights = setting(SWITCH, "OFF", source="llm")
    assert desk.gate.check(lights, desk.state, desk.clock(), confirmed=True).rule == "not-listed"


def test_a_yes_does_not_overrule_a_deny(desk):
    desk.set(SPEED, 60.0)
    verdict = desk.gate.check(setting(TRUNK, True), desk.state, desk.clock(), confirmed=True)
    assert verdict.rule == "trunk-open-speed"


GOOD = '[[allow]]\nid = "a"\npaths = ["Vehicle.Speed"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[alow]]\nid = 'x'", "unknown table alow"),
        ("[[allow]]\npaths = ['Vehicle.Speed']", r"every \[\[allow\]\] needs an id"),
        (GOOD + GOOD, r":2: id 'a' is used twice"),
        (
            '[[allow]]\nid = "a"\npaths = ["Vehicle.Wings.**"]',
            r":2: a: no path of the car matches 'Vehicle.Wings",
        ),
        ('[[allow]]\nid = "a"\npaths = "Vehicle.Speed"', "paths must be a list"),
        ('[[allow]]\nid = "a"\npaths = []', "paths must be a list"),
        ('[[allow]]\nid = "a"\npaths = [1]', "paths must be a list"),
        ("allow = [1]", r"every \[\[allow\]\] needs an id"),
        ('[[allow]]\nid = ""\npaths = ["Vehicle.Speed"]', r"every \[\[allow\]\] needs an id"),
        ('[[allow]]\nid = 5\npaths = ["Vehicle.Speed"]', r"every \[\[allow\]\] needs an id"),
        ("[[allow]", r"rules.toml: .*line 1"),
        ('[[rate]]\nid = "r"\npaths = ["Vehicle.Speed"]\nmax = 1', "needs max .* and per_s, both above 0"),
        ('[[rate]]\nid = "r"\npaths = ["Vehicle.Speed"]\nmax = 1\nper_s = 0', "and per_s, both above 0"),
        ('[[rate]]\nid = "r"\npaths = ["Vehicle.Speed"]\nmax = 1\nper_s = "x"', ":2: r: "),
        ('[[companion]]\nid = "c"\npaths = ["Vehicle.Speed"]\nset = { value = 1 }', "this car has no "),
        (GOOD + 'zone = ["driver"]', "unknown key zone"),
        (GOOD + 'zones = ["roof"]', "'roof' is not a valid Zone; zones are driver"),
        (GOOD + 'sources = ["radio"]', "sources are grammar, llm"),
        ('[[rule]]\nid = "r"\npaths = ["Vehicle.Speed"]', "needs a reason"),
        (
            '[[rule]]\nid = "r"\npaths = ["Vehicle.Speed"]\neffect = "explode"\nreason = "x"',
            "effect must be one of",
        ),
        (
            '[[rule]]\nid = "r"\npaths = ["Vehicle.Speed"]\nreason = "x"\nrequire = [{ path = "Vehicle.Wings" }]',  # noqa: E501
            "this car has no Vehicle.Wings",
        ),
        ('[[rate]]\nid = "r"\npaths = ["Vehicle.Speed"]\nmax = 0\nper_s = 1', "needs max"),
        ('[[companion]]\nid = "c"\npaths = ["Vehicle.Speed"]\nset = { path = "Vehicle.Speed" }', "needs set"),
        (
            '[[companion]]\nid = "c"\npaths = ["Vehicle.Speed"]\nset = { path = "Vehicle.Speed", value = "x" }',  # noqa: E501
            "is a number, not 'x'",
        ),
    ],
)
def test_policy_file_errors(tmp_path, car, text, message):
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(CarError, match=message):
        Policy.load(path, car)


def test_missing_policy_file(tmp_path, car):
    with pytest.raises(CarError, match="there is no such policy file"):
        Policy.load(tmp_path / "gone.toml", car)


def test_the_demo_policy_lies_beside_the_car(car):
    assert car.rules_path == DEMO.parent / "rules.toml"


EVERYTHING = """
[defaults]
max_age_s = 0.7
denied = "No way."
unknown = "Who knows."

[[allow]]
id = "front"
paths = ["Vehicle.Cabin.**"]
zones = ["driver", "unknown"]
sources = ["grammar"]

[[rule]]
id = "roof"
paths = ["Vehicle.Cabin.Sunroof.Position"]
when = { min = 1, max = 50, in = [10, 20], falling = true, zones = ["passenger"], sources = ["llm"] }
require = [
    { path = "Vehicle.Speed", min = 2, max = 5, in = [3.0], max_age_s = 0.2 },
    { path = "$self" },
    { feature = "shade" },
]
effect = "confirm"
reason = "Mind the wind."

[[rate]]
id = "once"
paths = ["Vehicle.Cabin.Sunroof.*"]
max = 1
per_s = 0.5

[[companion]]
id = "fan"
paths = ["Vehicle.Cabin.HVAC.*"]
set = { path = "Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed", at_least = 20 }

[[companion]]
id = "air"
paths = ["Vehicle.Cabin.HVAC.*"]
when = { in = [true] }
set = { path = "Vehicle.Cabin.HVAC.Station.Row1.Driver.AirDistribution", value = "UP" }
"""


def test_every_field_of_a_policy_file_is_read(tmp_path, car):
    path = tmp_path / "rules.toml"
    path.write_text(EVERYTHING)
    policy = Policy.load(path, car)
    assert (policy.path, policy.max_age_s) == (path, 0.7)
    assert (policy.denied, policy.unknown) == ("No way.", "Who knows.")
    assert policy.lines == {"front": 8, "roof": 14, "once": 26, "fan": 32, "air": 37}
    (allow,) = policy.allow
    assert (allow.id, allow.paths.patterns) == ("front", ("Vehicle.Cabin.**",))
    assert (allow.zones, allow.sources) == ((Zone.DRIVER, Zone.UNKNOWN), ("grammar",))
    (rule,) = policy.rules
    assert (rule.id, rule.effect, rule.reason) == ("roof", Decision.CONFIRM, "Mind the wind.")
    assert rule.when == When(Range(1, 50, (10, 20)), True, (Zone.PASSENGER,), ("llm",))
    assert rule.require == (
        Condition("Vehicle.Speed", Range(2, 5, (3.0,)), 0.2),
        Condition("$self", Range(), 0.7),
        Condition(feature="shade"),
    )
    (rate,) = policy.rates
    assert (rate.id, rate.max, rate.per_s, rate.reason) == ("once", 1, 0.5, "No way.")
    fan, air = policy.companions
    assert (fan.id, fan.path.rsplit(".", 1)[1], fan.value, fan.at_least) == ("fan", "FanSpeed", None, 20)
    assert (air.id, air.value, air.at_least) == ("air", "UP", None)
    assert (fan.when, air.when) == (When(), When(Range(values=(True,))))
    assert fan.paths.match("Vehicle.Cabin.HVAC.IsSyncActive")
    assert not fan.paths.match("Vehicle.Cabin.HVAC.Station.Row1.Driver.FanSpeed")


def test_defaults_and_own_reasons(tmp_path, car):
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[rate]]\nid = "r"\npaths = ["Vehicle.Speed"]\nmax = 3\nper_s = 2\nreason = "Slowly."\n'
        '[[rule]]\nid = "q"\npaths = ["Vehicle.Speed"]\nrequire = [{ path = "$self" }]\nreason = "x"\n'
        '[[allow]]\nid = "a"\npaths = ["Vehicle.Speed"]\nsources = ["grammar", "llm", "service"]\n'
    )
    policy = Policy.load(path, car)
    assert (policy.max_age_s, policy.denied) == (1.0, "I'm not allowed to do that.")
    assert policy.unknown == "The car doesn't tell me what I need to know for that."
    assert policy.rates[0].reason == "Slowly."
    assert policy.rules[0].effect is Decision.DENY
    assert policy.rules[0].require[0].max_age_s == 1.0
    assert policy.allow[0].sources == ("grammar", "llm", "service")


@pytest.mark.parametrize(
    ("limits", "value", "holds"),
    [
        (Range(), "anything", True),
        (Range(1, 3), 1, True),
        (Range(1, 3), 3, True),
        (Range(1, 3), 0.99, False),
        (Range(1, 3), 3.01, False),
        (Range(minimum=1), 99, True),
        (Range(maximum=1), 2, False),
        (Range(1, 3), "2", False),
        (Range(values=("A", "B")), "B", True),
        (Range(values=("A", "B")), "C", False),
        (Range(1, 3, (2, 5)), 5, False),
    ],
)
def test_ranges(limits, value, holds):
    assert limits.holds(value) is holds
