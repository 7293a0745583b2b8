from __future__ import annotations

import pytest

from carvoice.errors import CarError
from carvoice.resources import data_path
from carvoice.vehicle.car import Car

DEMO_DBC = data_path("cars", "demo", "demo.dbc")
HEAD = f"""[car]
dbc = "{DEMO_DBC}"
rules = "rules.toml"
node = "HU"
"""
SPEED = """
["Vehicle.Speed"]
type = "sensor"
datatype = "float"
unit = "km/h"
dbc2vss = { signal = "GW_VehSpeed" }
"""


def write(tmp_path, text):
    path = tmp_path / "my.toml"
    path.write_text(text)
    return path


def test_demo_car_has_every_kind_of_message(car):
    messages = car.messages.values()
    assert any(m.is_extended for m in messages)
    assert any(m.is_fd and m.length > 8 for m in messages)
    assert any(m.multiplexers for m in messages if "HU" in m.senders)
    assert {p.profile for p in car.protection.values()} == {1, 2, 5}
    assert any(not s.is_little_endian for m in messages for s in m.signals.values())


def test_a_small_car_loads(tmp_path):
    car = Car.load(write(tmp_path, HEAD + SPEED))
    assert car.name == "my"
    assert car.find("Vehicle.Speed").line == 6
    assert car.rules_path == tmp_path / "rules.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"my.toml: there is no \[car\] table"),
        ("[car]\ndbc = 'x.dbc'\n", r"my.toml:1: \[car\] lacks node, rules"),
        (
            HEAD + 'driver_position = "MIDDLE"',
            r"my.toml:5: driver_position must be LEFT or RIGHT, not 'MIDDLE'",
        ),
        (HEAD + "color = 1", r"\[car\] has unknown \['color'\]"),
        ("[car]\ndbc = 'gone.dbc'\nrules = 'r'\nnode = 'HU'", r"gone.dbc: there is no such bus database"),
        ("[car]\ndbc = 'my.toml'\nrules = 'r'\nnode = 'HU'", r"my.toml: cannot be read as a bus database"),
        (HEAD.replace('"HU"', '"XX"'), r"my.toml:4: no message of .* is sent by node 'XX'"),
        ("x = = 1", r"my.toml: .*line 1"),
        (
            HEAD + SPEED.replace("GW_VehSpeed", "GW_VehSped"),
            r"my.toml:6: Vehicle.Speed: dbc2vss: the database has no signal 'GW_VehSped'; did you mean 'GW_VehSpeed'\?",  # noqa: E501
        ),
        (
            HEAD + SPEED.replace("sensor", "wheel"),
            r"type must be one of actuator, sensor, attribute, not 'wheel'",
        ),
        (HEAD + SPEED.replace("float", "floaty"), r"datatype must be one of .*, not 'floaty'"),
        (HEAD + SPEED + "mx = 3", r"unknown key mx"),
        (HEAD + SPEED + 'vss2dbc = { signal = "HU_HazardReq" }', r"only an actuator can be set"),
        (
            HEAD + SPEED.replace("sensor", "actuator") + 'vss2dbc = { signal = "GW_VehSpeed" }',
            r"GW_Motion is sent by GW, not by HU",
        ),
        (
            HEAD + SPEED.replace('{ signal = "GW_VehSpeed" }', '"GW_VehSpeed"'),
            r'needs a table like \{ signal = "NAME" \}',
        ),
        (HEAD + SPEED.replace("}", ", sgn = 1 }"), r"unknown key sgn"),
        (HEAD + SPEED.replace("}", ', message = "Nope" }'), r"no message 'Nope'"),
        (HEAD + SPEED.replace("}", ', message = "HU_LightReq" }'), r"no signal 'GW_VehSpeed'"),
        (HEAD + SPEED.replace("}", ', transform = { math = "x+import" } }'), r"cannot read the expression"),
        (HEAD + SPEED.replace("}", ', transform = { math = "open(x)" } }'), r"unknown name 'open'"),
        (HEAD + SPEED.replace("}", ", transform = { mapping = [] } }"), r"mapping must be a list"),
        (HEAD + '["Vehicle.Speed"]\ntype = "sensor"\ndatatype = "float"\n', r"neither dbc2vss nor vss2dbc"),
        (HEAD + "[Vehicle.Speed]\ntype = 'sensor'\n", r"quote the path"),
        (HEAD + "[e2e.Nope]\nprofile = 1\n", r"no message Nope"),
        (HEAD + "[e2e.GW_Motion]\nprofile = 3\n", r"profile must be 1, 2 or 5, not 3"),
        (HEAD + "[e2e.GW_Motion]\nprofile = 2\ndata_id = 4\n", r"profile 2 needs data_ids with 16"),
        (HEAD + "[e2e.GW_Motion]\nprofile = 1\ndata_id = 4\nmode = 'x'\n", r"mode must be both or nibble"),
        (HEAD + "[e2e.GW_Motion]\nprofile = 1\ndata = 4\n", r"unknown key data"),
    ],
)
def test_errors_name_file_line_and_cause(tmp_path, text, message):
    with pytest.raises(CarError, match=message):
        Car.load(write(tmp_path, text))


