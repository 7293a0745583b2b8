"""What the dialogue needs of the rooms below it, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from carvoice.records import Action, Actuation, Hypothesis, Interpretation, Value, Verdict, Zone


class Understander(Protocol):
    """Finds the commands in what was heard (:class:`carvoice.nlu.Understander`)."""

    def parse(self, heard: Hypothesis | str, context: Any = None) -> tuple[Interpretation, ...]:
        """One interpretation per command; a single rejected one if there is none."""
        ...

    def expect(self, text: str) -> None:
        """Prepare for words that seem to be being said."""
        ...

    def completions(self, text: str) -> tuple[Interpretation, ...]:
        """Commands that begin with these words, the shortest first."""
        ...


class Reading(Protocol):
    """A value of the car and how old it is."""

    @property
    def value(self) -> Value:
        """In the unit of the path."""
        ...

    @property
    def age_s(self) -> float:
        """Seconds since the car last told."""
        ...


class CarState(Protocol):
    """What the car last said (:class:`carvoice.vehicle.state.CarState`)."""

    def get(self, path: str) -> Reading | None:
        """The last reading of a VSS path."""
        ...


class Planner(Protocol):
    """Turns an interpretation into actions (:class:`carvoice.vehicle.planner.Planner`)."""

    def plan(
        self, interpretation: Interpretation, state: Any, zone: Zone = Zone.UNKNOWN, source: str = "grammar"
    ) -> tuple[Action, ...]:
        """The actions, in order; raises CarError when the car cannot do it."""
        ...


class Gate(Protocol):
    """The policy (:class:`carvoice.vehicle.gate.Gate`)."""

    def check(self, action: Action, state: Any, now_s: float, confirmed: bool = False) -> Verdict:
        """Whether the action may be done; changes nothing."""
        ...


class Actuator(Protocol):
    """Carries actions out (:class:`carvoice.vehicle.actuator.Actuator`)."""

    def perform_all(
        self, actions: Sequence[Action], confirmed: bool = False, trace_id: str = ""
    ) -> Iterator[Actuation]:
        """Do them in order and say how far each got; never raises for what the car does."""
        ...


class Speaker(Protocol):
    """Says things (:class:`carvoice.tts.Player`)."""

    volume: float

    def say(self, text: str) -> int:
        """Queue a text; returns the utterance's id."""
        ...

    def open(self) -> int:
        """Begin an utterance whose text comes in parts."""
        ...

    def append(self, utterance_id: int, text: str) -> None:
        """More text of an open utterance."""
        ...

    def finish(self, utterance_id: int) -> None:
        """No more text will come."""
        ...

    def cancel(self) -> None:
        """Fall silent and forget everything that was to be said."""
        ...

    def duck(self, on: bool) -> None:
        """Go on softly, or as before; any of the calls above and below ends it."""
        ...

    def pause(self) -> None:
        """Fall silent, keep the place."""
        ...

    def resume(self) -> None:
        """Go on after a pause."""
        ...
