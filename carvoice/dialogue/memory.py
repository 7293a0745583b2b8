"""What the conversation remembers: little, and never more.

Every store has a fixed size, so that a drive of any length ends with the memory it began with.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from carvoice.llm.answer import Exchange
from carvoice.records import Action, Interpretation, Value, Zone
from carvoice.trace import Clock

_LONGEST_TEXT = 600  # characters of a question or answer that are kept
_GRADUAL = ("Open", "Close")  # intents with an end position that also have positions between


@dataclass(frozen=True, slots=True)
class Done:
    """A command that was carried out: what was done, and what would take it back (none if unknown)."""

    interpretation: Interpretation
    zone: Zone
    reverse: tuple[Action, ...] = ()
    actions: tuple[Action, ...] = ()

    @property
    def has_lowered(self) -> bool:
        """Whether it made a number smaller."""
        if not self.reverse or not self.actions:
            return False
        before, after = self.reverse[-1].value, self.actions[0].value
        is_number = isinstance(before, (int, float)) and isinstance(after, (int, float))
        return is_number and after < before  # type: ignore[operator]

    def with_value(self, value: Value) -> tuple[Action, ...]:
        """Actions that set what was adjusted, opened or closed to a number; () if it was nothing of the kind.

        "Make it warmer" and "open the window" say no number that could be replaced, yet both have one.
        """
        is_gradual = "direction" in self.interpretation.slots or self.interpretation.intent.endswith(_GRADUAL)
        leaves = {tuple(action.path.split(".")[-2:]) for action in self.reverse}
        numbers = [isinstance(action.value, (int, float)) for action in self.reverse]
        flags = [isinstance(action.value, bool) for action in self.reverse]
        if not is_gradual or len(leaves) != 1 or not all(numbers) or any(flags):
            return ()
        return tuple(replace(action, value=value) for action in reversed(self.reverse))


class Memory:
    """The last commands, the last sentence said, the last open questions.

    Args:
        undo_steps: commands kept.
        exchanges: questions with answers kept.
        exchange_s: how long each of these is; what is asked an hour later begins anew.
        clock: seconds.
    """

    def __init__(self, undo_steps: int, exchanges: int, exchange_s: float, clock: Clock) -> None:
        self._done: deque[Done] = deque(maxlen=undo_steps)
        self._exchanges: deque[tuple[float, Exchange]] = deque(maxlen=exchanges)
        self._exchange_s = exchange_s
        self._clock = clock
        self.last_said = ""

    def __len__(self) -> int:
        return len(self._done) + len(self._exchanges)

    @property
    def last(self) -> Done | None:
        """The command that "more", "undo" or "the other one" refer to."""
        return self._done[-1] if self._done else None

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Questions and answers of this conversation, oldest first."""
        oldest_s = self._clock() - self._exchange_s
        return tuple(exchange for at_s, exchange in self._exchanges if at_s >= oldest_s)

    def did(
        self,
        interpretation: Interpretation,
        zone: Zone,
        reverse: Sequence[Action],
        actions: Sequence[Action] = (),
    ) -> None:
        """A command was carried out."""
        self._done.append(Done(interpretation, zone, tuple(reverse), tuple(actions)))

    def undone(self) -> None:
        """The last command was taken back."""
        self._done.pop()

    def answered(self, question: str, answer: str) -> None:
        """An open question was answered."""
        exchange = Exchange(question[:_LONGEST_TEXT], answer[:_LONGEST_TEXT])
        self._exchanges.append((self._clock(), exchange))

    def said(self, text: str) -> None:
        """Something was said aloud; silence is not remembered."""
        if text:
            self.last_said = text[: 4 * _LONGEST_TEXT]
