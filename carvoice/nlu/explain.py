"""Show why a sentence was understood as it was, or was not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carvoice.grammar.words import tokenize
from carvoice.nlu.confidence import Evidence, probability
from carvoice.nlu.understander import Context, Understander
from carvoice.records import Interpretation, PrefixState, Slot


@dataclass(frozen=True, slots=True)
class ExactReading:
    """A template that has the sentence word for word."""

    intent: str
    slots: Mapping[str, Slot]
    template: str


@dataclass(frozen=True, slots=True)
class NearReading:
    """The nearest sentence by sound and what speaks for it."""

    sentence: str
    intent: str
    slots: Mapping[str, Slot]
    evidence: Evidence
    confidence: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything the understander saw.

    Attributes:
        text: the sentence.
        prefixes: per word, what the grammar thinks of the sentence up to it.
        exact: templates that have it word for word, best first.
        near: the nearest sentence by sound, None when nothing is near or it was not looked for.
        result: what was understood.
    """

    text: str
    prefixes: tuple[tuple[str, PrefixState], ...]
    exact: tuple[ExactReading, ...]
    near: NearReading | None
    result: tuple[Interpretation, ...]

    def __str__(self) -> str:
        lines = [f"text      {self.text}"]
        lines.append("prefix    " + "  ".join(f"{word}:{state.value}" for word, state in self.prefixes))
        for exact in self.exact:
            lines.append(f"exact     {exact.intent} {_slots(exact.slots)}  <- {exact.template}")
        if self.near is not None:
            near, evidence = self.near, self.near.evidence
            lines.append(f"nearest   {near.sentence!r} -> {near.intent} {_slots(near.slots)}")
            lines.append(
                f"          cost {evidence.cost:.2f} over {evidence.phones} phones, margin "
                f"{evidence.margin:.2f}, talk left out {evidence.told} -> confidence {near.confidence:.2f}"
            )
        for item in self.result:
            if item.rejected:
                lines.append(f"result    rejected: {item.rejected}")
            else:
                lines.append(
                    f"result    {item.intent} {_slots(item.slots)}  confidence {item.confidence:.2f}"
                )
        return "\n".join(lines)


def explain(understander: Understander, text: str, context: Context | None = None) -> Explanation:
    """Interpret a sentence and keep the steps."""
    known: Mapping[str, Any] = context.values if context else {}
    tokens = tokenize(text)
    prefixes = tuple((token.text, understander.prefix(text[: token.end])) for token in tokens)
    exact = tuple(
        ExactReading(reading.intent, reading.slots, reading.template)
        for reading in understander.exact.parse(text, known)
    )
    near = None
    if understander.sound is not None:
        found = understander.sound.nearest(text, known)
        if found is not None:
            near = NearReading(
                found.sentence,
                found.reading.intent,
                found.slots,
                found.evidence,
                probability(found.evidence),
            )
    return Explanation(text, prefixes, exact, near, understander.parse(text, context))


def _slots(slots: Mapping[str, Slot]) -> str:
    inside = ", ".join(f"{name}={slot.value!r}" for name, slot in slots.items())
    return f"{{{inside}}}"
