"""From what was heard to what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from carvoice.grammar.automaton import Automaton
from carvoice.nlu.exact import ExactParser, Reading
from carvoice.records import Hypothesis, Interpretation, PrefixState


@dataclass(frozen=True, slots=True)
class Context:
    """What is known when a sentence is heard.

    Attributes:
        values: keys that ``requires_context`` and ``excludes_context`` ask for.
    """

    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnderstanderSettings:
    """How much doubt is accepted.

    Attributes:
        reject_below: confidence below which a sentence is no command.
    """

    reject_below: float = 0.5


class Understander:
    """Interprets text and recognizer hypotheses. Not thread-safe: one per thread."""

    def __init__(
        self, automaton: Automaton, lexicon: Any = None, settings: UnderstanderSettings | None = None
    ) -> None:
        self._exact = ExactParser(automaton)
        self._settings = settings or UnderstanderSettings()

    def parse(self, heard: Hypothesis | str, context: Context | None = None) -> tuple[Interpretation, ...]:
        """The commands in what was heard, in order; a single rejected one if there is none."""
        text = heard.text if isinstance(heard, Hypothesis) else heard
        readings = self._exact.parse(text, context.values if context else None)
        if not readings:
            return (Interpretation("", confidence=0.0, text=text, rejected="out of domain"),)
        return (_interpretation(readings, text),)

    def prefix(self, text: str) -> PrefixState:
        """What the words so far are to the grammar: may they become a sentence, are they one?"""
        return self._exact.prefix(text)


def _interpretation(readings: list[Reading], text: str) -> Interpretation:
    best = readings[0]
    others: list[Interpretation] = []
    for reading in readings[1:]:
        if (reading.intent, dict(reading.slots)) != (best.intent, dict(best.slots)):
            others.append(_single(reading, text))
    return Interpretation(best.intent, best.slots, 1.0, best.template, text, None, tuple(others[:4]))


def _single(reading: Reading, text: str) -> Interpretation:
    return Interpretation(reading.intent, reading.slots, 0.0, reading.template, text)
