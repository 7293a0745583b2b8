"""What a tier is, and what is asked of it: the seam between the dialogue and every source of answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from carvoice.records import AnswerRecord, Interpretation


class Cancel(Protocol):
    """Anything that can say "stop"; :class:`threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether the answer is no longer wanted."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """An earlier question with its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class IntentTool:
    """An intent of the grammar, offered to a model as a tool.

    Attributes:
        name: the intent.
        description: one sentence a model can choose by.
        parameters: JSON schema of an object whose properties are the slots.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What the model may know of the moment.

    Attributes:
        car_state: facts that change ("speed": "52 km/h"); told to the model after the warm prompt.
        history: earlier exchanges, oldest first; the caller bounds them.
        tools: intents the model may propose; () forbids proposals.
        tags: only remote deployments that carry all of these are used.
        language: of question and answer.
    """

    car_state: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Exchange, ...] = ()
    tools: tuple[IntentTool, ...] = ()
    tags: frozenset[str] = frozenset()
    language: str = "en"


class AnswerStream(Protocol):
    """An answer while it is being made: whole sentences, in order.

    Iterate it in a thread that may wait. It never raises for a tier that fails: it moves on, and when
    nothing can answer it yields one sentence that says so, with ``record.outcome`` telling the truth.
    """

    def __iter__(self) -> Iterator[str]:
        """The answer's sentences."""
        ...

    def __next__(self) -> str:
        """The next whole sentence; it may block for as long as the tiers' time limits allow."""
        ...

    @property
    def record(self) -> AnswerRecord:
        """How the answer came about, so far; complete once the iteration has ended."""
        ...

    @property
    def proposals(self) -> tuple[Interpretation, ...]:
        """Actions the model asks for, ``source="llm"``: gate them and always ask the driver first."""
        ...


class Answerer(Protocol):
    """Answers open questions."""

    def answer(self, question: str, context: AnswerContext, cancel: Cancel) -> AnswerStream:
        """Begin an answer; returns at once, the work is done while the stream is iterated."""
        ...

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until every tier can answer; False if one could not in time."""
        ...

    def close(self) -> None:
        """Free processes and connections."""
        ...


@dataclass(slots=True)
class Draft:
    """What a tier notes down while it answers; becomes the :class:`AnswerRecord`.

    Attributes:
        spoken: sentences already out, from this tier or one that broke off; a tier continues after them.
        passages: untrusted reference text found for the question.
        first_token_s: monotonic time of the first token of the tier that is answering.
    """

    spoken: list[str] = field(default_factory=list)
    passages: list[str] = field(default_factory=list)
    proposals: list[Interpretation] = field(default_factory=list)
    fallbacks: list[str] = field(default_factory=list)
    model: str = ""
    source: str = ""
    first_token_s: float | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    cache_hit: bool = False


class Tier(Protocol):
    """One source of answers."""

    @property
    def name(self) -> str:
        """ "manual", "cache", "local" or "remote"."""
        ...

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """Yield pieces of the answer; nothing at all means "not mine, ask the next".

        Raises:
            AnswerError: this tier is down, or broke off; the next one goes on after ``draft.spoken``.
        """
        ...

    def close(self) -> None:
        """Free processes and connections."""
        ...


@runtime_checkable
class Loading(Protocol):
    """A tier that takes a while before it can answer."""

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until it can; False if it could not in time."""
        ...