def test_missing_or_unreadable_file(tmp_path):
    with pytest.raises(CarError, match="there is no such car file"):
        Car.load(tmp_path / "gone.toml")
    with pytest.raises(CarError, match="cannot read the car file"):
        Car.load(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CarError, match="cannot read the car file"):
        Car.load(binary)


def test_a_signal_in_two_messages_needs_the_message_name(tmp_path):
    (tmp_path / "two.dbc").write_text(
        'VERSION ""\nBU_: HU\nBO_ 1 A: 8 HU\n SG_ S : 0|8@1+ (1,0) [0|0] "" HU\n'
        'BO_ 2 B: 8 HU\n SG_ S : 0|8@1+ (1,0) [0|0] "" HU\n'
    )
    head = '[car]\ndbc = ["two.dbc"]\nrules = "r"\nnode = "HU"\n'
    entry = '["Vehicle.Speed"]\ntype="sensor"\ndatatype="float"\ndbc2vss = { signal = "S" }\n'
    with pytest.raises(CarError, match=r"in several messages \(A, B\): add message"):
        Car.load(write(tmp_path, head + entry))
    car = Car.load(write(tmp_path, head + entry.replace('"S"', '"S", message = "B"')))
    assert car.find("Vehicle.Speed").read.message.name == "B"


def test_values_and_their_errors(car):
    temperature = car.find("Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature")
    assert temperature.cast(21) == 21.0
    with pytest.raises(CarError, match="goes from 16 to 28 celsius, not to 60"):
        temperature.to_bits(60)
    with pytest.raises(CarError, match="is a number, not 'warm'"):
        temperature.to_bits("warm")
    with pytest.raises(CarError, match="is on or off, not 3"):
        car.find("Vehicle.Body.Trunk.Rear.IsOpen").cast(3)
    with pytest.raises(CarError, match="is one of DAY, NIGHT, not 'DUSK'"):
        car.find("Vehicle.Cabin.Infotainment.HMI.DayNightMode").cast("DUSK")
    with pytest.raises(CarError, match="cannot be set"):
        car.find("Vehicle.Speed").to_bits(3)
    with pytest.raises(CarError, match=r"this car has no Vehicle\.Wings"):
        car.find("Vehicle.Wings")


def test_a_request_read_back_as_status_is_the_same_value(car):
    """Request and status of the demo car agree in scale and names, for every settable path."""
    for node in car.nodes.values():
        if node.write is None or node.read is None:
            continue
        values = node.allowed or ((False, True) if node.datatype == "boolean" else (node.low, node.high))
        for value in values:
            shown = node.from_bits(node.to_bits(value))
            assert shown == pytest.approx(value) if not isinstance(value, str) else shown == value
