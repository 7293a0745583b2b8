"""What the simulated ECUs and the world do by themselves: interlocks, temperatures, distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from carvoice.records import Value

Get = Callable[[str], Value | None]

DOOR_SPEED_KMH = 5.0
CABIN_TIME_CONSTANT_S = 120.0

_SPEED = "Vehicle.Speed"
_CABIN = "Vehicle.Cabin."
_LIGHTS = "Vehicle.Body.Lights."
_HVAC = "Vehicle.Cabin.HVAC."
_MEDIA_ACTION = "Vehicle.Cabin.Infotainment.Media.Action"
_CHARGING = "Vehicle.Powertrain.TractionBattery.Charging."


def number(get: Get, path: str, default: float = 0.0) -> float:
    """A number of the car, or the default if it has none."""
    value = get(path)
    return default if value is None or isinstance(value, str) else float(value)


def accepts(path: str, value: Value, get: Get) -> bool:
    """Whether the ECU carries a request out: it has its own interlocks, whatever we ask."""
    opens = path.endswith(".IsOpen") and value is True
    if opens and number(get, _SPEED) > DOOR_SPEED_KMH:
        return False
    if path == _HVAC + "IsAirConditioningActive" and value is True:
        return number(get, _HVAC + "Station.Row1.Driver.FanSpeed") > 0
    return True


def consequences(path: str, value: Value, get: Get) -> Iterator[tuple[str, Value]]:
    """What else changes at once when a request is carried out."""
    if path == _LIGHTS + "LightSwitch":
        yield _LIGHTS + "Beam.Low.IsOn", value == "BEAM"
        if value != "BEAM":
            yield _LIGHTS + "Beam.High.IsOn", False
    elif path == _LIGHTS + "IsHighBeamSwitchOn":
        low = get(_LIGHTS + "Beam.Low.IsOn") is True
        yield _LIGHTS + "Beam.High.IsOn", value is True and low
    elif path.endswith(".IsOpen") and value is True and ".Door." in path:
        yield path.replace(".IsOpen", ".IsLocked"), False
    elif path == _CHARGING + "StartStopCharging":
        yield _CHARGING + "IsCharging", value == "START"


def falls_back(path: str, value: Value, before: Value | None) -> Value | None:
    """What a push button's status returns to; None if the value stays."""
    if path == _MEDIA_ACTION and str(value).startswith(("SKIP_", "FAST_")):
        return "PLAY"
    return None if path == _MEDIA_ACTION else before


def world(dt_s: float, get: Get) -> Iterator[tuple[str, Value]]:
    """What goes on by itself for ``dt_s`` seconds."""
    if dt_s <= 0:
        return
    cabin = get(_HVAC + "AmbientAirTemperature")
    if cabin is not None and not isinstance(cabin, str):
        outside = number(get, "Vehicle.Exterior.AirTemperature", cabin)
        wanted = number(get, _HVAC + "Station.Row1.Driver.Temperature", outside)
        goal = wanted if get(_HVAC + "IsClimateControlActive") is True else outside
        yield _HVAC + "AmbientAirTemperature", cabin + (goal - cabin) * min(1.0, dt_s / CABIN_TIME_CONSTANT_S)
    moved_m = number(get, _SPEED) / 3.6 * dt_s
    if moved_m > 0:
        for path in (
            "Vehicle.TraveledDistance",
            "Vehicle.TraveledDistanceSinceStart",
            "Vehicle.TripMeterReading",
        ):
            yield path, number(get, path) + moved_m
