"""Named points in time at which something becomes due."""

from __future__ import annotations

from carvoice.trace import Clock


class Deadlines:
    """At most one deadline per name. Not thread-safe.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at_s: dict[str, float] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._at_s

    @property
    def next_s(self) -> float | None:
        """The earliest, None when there is none."""
        return min(self._at_s.values(), default=None)

    def arm(self, name: str, seconds: float) -> None:
        """Due in ``seconds`` from now; replaces an earlier one of that name."""
        self._at_s[name] = self._clock() + seconds

    def drop(self, *names: str) -> None:
        """Not due any more."""
        for name in names:
            self._at_s.pop(name, None)

    def take_due(self) -> str | None:
        """Remove and return the earliest that is due, None when none is."""
        if not self._at_s:
            return None
        name = min(self._at_s, key=self._at_s.__getitem__)
        if self._at_s[name] > self._clock():
            return None
        del self._at_s[name]
        return name
