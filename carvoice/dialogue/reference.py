"""Commands that refer to the last one: more, less, the other one, another number.

Each function gives the command meant, in full, or None when the last one cannot be changed like that.
"""

from __future__ import annotations

from dataclasses import replace

from carvoice.records import Interpretation, Slot, Value

_OPPOSITES: dict[Value, Value] = {
    "up": "down",
    "open": "close",
    "forward": "backward",
    "left": "right",
    "in": "out",
    "on": "off",
    "folded": "unfolded",
}
_OPPOSITES.update({value: key for key, value in _OPPOSITES.items()})
_OTHER_ZONES: dict[Value, Value] = {
    "driver": "passenger",
    "talker": "passenger",
    "front_left": "front_right",
    "rear_left": "rear_right",
    "left": "right",
    "front": "rear",
}
_OTHER_ZONES.update({value: key for key, value in _OTHER_ZONES.items() if key != "talker"})
_SWITCHED = ("on", "off")
_OPENED_CLOSED: dict[Value, tuple[str, str]] = {"open": ("Close", "Open"), "closed": ("Open", "Close")}


def more(last: Interpretation, size: Value | None = None) -> Interpretation | None:
    """The last adjustment once more; ``size`` as spoken ("a little more")."""
    if "direction" not in last.slots:
        return None
    slots = {name: slot for name, slot in last.slots.items() if name != "size"}
    if size is not None:
        slots["size"] = Slot(size)
    return replace(last, slots=slots, alternatives=())


def less(last: Interpretation, size: Value | None = None) -> Interpretation | None:
    """The last adjustment in the other direction."""
    again = more(last, size)
    if again is None or again.slots["direction"].value not in _OPPOSITES:
        return None
    return turned(again)


def stepping(last: Interpretation, intent: str, direction: str, size: Value | None = None) -> Interpretation:
    """A step by another intent, in the place of the last command."""
    slots = {name: slot for name, slot in last.slots.items() if name == "zone"}
    slots["direction"] = Slot(direction)
    if size is not None:
        slots["size"] = Slot(size)
    return replace(last, intent=intent, slots=slots, alternatives=())


def switched(last: Interpretation, intent: str, state: Value) -> Interpretation:
    """What the last command changed switched on or off by another intent, in the same place."""
    slots = {name: slot for name, slot in last.slots.items() if name == "zone"}
    return replace(last, intent=intent, slots={**slots, "state": Slot(state)}, alternatives=())


def turned(last: Interpretation) -> Interpretation:
    """The same adjustment in the other direction."""
    opposite = _OPPOSITES.get(last.slots["direction"].value) if "direction" in last.slots else None
    return last if opposite is None else replace(last, slots={**last.slots, "direction": Slot(opposite)})


def for_zone(last: Interpretation, zone: Value) -> Interpretation:
    """The last command for another place; ``other`` is the counterpart of the last one's."""
    if zone == "other":
        spoken = last.slots.get("zone")
        zone = _OTHER_ZONES.get(spoken.value if spoken else "driver", "passenger")
    return replace(last, slots={**last.slots, "zone": Slot(zone)}, alternatives=())


def with_value(last: Interpretation, value: Value) -> Interpretation | None:
    """The last command with another number."""
    for name, slot in last.slots.items():
        if isinstance(slot.value, (int, float)) and not isinstance(slot.value, bool):
            return replace(last, slots={**last.slots, name: Slot(value)}, alternatives=())
    return None


def with_state(last: Interpretation, state: Value) -> Interpretation | None:
    """The last command's thing switched, opened or closed instead ("turn it off", "close it")."""
    if "state" in last.slots and (last.slots["state"].value in _SWITCHED) == (state in _SWITCHED):
        return replace(last, slots={**last.slots, "state": Slot(state)}, alternatives=())
    before, after = _OPENED_CLOSED.get(state, ("", ""))
    if before and last.intent.endswith((before, after)):
        intent = last.intent.removesuffix(before).removesuffix(after) + after
        return replace(last, intent=intent, alternatives=())
    return None


def other_reading(last: Interpretation) -> Interpretation | None:
    """The reading that came second."""
    return last.alternatives[0] if last.alternatives else None
