# ruff: noqa: E501
"""Checking, drafting and explaining."""

from __future__ import annotations

import re

import pytest
from conftest import DEMO, getting, setting

from carvoice.errors import CarError
from carvoice.records import Zone
from carvoice.resources import data_path
from carvoice.vehicle.car import Car
from carvoice.vehicle.check import Severity, check_car
from carvoice.vehicle.explain import explain
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.scaffold import scaffold_car, words
from carvoice.vehicle.scaffold_policy import scaffold_policy

ACTIONS = data_path("grammars", "actions.yaml")


def test_the_demo_car_can_do_everything_the_shipped_grammar_asks():
    assert check_car(DEMO, ACTIONS) == ()


@pytest.fixture
def broken(tmp_path):
    """A copy of the demo car in which the test replaces text."""

    def make(*replacements: tuple[str, str], file: str = "demo.toml"):
        for name in ("demo.toml", "demo.dbc", "rules.toml"):
            text = (DEMO.parent / name).read_text()
            if name == file:
                for old, new in replacements:
                    assert old in text
                    text = text.replace(old, new, 1)
            (tmp_path / name).write_text(text)
        return tmp_path / "demo.toml"

    return make


TEMP = '["Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"]'
SPEED_CYCLE = re.search(r'BA_ "GenMsgCycleTime" BO_ 160 \d+;', (DEMO.parent / "demo.dbc").read_text()).group()


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("demo.toml", "HVAC_TempSetDrv\"", "HVAC_TempSetDrx\"", r"demo.toml:\d+: error: .*did you mean 'HVAC_TempSetDrv'"),
        ("demo.toml", TEMP + '\ntype = "actuator"\ndatatype = "float"\nunit = "celsius"\nmin = 16\nmax = 28',
         TEMP + '\ntype = "actuator"\ndatatype = "float"\nunit = "celsius"\nmin = 10\nmax = 28',
         r"demo.toml:\d+: error: .*Driver.Temperature: vss2dbc: 10 cannot be sent: 10.0 is outside the range 16..28"),
        ("demo.toml", 'unit = "celsius"\nmin = 16', 'unit = "fahrenheit"\nmin = 16', r"is in fahrenheit, HU_TempSetDrvReq in degC"),
        ("demo.toml", "min = 16\nmax = 28\n", "", r"warning: .*has no min and max"),
        ("demo.toml", 'vss2dbc = { signal = "HU_TempSetDrvReq" }\n', "", r"is an actuator without vss2dbc"),
        ("demo.toml", 'dbc2vss = { signal = "HVAC_TempSetDrv" }\n', "", r"has no dbc2vss: nothing can be confirmed"),
        ("demo.toml", '"HU_TempSetPasReq"', '"HU_TempSetDrvReq"', r"HU_TempSetDrvReq is already the request signal of .*Row1.Driver"),
        ("demo.toml", '{ from = "#FF0000", to = "RED" }', '{ from = "#FF0000", to = "GREEN" }', r"'#00FF00' and '#FF0000' are both sent as 1"),
        ("demo.toml", '{ from = "RED", to = "#FF0000" }', '{ from = "RED", to = "#00FF00" }', r"AMP|BCM_AmbientColor never shows '#FF0000'"),
        ("demo.toml", "window_auto_reverse = true", "", r"rules.toml:\d+: warning: window-close-auto-reverse: the car declares no feature"),
        ("demo.dbc", "HU_TempSetDrvReq 255;", "HU_TempSetDrvReq 40;", r"demo.toml:\d+: error: .*the start value 40 of HU_TempSetDrvReq is a request too"),
        ("demo.dbc", SPEED_CYCLE, 'BA_ "GenMsgCycleTime" BO_ 160 2000;', r"rules.toml:\d+: error: .*GW_Motion comes every 2 s"),
        ("demo.dbc", SPEED_CYCLE, 'BA_ "GenMsgCycleTime" BO_ 160 0;', r"GW_Motion has no cycle time"),
        ("rules.toml", '    "Vehicle.TripMeterReading",\n', "", r"Vehicle.TripMeterReading: no \[\[allow\]\] of the policy names it"),
        ("rules.toml", "max = 5,", "mux = 5,", r"rules.toml:\d+: error: .*unknown key mux"),
    ],
)  # fmt: skip
def test_problems_are_found(broken, file, old, new, message):
    problems = check_car(broken((old, new), file=file), ACTIONS)
    text = "\n".join(map(str, problems))
    assert re.search(message, text), text


