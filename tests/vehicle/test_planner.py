"""Intents to actions, with the shipped actions.yaml against the demo car."""

from __future__ import annotations

import dataclasses

import pytest
from conftest import FakeClock

from carvoice.errors import CarError
from carvoice.records import ActionKind, Interpretation, Slot, Zone
from carvoice.resources import data_path
from carvoice.vehicle.planner import Actions, Planner
from carvoice.vehicle.state import CarState

HVAC = "Vehicle.Cabin.HVAC."
DOOR = "Vehicle.Cabin.Door."


@pytest.fixture(scope="module")
def actions() -> Actions:
    return Actions.load(data_path("grammars", "actions.yaml"))


@pytest.fixture
def state(car) -> CarState:
    return CarState(car, FakeClock())


@pytest.fixture
def planner(car, actions, policy) -> Planner:
    return Planner(car, actions, policy)


def meaning(intent, /, **slots) -> Interpretation:
    return Interpretation(intent, {name: Slot(value) for name, value in slots.items()})


def planned(planner, known, intent, /, **slots):
    return [(a.path, a.value) for a in planner.plan(meaning(intent, **slots), known)]


def test_absolute_value_and_default_zone(planner, state):
    path = HVAC + "Station.Row1.Driver.Temperature"
    assert planned(planner, state, "ClimateSetTemperature", temperature=22) == [(path, 22)]
    (action,) = planner.plan(meaning("ClimateSetTemperature", temperature=22), state, Zone.PASSENGER, "llm")
    assert action.path == HVAC + "Station.Row1.Passenger.Temperature"
    assert (action.kind, action.zone, action.source) == (ActionKind.SET, Zone.PASSENGER, "llm")
    assert action.intent == "ClimateSetTemperature"


@pytest.mark.parametrize(
    ("zone", "instances"),
    [
        ("all", ["Row1.DriverSide", "Row1.PassengerSide", "Row2.DriverSide", "Row2.PassengerSide"]),
        ("left", ["Row1.DriverSide", "Row2.DriverSide"]),
        ("rear_right", ["Row2.PassengerSide"]),
        ("front_left", ["Row1.DriverSide"]),
    ],
)
def test_spoken_zones(planner, state, zone, instances):
    expected = [(f"{DOOR}{i}.Window.Position", 100) for i in instances]
    assert planned(planner, state, "WindowOpen", zone=zone) == expected


def test_left_is_the_drivers_station_and_a_wheel_stays_left(planner, state):
    assert planned(planner, state, "ClimateSetTemperature", zone="left", temperature=20)[0][0] == (
        HVAC + "Station.Row1.Driver.Temperature"
    )
    assert planned(planner, state, "QueryTirePressure", wheel="front_left") == [
        ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", None)
    ]
    assert planned(planner, state, "LightIndicator", side="left", state="on") == [
        ("Vehicle.Body.Lights.DirectionIndicator.Left.IsSignaling", True)
    ]


def test_in_a_right_hand_drive_car_left_is_the_passenger(car, actions, state):
    british = dataclasses.replace(car, driver_position="RIGHT")
    planner = Planner(british, actions)
    assert planned(planner, state, "WindowOpen", zone="front_left") == [
        (DOOR + "Row1.PassengerSide.Window.Position", 100)
    ]
    station = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
    assert planned(planner, state, "ClimateSetTemperature", zone="front_right", temperature=20) == [
        (station, 20)
    ]


def test_fahrenheit(planner, state):
    ((_, value),) = planned(planner, state, "ClimateSetTemperature", temperature=72, unit="fahrenheit")
    assert value == pytest.approx(22.222, abs=1e-3)
    with pytest.raises(CarError, match="unknown unit 'kelvin'"):
        planned(planner, state, "ClimateSetTemperature", temperature=72, unit="kelvin")


@pytest.mark.parametrize(
    ("slots", "expected"),
    [
        ({"direction": "up"}, 22.0),
        ({"direction": "down", "size": "lot"}, 19.0),
        ({"direction": "up", "size": "little"}, 21.5),
        ({"direction": "up", "amount": 3}, 24.0),
        ({"direction": "up", "amount": 9, "unit": "fahrenheit"}, pytest.approx(26.0)),
        ({"direction": "down", "amount": 50}, 16.0),
    ],
)
def test_relative_values_are_resolved_and_clamped(planner, state, slots, expected):
    state.put(HVAC + "Station.Row1.Driver.Temperature", 21.0)
    ((_, value),) = planned(planner, state, "ClimateAdjustTemperature", **slots)
    assert value == expected


def test_relative_needs_a_present_value(planner, state):
    with pytest.raises(CarError, match="is not known, so it cannot be changed by an amount"):
        planned(planner, state, "ClimateAdjustTemperature", direction="up")


def test_directions_are_mapped(planner, state):
    state.put("Vehicle.Cabin.Seat.Row1.DriverSide.Position", 100)
    assert planned(planner, state, "SeatMove", direction="forward")[0][1] == 80
    with pytest.raises(CarError, match="'sideways' means nothing here; known: forward, backward"):
        planned(planner, state, "SeatMove", direction="sideways")


def test_companions_come_first_and_only_if_needed(planner, state):
    fan, air = (HVAC + f"Station.Row1.Driver.{x}" for x in ("FanSpeed", "AirDistribution"))
    defrost = (HVAC + "IsFrontDefrosterActive", True)
    assert planned(planner, state, "ClimateDefrost", state="on") == [(fan, 20), (air, "UP"), defrost]
    state.put(fan, 60)
    state.put(air, "UP")
    assert planned(planner, state, "ClimateDefrost", state="on") == [defrost]
    assert planned(planner, state, "ClimateDefrost", state="off") == [(defrost[0], False)]


def test_several_steps(planner, state):
    steps = planned(planner, state, "NavigateCity", city="berlin")
    assert [value for _, value in steps] == [52.52, 13.405]


def test_dialogue_intents_ask_nothing_of_the_car(planner, state, actions):
    assert planned(planner, state, "SystemHelp") == []
    assert actions.is_dialogue("SystemHelp")
    assert not actions.is_dialogue("WindowOpen")


@pytest.mark.parametrize(
    ("intent", "slots", "message"),
    [
        ("Teleport", {}, "there is no intent 'Teleport'"),
        ("ClimateSetTemperature", {}, "the slot 'temperature' was not filled"),
        ("WindowOpen", {"zone": "attic"}, "zone 'attic' has no entry in the table 'door'"),
        ("WiperMode", {"mode": "disco"}, "'disco' means nothing here"),
    ],
)
def test_errors(planner, state, intent, slots, message):
    with pytest.raises(CarError, match=message):
        planned(planner, state, intent, **slots)


def test_a_path_the_car_lacks(planner, state, car, actions):
    import dataclasses

    poor = dataclasses.replace(car, nodes={})
    with pytest.raises(CarError, match=r"this car has no Vehicle\.Cabin\.Sunroof\.Position"):
        planned(Planner(poor, actions), state, "SunroofOpen")


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "while parsing"), ("a: 1", "no table of intents")],
)
def test_actions_file_errors(tmp_path, text, message):
    path = tmp_path / "actions.yaml"
    path.write_text(text)
    with pytest.raises(CarError, match=message):
        Actions.load(path)
