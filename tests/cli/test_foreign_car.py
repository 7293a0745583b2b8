"""From a database nobody has seen to a spoken order: draft, an integrator's few edits, the car moves."""

import json
import re

import pytest

DBC = """VERSION ""
BU_: IHU BCM GW
BO_ 256 IHU_BodyCmd: 8 IHU
 SG_ TrnkOpnReq : 8|2@1+ (1,0) [0|3] "" BCM
 SG_ DrvDrLckReq : 24|2@1+ (1,0) [0|3] "" BCM
 SG_ WndwPosDrvrReq : 0|8@1+ (1,0) [0|100] "%" BCM
BO_ 512 BCM_Sts: 8 BCM
 SG_ TrunkOpenSts : 8|2@1+ (1,0) [0|3] "" IHU
 SG_ DrvDrLckSts : 24|2@1+ (1,0) [0|3] "" IHU
 SG_ WndwPosDrvr : 0|8@1+ (1,0) [0|100] "%" IHU
BO_ 768 GW_Veh: 8 GW
 SG_ VehSpd : 0|16@1+ (0.01,0) [0|300] "km/h" IHU
BA_DEF_ BO_ "GenMsgCycleTime" INT 0 65535;
BA_DEF_DEF_ "GenMsgCycleTime" 0;
BA_ "GenMsgCycleTime" BO_ 512 100;
BA_ "GenMsgCycleTime" BO_ 768 20;
VAL_ 256 TrnkOpnReq 0 "NoReq" 1 "Open" 2 "Close" ;
VAL_ 512 TrunkOpenSts 0 "NotOpen" 1 "Open" ;
VAL_ 256 DrvDrLckReq 0 "Lock" 1 "Unlock" 3 "NoRequest" ;
VAL_ 512 DrvDrLckSts 0 "Unlocked" 1 "Locked" 3 "SNA" ;
"""

SYM = """FormatVersion=6.0 // Do not edit this line!
Title="Body"

{ENUMS}
Enum=LockReq(0="NoRequest", 1="Lock", 2="Unlock")
Enum=LockSts(0="Unlocked", 1="Locked", 3="SNA")

{SIGNALS}
Sig=DrvDrLckReq unsigned 2 /e:LockReq
Sig=DrvDrLckSts unsigned 2 /e:LockSts
Sig=VehSpd unsigned 16 /u:km/h /f:0.01 /max:300

{SEND}

[BodyReq]
ID=210h
Len=8
Sig=DrvDrLckReq 0

{RECEIVE}

[BodySts]
ID=310h
Len=8
CycleTime=100
Sig=DrvDrLckSts 0

[VehMotion]
ID=0A0h
Len=8
CycleTime=20
Sig=VehSpd 0
"""


def uncomment(rules, entry):
    """What the integrator does by hand: take one drafted [[allow]] in."""
    block = next(b for b in rules.read_text().split("\n\n") if b.startswith(f'# [[allow]]\n# id = "{entry}"'))
    rules.write_text(rules.read_text().replace(block, re.sub(r"(?m)^# ", "", block)))


def last_turn(result):
    return json.loads([line for line in result.out.splitlines() if line.startswith("{")][-1])


@pytest.mark.parametrize(
    ("name", "text", "request_id", "data"),
    [
        ("body.dbc", DBC, 0x100, "ff00000100000000"),  # the window's 255 and the trunk's 0 ask for nothing
        ("body.sym", SYM, 0x210, "0200000000000000"),
    ],
)
def test_from_an_unknown_database_to_a_spoken_order(carvoice, tmp_path, name, text, request_id, data):
    (tmp_path / name).write_text(text)
    drafted = carvoice("car", "new", "--from", name, "--out", "mine.toml")
    assert drafted.code == 0, drafted.err
    rules = tmp_path / "rules.toml"
    assert "nothing may be asked of the car" in carvoice("car", "check", "mine.toml").out
    uncomment(rules, "front-row")
    checked = carvoice("car", "check", "mine.toml")
    assert (checked.code, "0 errors" in checked.out) == (0, True), checked.out
    assert len(checked.out.splitlines()) < 40

    unlocking = ("--set", "vehicle.car=mine.toml", "say", "--json", "unlock the driver door")
    after = last_turn(carvoice(*unlocking))
    (actuation,) = after["actuations"]
    request, status = actuation["frames"]
    assert (request["arbitration_id"], request["data"]) == (request_id, data)
    assert (actuation["evidence"], actuation["value"]) == ("actuated", False)
    assert not status.get("is_tx")

    if name == "body.dbc":
        refused = carvoice(*unlocking, "--car", "Vehicle.Speed=60")
        assert (refused.code, last_turn(refused)["verdicts"][0]["rule"]) == (1, "unlock-speed")


def test_a_draft_overwrites_nothing(carvoice, tmp_path):
    (tmp_path / "body.dbc").write_text(DBC)
    (tmp_path / "rules.toml").write_text("mine")
    result = carvoice("car", "new", "--from", "body.dbc", "--out", "mine.toml")
    assert (result.code, "rules.toml: is there already" in result.err) == (2, True)
    assert not (tmp_path / "mine.toml").exists()


def test_a_draft_makes_the_folder_it_is_wanted_in(carvoice, tmp_path):
    (tmp_path / "body.dbc").write_text(DBC)
    result = carvoice("car", "new", "--from", "body.dbc", "--out", "my/car.toml")
    assert result.code == 0, result.err
    assert {path.name for path in (tmp_path / "my").iterdir()} == {"car.toml", "rules.toml"}


def test_a_draft_that_cannot_be_written_is_one_line(carvoice, tmp_path):
    (tmp_path / "body.dbc").write_text(DBC)
    (tmp_path / "my").write_text("no folder")
    result = carvoice("car", "new", "--from", "body.dbc", "--out", "my/car.toml")
    assert (result.code, "cannot be written" in result.err) == (2, True)