def test_intents_the_car_cannot_carry_out(broken):
    text = (DEMO.parent / "demo.toml").read_text()
    sunroof = re.search(r'\["Vehicle.Cabin.Sunroof.Position"\](.|\n)*?\n\n', text).group()
    problems = check_car(broken((sunroof, "")), ACTIONS)
    found = "\n".join(str(p) for p in problems)
    assert "rules.toml" in found  # the policy names the path too
    (lacking,) = (p for p in problems if "Vehicle.Cabin.Sunroof: " in p.message)
    assert lacking.severity is Severity.WARNING
    assert lacking.message.startswith(
        "Vehicle.Cabin.Sunroof: cannot be carried out: SunroofOpen, SunroofClose"
    )
    assert "this car has no Vehicle.Cabin.Sunroof.Position" in lacking.message


def test_get_of_a_path_without_status_and_set_of_a_sensor(broken):
    problems = check_car(
        broken(
            ('dbc2vss = { signal = "HVAC_TempSetDrv" }\n', ""),
            ('type = "actuator"\ndatatype = "boolean"\ndbc2vss = { signal = "BCM_Dome" }\nvss2dbc = { signal = "HU_DomeReq" }',
             'type = "sensor"\ndatatype = "boolean"\ndbc2vss = { signal = "BCM_Dome" }'),
        ),
        ACTIONS,
    )  # fmt: skip
    found = "\n".join(str(p) for p in problems)
    assert re.search("not for every seat and value: .*ClimateGetTemperature", found)
    assert "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature is not told by this car" in found
    assert "Vehicle.Cabin.Light: cannot be carried out: LightDome (" in found
    assert "Vehicle.Cabin.Light.IsDomeOn cannot be set" in found


def test_files_that_are_not_there(tmp_path, broken):
    (problem,) = check_car(tmp_path / "gone.toml")
    assert str(problem).endswith("gone.toml: error: there is no such car file")
    (problem,) = check_car(DEMO, tmp_path / "gone.yaml")
    assert "there is no such actions file" in str(problem)


# ---- drafting -----------------------------------------------------------------------------------------

FOREIGN = """VERSION ""
BU_: IHU BCM GW
BO_ 256 IHU_BodyCmd: 8 IHU
 SG_ WndwPosDrvrReq : 0|8@1+ (1,0) [0|100] "%" BCM
 SG_ TrnkOpnReq : 8|2@1+ (1,0) [0|1] "" BCM
 SG_ ClimTempSetDrvReq : 16|8@1+ (0.5,0) [16|28] "degC" BCM
BO_ 512 BCM_Sts: 8 BCM
 SG_ WndwPosDrvr : 0|8@1+ (1,0) [0|100] "%" IHU
 SG_ TrunkOpenSts : 8|2@1+ (1,0) [0|1] "" IHU
 SG_ RollingCode : 56|8@1+ (1,0) [0|255] "" IHU
BO_ 768 GW_Veh: 8 GW
 SG_ VehSpd : 0|16@1+ (0.01,0) [0|300] "km/h" IHU
 SG_ OutsideTemp : 16|8@1+ (0.5,-40) [-40|60] "degC" IHU
"""


def test_a_draft_for_a_foreign_database_loads_and_is_right_where_it_counts(tmp_path, car):
    database = tmp_path / "mine.dbc"
    database.write_text(FOREIGN)
    draft = tmp_path / "mine.toml"
    draft.write_text(scaffold_car(database, car))
    mine = Car.load(draft)
    assert mine.node == "IHU"
    assert mine.find("Vehicle.Speed").read.signal.name == "VehSpd"
    assert mine.find("Vehicle.Exterior.AirTemperature").read.signal.name == "OutsideTemp"
    window = mine.find("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position")
    assert (window.read.signal.name, window.write.signal.name) == ("WndwPosDrvr", "WndwPosDrvrReq")
    trunk = mine.find("Vehicle.Body.Trunk.Rear.IsOpen")
    assert (trunk.read.signal.name, trunk.write.signal.name) == ("TrunkOpenSts", "TrnkOpnReq")
    assert "#   BCM_Sts.RollingCode" in draft.read_text()


