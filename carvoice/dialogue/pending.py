"""What the conversation waits for."""

from __future__ import annotations

from dataclasses import dataclass

from carvoice.records import Action, Interpretation, Reply, Zone

_FIRST = frozenset(("first", "former"))
_SECOND = frozenset(("second", "latter", "other"))


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what is known beside it.

    Attributes:
        actions: set when they are fixed already (undo); None to be planned when it is done.
        confirmed: a yes was said to the policy's (or the language model's) question.
        rest: commands of the same sentence that come after it.
    """

    interpretation: Interpretation
    zone: Zone
    actions: tuple[Action, ...] | None = None
    rest: tuple[Interpretation, ...] = ()
    confirmed: bool = False
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class YesNo:
    """We asked whether to do it. A yes to a policy question confirms; a yes to a doubt only picks."""

    command: Command
    reply: Reply
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """We asked which of two was meant; ``phrases`` is how we called them."""

    first: Command
    second: Command
    reply: Reply
    phrases: tuple[str, str]
    asked: int = 0

    def chosen(self, text: str) -> Command | None:
        """Which of two was meant: "the second one", or words that only one of them has."""
        words = frozenset(text.lower().split())
        is_second = bool(words & _SECOND)
        is_first = bool(words & _FIRST) and not is_second
        if is_first or is_second:
            return self.first if is_first else self.second
        first, second = (frozenset(phrase.lower().split()) for phrase in self.phrases)
        for_first, for_second = len(words & (first - second)), len(words & (second - first))
        if for_first == for_second:
            return None
        return self.first if for_first > for_second else self.second


@dataclass(frozen=True, slots=True)
class Missing:
    """We asked for the rest of a command that was begun.

    Attributes:
        text: what was said.
        heads: the same with the words that lead to what is missing ("set the temperature to").
        reply: how we asked.
    """

    text: str
    heads: tuple[str, ...]
    reply: Reply
    asked: int = 0

    def joined(self, answer: str) -> tuple[str, ...]:
        """The whole commands that an answer may make."""
        return tuple(dict.fromkeys(f"{head} {answer}" for head in (*self.heads, self.text)))
