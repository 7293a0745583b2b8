"""Commands that refer to the last one, worked out against what the car and the conversation know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from carvoice.dialogue import reference
from carvoice.dialogue.acts import Adjustment
from carvoice.dialogue.commands import Commander
from carvoice.dialogue.memory import Done, Memory
from carvoice.dialogue.pending import Command
from carvoice.records import Interpretation, Value, Zone

#: Acts that refer to the last command.
REFERENCES = ("more", "less", "other_zone", "other_value", "other_state")


class FollowUps:
    """Finds the command that "a bit more", "the other side too" or "no, twenty three" stands for.

    Args:
        commander: knows what a command would touch.
        memory: the last command.
        adjustments: intent to the one that changes the same thing step by step.
    """

    def __init__(self, commander: Commander, memory: Memory, adjustments: Mapping[str, Adjustment]) -> None:
        self._commander = commander
        self._memory = memory
        self._adjustments = adjustments
        self._lessened: Interpretation | None = None

    def meant(self, act: str, base: Interpretation, said: Interpretation, zone: Zone) -> Command | None:
        """The command in full, or None when the last one cannot be changed like that.

        Args:
            act: one of :data:`REFERENCES`.
            base: the command referred to.
            said: the reference.
            zone: where the talker sits.
        """
        # "Too much" turned it back; "less" after it goes on like that, and "more" the other way again.
        forth = reference.turned(base) if base is self._lessened else base
        meant = self._changed(act, forth, said.values, zone)
        if meant is not None:
            meant = replace(meant, text=said.text)
            self._lessened = meant if act == "less" else None
            return Command(meant, zone)
        if act == "other_value" and "value" in said.values:
            return self._with_value(base, said.values["value"], zone)
        return None

    def possible(self, last: Done, zone: Zone) -> tuple[str, ...]:
        """The acts that would make sense after this command, for help."""
        base = last.interpretation
        found = []
        if self._changed("more", base, {}, zone) is not None:
            found.append("more")
        if reference.with_value(base, 0) is not None or last.with_value(0):
            found.append("other_value")
        if self._changed("other_zone", base, {"zone": "other"}, zone) is not None:
            found.append("other_zone")
        if last.reverse:
            found.append("undo")
        return tuple(found)

    def _changed(
        self, act: str, base: Interpretation, values: Mapping[str, Value], zone: Zone
    ) -> Interpretation | None:
        if act in ("more", "less"):
            change = reference.more if act == "more" else reference.less
            return change(base, values.get("size")) or self._stepwise(act, base, values.get("size"))
        if act == "other_value":
            return reference.with_value(base, values["value"]) if "value" in values else None
        if act == "other_state":
            meant = self._switched(base, values["state"]) if "state" in values else None
            if meant is None or "zone" not in values:
                return meant
            return self._elsewhere(meant, values["zone"], zone)  # "close them all"
        return self._elsewhere(base, values.get("zone", "other"), zone)

    def _switched(self, base: Interpretation, state: Value) -> Interpretation | None:
        """The thing of the last command switched: by its own state, or by the intent that switches it."""
        meant = reference.with_state(base, state)
        related = self._adjustments.get(base.intent)
        if meant is None and related is not None and related.switch and state in ("on", "off"):
            return reference.switched(base, related.switch, state)
        return meant

    def _stepwise(self, act: str, base: Interpretation, size: Value | None) -> Interpretation | None:
        """A step from where an absolute command led: on in its direction, or back."""
        adjustment = self._adjustments.get(base.intent)
        if adjustment is None or not adjustment.intent:
            return None
        last = self._memory.last
        is_last = last is not None and last.interpretation is base
        # "Close the window, a bit more" closes it; a bit more than a number is a higher number.
        lowers = adjustment.is_named and is_last and last is not None and last.has_lowered
        direction = "up" if (act == "more") is not lowers else "down"
        return reference.stepping(base, adjustment.intent, adjustment.words.get(direction, direction), size)

    def _with_value(self, base: Interpretation, value: Value, zone: Zone) -> Command | None:
        """The last adjustment made absolute."""
        last = self._memory.last
        if last is None or last.interpretation is not base:
            return None
        actions = last.with_value(value)
        return Command(base, zone, actions) if actions else None

    def _elsewhere(self, base: Interpretation, place: Value, zone: Zone) -> Interpretation | None:
        """The command for another place, or its other reading; None if it has no places."""
        if place == "other" and "zone" not in base.slots and (other := reference.other_reading(base)):
            return other
        meant = reference.for_zone(base, place)
        return meant if self._commander.reaches_elsewhere(base, meant, zone) else None
