"""What "turn it off" and "a bit more" refer to: related intents, and things that are on their way."""

from dataclasses import dataclass
from pathlib import Path

from carvoice.dialogue import load_adjustments, reference
from carvoice.dialogue.motion import FORGOTTEN_S, Motion
from carvoice.records import Action, ActionKind, Actuation, Evidence, Interpretation, Slot, Zone

ACTIONS = Path(__file__).parents[2] / "grammars" / "actions.yaml"
WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"


def reading(intent: str, **slots) -> Interpretation:
    return Interpretation(intent, {name: Slot(value) for name, value in slots.items()}, 1.0)


def test_what_a_command_changed_is_switched_by_the_intent_for_it() -> None:
    related = load_adjustments(ACTIONS)
    assert related["SeatHeatingAdjust"].switch == "SeatHeating"
    assert related["SeatVentilationLevel"].switch == "SeatVentilation"  # the same signal as the heating
    assert related["ClimateAdjustFan"].switch == "ClimateFanPower"
    assert related["LightAmbientColor"].switch == "LightAmbient"
    assert related["MediaVolumeSet"].intent == "MediaVolumeAdjust"
    assert related["MediaVolumeSet"].switch == ""
    off = reference.switched(
        reading("SeatHeatingAdjust", direction="up", zone="talker"), "SeatHeating", "off"
    )
    assert (off.intent, off.values) == ("SeatHeating", {"zone": "talker", "state": "off"})


def test_what_is_switched_cannot_be_closed() -> None:
    assert reference.with_state(reading("SeatHeating", state="on"), "closed") is None
    assert reference.with_state(reading("SeatHeating", state="on"), "off").values == {"state": "off"}
    assert reference.with_state(reading("ChargePort", state="open"), "closed").values == {"state": "closed"}


@dataclass
class Reading:
    value: object
    age_s: float = 0.0


class Car:
    """A window and a clock."""

    def __init__(self) -> None:
        self.position: object = 0
        self.now_s = 100.0

    def get(self, path):
        return Reading(self.position) if path == WINDOW else None

    def moving(self, value) -> Actuation:
        action = Action(ActionKind.SET, WINDOW, value, Zone.DRIVER, "grammar", "WindowSetPosition")
        return Actuation(action, Evidence.MOVING, value=self.position)


def test_what_moves_is_taken_for_where_it_goes() -> None:
    car = Car()
    motion = Motion(car, lambda: car.now_s)
    motion.follow(car.moving(50))
    car.position = 10
    assert motion.get(WINDOW).value == 50
    assert motion.get("elsewhere") is None


def test_what_was_sent_elsewhere_or_has_stopped_is_where_it_is() -> None:
    car = Car()
    motion = Motion(car, lambda: car.now_s)
    motion.follow(car.moving(50))
    car.position = 60  # by its own switch
    assert motion.get(WINDOW).value == 60
    car.position = 10
    assert motion.get(WINDOW).value == 10  # and it is not believed again
    motion.follow(car.moving(50))
    car.now_s += FORGOTTEN_S + 1
    assert motion.get(WINDOW).value == 10
    motion.follow(car.moving(True))  # no number
    assert motion.get(WINDOW).value == 10