def test_a_draft_maps_named_values_and_lies_where_it_is_wanted(tmp_path, car):
    lock = FOREIGN.replace(
        " SG_ TrnkOpnReq", ' SG_ DrvDrLckReq : 24|2@1+ (1,0) [0|2] "" BCM\n SG_ TrnkOpnReq'
    ).replace(" SG_ TrunkOpenSts", ' SG_ DrvDrLckSts : 24|2@1+ (1,0) [0|2] "" IHU\n SG_ TrunkOpenSts')
    lock += 'VAL_ 256 DrvDrLckReq 0 "Idle" 1 "Lock" 2 "Unlock" ;\nVAL_ 512 DrvDrLckSts 1 "Locked" 2 "Unlocked" ;\n'
    (tmp_path / "mine.dbc").write_text(lock)
    (tmp_path / "cars").mkdir()
    draft = tmp_path / "cars" / "mine.toml"
    draft.write_text(scaffold_car(tmp_path / "mine.dbc", car, folder=draft.parent))
    locked = Car.load(draft).find("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked")
    assert [locked.to_bits(True), locked.to_bits(False)] == [1, 2]
    assert [locked.from_bits(1), locked.from_bits(2)] == [True, False]
    window = Car.load(draft).find("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position")
    assert window.settle_s > 0


def test_drafting_the_demo_car_from_its_own_database_finds_most_of_it(car, tmp_path):
    draft = tmp_path / "draft.toml"
    (tmp_path / "demo.dbc").write_text((DEMO.parent / "demo.dbc").read_text())
    draft.write_text(scaffold_car(tmp_path / "demo.dbc", car))
    mine = Car.load(draft)
    right = sum(
        1
        for path, node in car.nodes.items()
        if path in mine.nodes and node.read and mine.nodes[path].read
        and node.read.signal.name == mine.nodes[path].read.signal.name
    )  # fmt: skip
    wrong = sum(
        1 for p, n in mine.nodes.items() if n.read and n.read.signal.name != car.nodes[p].read.signal.name
    )
    assert right >= 100
    assert wrong <= 30


@pytest.mark.parametrize(
    ("values", "mapped", "idle"),
    [
        ('0 "NoReq" 1 "Open" 2 "Close"', {True: 1, False: 2}, 0),  # NoReq is not a no
        ('0 "Open" 1 "Close" 3 "NoRequest"', {True: 0, False: 1}, 3),
        ('0 "No" 1 "Yes" 2 "SNA"', {True: 1, False: 0}, 2),
        ('0 "Idle" 1 "NotOpen" 2 "Open"', {True: 2, False: 1}, 0),
        ('0 "Closed" 1 "Open" 2 "NOT_REQUESTED"', {True: 1, False: 0}, 2),
    ],
)
def test_what_named_values_are_taken_for(tmp_path, car, values, mapped, idle):
    (tmp_path / "mine.dbc").write_text(FOREIGN + f"VAL_ 256 TrnkOpnReq {values} ;\n")
    draft = tmp_path / "mine.toml"
    draft.write_text(scaffold_car(tmp_path / "mine.dbc", car))
    trunk = Car.load(draft).find("Vehicle.Body.Trunk.Rear.IsOpen")
    assert {value: trunk.to_bits(value) for value in (True, False)} == mapped
    assert trunk.write.signal.idle_raw == idle


def test_a_drafted_number_that_would_be_a_request_at_rest_gets_an_idle_to_be_asked_for(tmp_path, car):
    (tmp_path / "mine.dbc").write_text(FOREIGN)
    text = scaffold_car(tmp_path / "mine.dbc", car)
    assert re.search(r"WndwPosDrvrReq.*idle = 255 }.* idle: a guess", text)


