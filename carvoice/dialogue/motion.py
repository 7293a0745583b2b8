"""What is on its way: a window that was told to go halfway stands nearly closed yet.

"A bit more" is meant from where it will be, not from where it happens to be now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from carvoice.dialogue.protocols import CarState, Reading
from carvoice.records import ActionKind, Actuation, Evidence, Value

FORGOTTEN_S = 30.0
MOST_KEPT = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value as a reading."""

    value: Value
    age_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Way:
    start: float
    end: float
    since_s: float


class Motion:
    """The car's state, with what moves taken for where it goes.

    Args:
        state: what the car said last.
        clock: monotonic seconds.
    """

    def __init__(self, state: CarState, clock: Callable[[], float]) -> None:
        self._state = state
        self._clock = clock
        self._ways: dict[str, _Way] = {}

    def follow(self, actuation: Actuation) -> None:
        """Something was done: it moves, or what moved has ended."""
        action = actuation.action
        self._ways.pop(action.path, None)
        value, now = action.value, self._state.get(action.path) if action.kind is ActionKind.SET else None
        if actuation.evidence is not Evidence.MOVING or not _is_number(value) or now is None:
            return
        if _is_number(now.value):
            while len(self._ways) >= MOST_KEPT:
                del self._ways[next(iter(self._ways))]
            self._ways[action.path] = _Way(float(now.value), float(value), self._clock())  # type: ignore[arg-type]

    def get(self, path: str) -> Reading | None:
        """The last reading of a path, or where it goes if it is on its way there."""
        reading = self._state.get(path)
        way = self._ways.get(path)
        if way is None or reading is None or not _is_number(reading.value):
            return reading
        now = float(reading.value)
        is_between = min(way.start, way.end) <= now <= max(way.start, way.end)
        if not is_between or self._clock() - way.since_s > FORGOTTEN_S:
            del self._ways[path]  # stopped by hand, or sent elsewhere
            return reading
        return Wanted(int(way.end) if way.end.is_integer() else way.end, reading.age_s)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