def test_a_drafted_policy_allows_nothing_and_keeps_the_rules_the_car_can_keep(tmp_path, car, policy):
    (tmp_path / "mine.dbc").write_text(FOREIGN)
    (tmp_path / "mine.toml").write_text(scaffold_car(tmp_path / "mine.dbc", car))
    mine = Car.load(tmp_path / "mine.toml")
    text = scaffold_policy(mine, policy)
    (tmp_path / "rules.toml").write_text(text)
    drafted = Policy.load(mine.rules_path, mine)
    assert drafted.allow == ()
    by_id = {rule.id: rule for rule in policy.rules}
    assert {"trunk-open-speed", "door-open-confirm", "llm-confirm"} <= {rule.id for rule in drafted.rules}
    for rule in drafted.rules:
        original = by_id[rule.id]
        assert (rule.when, rule.require, rule.effect, rule.reason) == (
            original.when,
            original.require,
            original.effect,
            original.reason,
        )
    # the car does not tell whether the ignition is on: its window is in no draft of an allow-list
    window = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
    assert (
        "# window-close-ignition is left out: this car does not tell Vehicle.LowVoltageSystemState." in text
    )
    offered = "".join(block for block in text.split("\n\n") if block.startswith("# [[allow]]"))
    assert "Vehicle.Body.Trunk.Rear.IsOpen" in offered
    assert window not in offered


def test_the_policy_drafted_for_the_demo_car_is_its_own_policy(tmp_path, car, policy):
    text = re.sub(r"(?m)^# (\[\[|id|paths|    \"|\]|zones|sources)", r"\1", scaffold_policy(car, policy))
    (tmp_path / "rules.toml").write_text(text)
    again = Policy.load(tmp_path / "rules.toml", car)
    assert (again.companions, again.denied, again.unknown) == (
        policy.companions,
        policy.denied,
        policy.unknown,
    )
    assert [(r.id, r.when, r.require, r.effect) for r in again.rules] == [
        (r.id, r.when, r.require, r.effect) for r in policy.rules
    ]
    assert [(r.id, r.max, r.per_s) for r in again.rates] == [(r.id, r.max, r.per_s) for r in policy.rates]
    for path, node in car.nodes.items():
        if node.write is not None:
            assert any(a.paths.match(path) for a in again.allow) == any(
                a.paths.match(path) for a in policy.allow
            )


def test_drafting_errors(tmp_path, car):
    with pytest.raises(CarError, match="no such bus database"):
        scaffold_car(tmp_path / "gone.dbc", car)
    (tmp_path / "mine.dbc").write_text(FOREIGN)
    with pytest.raises(CarError, match="no message is sent by node 'XX'; senders: BCM, GW, IHU"):
        scaffold_car(tmp_path / "mine.dbc", car, node="XX")


def test_words():
    assert words("WndwPosDrvrReq") == ("window", "position", "driver", "request")
    assert words("HVAC_TempSetFL") == ("hvac", "temperature", "request", "front", "driver")


# ---- explaining ---------------------------------------------------------------------------------------


def test_explain_names_rules_conditions_and_what_the_car_says(rig):
    rig.set("Vehicle.Speed", 60.0)
    report = explain(rig.gate, setting("Vehicle.Body.Trunk.Rear.IsOpen", True), rig.state, rig.clock())
    text = str(report)
    assert text.startswith(
        "set Vehicle.Body.Trunk.Rear.IsOpen = True for driver: deny by trunk-open-speed "
        "(I can't open the trunk while we're moving.)"
    )
    assert re.search(r"trunk-open-speed \(line \d+, deny\): broken", text)
    assert re.search(r"NOT Vehicle.Speed at most 5, no older than 0.5 s \(is 60.0, 0.0\d s old\)", text)
    assert re.search(r"moving-parts-fresh-state \(line \d+, deny\): met", text)


def test_explain_a_confirmation_a_feature_and_a_read(rig):
    text = str(explain(rig.gate, setting("Vehicle.Body.Trunk.Rear.IsOpen", True), rig.state, rig.clock()))
    assert "confirm by door-open-confirm" in text
    assert "after a yes: allow by front-row" in text
    rig.set("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position", 50)
    action = setting("Vehicle.Cabin.Door.Row1.DriverSide.Window.Position", 0)
    assert "ok  the car declares window_auto_reverse" in str(
        explain(rig.gate, action, rig.state, rig.clock())
    )
    text = str(explain(rig.gate, getting("Vehicle.Speed"), rig.state, rig.clock()))
    assert text.startswith("get Vehicle.Speed for unknown: allow by read")
    action = setting("Vehicle.Speed", 3.0, Zone.DRIVER)
    assert "allow-list: not named" in str(explain(rig.gate, action, rig.state, rig.clock()))
