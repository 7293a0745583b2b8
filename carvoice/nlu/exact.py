"""The exact parse: text that the grammar has, word for word, to intent and slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from carvoice.grammar.automaton import KIND_RANGE, KIND_WILDCARD, Automaton, BlockInfo
from carvoice.grammar.conditions import excluded_passes, required_passes, slots_from_context
from carvoice.nlu._matcher import Matcher
from carvoice.nlu.lattice import Lattice, LatticeBuilder
from carvoice.records import Interpretation, PrefixState, Slot

if TYPE_CHECKING:
    from carvoice.nlu._matcher import Edge, Parse


MAX_EXPECTED = 16


class Reading(NamedTuple):
    """One complete parse; a tuple, as it is made in a tenth of a dataclass's time.

    Attributes:
        intent, slots, template: what it means and which template said so.
        block: index of the block in the automaton.
        cost: the matcher's cost; the smallest is the best.
        out_of_range: (smallest, largest) of a range that does not have the number said; None if all do.
        metadata: metadata of the block.
    """

    intent: str
    slots: Mapping[str, Slot]
    template: str
    block: int
    cost: int
    metadata: Mapping[str, Any]
    out_of_range: tuple[int, int] | None = None


class ExactParser:
    """Parses text against one automaton. Not thread-safe."""

    def __init__(self, automaton: Automaton) -> None:
        self.automaton = automaton
        self._builder = LatticeBuilder(automaton)
        self._matcher = Matcher(automaton)
        self._expected: dict[str, list[Reading]] = {}

    def expect(self, text: str) -> None:
        """Parse what seems to be said: if it is, and nothing more is known then, its readings are at hand."""
        if text not in self._expected:
            if len(self._expected) == MAX_EXPECTED:
                self._expected.clear()
            self._expected[text] = self.parse(text)

    def parse(
        self, text: str, context: Mapping[str, Any] | None = None, *, any_number: bool = False
    ) -> list[Reading]:
        """All readings of a text, the best first; [] when the grammar does not have it.

        The order is HassIL's ``recognize_best``: fewer wildcards, more literal text, less text in
        wildcards, then the intent's name.

        Args:
            text: what was said.
            context: what is known beforehand.
            any_number: numbers in digits may be outside of their range; a reading says whether one is.
        """
        expected = self._expected.get(text)
        if expected is not None and not context and not any_number:
            return expected.copy()
        edges: Sequence[Edge] = ()
        matched = self._matcher.match_text(text, any_number)
        if matched is None:
            lattice = self._builder.build(text)
            if lattice is None or not lattice.edges:
                return []
            edges = lattice.edges
            matched = self._match(lattice, any_number)
            if matched is None:
                return []
        if not matched[0]:
            return []
        known = context or {}
        readings: list[Reading] = []
        for parse in matched[0]:
            reading = self._reading(parse, text, edges, known)
            # The cheapest comes first; a template that is met once more skips words that it has.
            if reading is not None and not any(_is_repeated(reading, other) for other in readings):
                readings.append(reading)
        if len(readings) > 1:
            readings.sort(key=lambda reading: (reading.cost, reading.intent))
        return readings

    def prefix(self, text: str) -> PrefixState:
        """What the words so far are to the grammar. The last word is taken to be whole."""
        matched = self._matcher.match_text(text)
        if matched is None:
            lattice = self._builder.build(text)
            if lattice is None:
                return PrefixState.DEAD
            if len(lattice.starts) == 1:
                return PrefixState.VIABLE
            matched = self._match(lattice)
            if matched is None:
                return PrefixState.VIABLE
        parses, _, extends = matched
        if parses:
            return PrefixState.COMPLETE if extends else PrefixState.FINAL
        return PrefixState.VIABLE if extends else PrefixState.DEAD

    def _match(self, lattice: Lattice, any_number: bool = False) -> tuple[list[Parse], bool, bool] | None:
        return self._matcher.match(lattice.edges, lattice.starts, lattice.ends, lattice.boundary, any_number)

    def _reading(
        self, parse: Parse, text: str, edges: Sequence[Edge], known: Mapping[str, Any]
    ) -> Reading | None:
        automaton = self.automaton
        cost, template_id, matches = parse
        template = automaton.templates[template_id]
        block = automaton.blocks[template.block]
        if block.required_keywords and not _has_keyword(block, text):
            return None
        if block.requires_context or block.excludes_context:
            # What is known beforehand must not object, even if a list value says otherwise.
            if not required_passes(block.requires_context, known, missing_passes=True):
                return None
            if not excluded_passes(block.excludes_context, known):
                return None
        slots: dict[str, Slot] = {}
        context = known
        out_of_range: tuple[int, int] | None = None
        for place, slot, value, start, end in matches:
            program = automaton.lists[place]
            heard = text[start:end]
            if program.kind == KIND_RANGE and heard[:2].lower() == "a " and _follows_article(text, start):
                return None  # "the a hundred hours timer" is a timer's name
            if value in program.contexts:
                context = {**context, **program.contexts[value]}
            if value in program.inner:
                slots.update((name, Slot(filled)) for name, filled in program.inner[value].items())
            if slot < 0:
                continue
            out: Any
            if program.kind == KIND_WILDCARD:
                out = heard
            elif value <= -2:
                number = edges[-2 - value][4]
                if not program.has_number(number):
                    out_of_range = (int(program.limits[0]), int(program.limits[1]))
                out = _number(number, program.multiplier)
            else:
                out = program.values[value]
                if out is None:
                    out = heard.lower() if program.kind == KIND_RANGE else heard
            slots[automaton.slots[slot]] = Slot(out, heard, start, end)
        if block.requires_context or block.excludes_context:
            if not excluded_passes(block.excludes_context, context):
                return None
            if not required_passes(block.requires_context, context):
                return None
            for name, taken in slots_from_context(block.requires_context, context).items():
                slots.setdefault(name, Slot(taken))
        for name, fixed in block.slots.items():
            if name not in slots:
                slots[name] = Slot(fixed)
        return Reading(block.intent, slots, template.text, template.block, cost, block.metadata, out_of_range)


def interpretation(readings: list[Reading], text: str, confidence: float) -> Interpretation:
    """The best of the readings of a text, with the others that mean something else beside it."""
    best = readings[0]
    others = tuple(
        Interpretation(reading.intent, reading.slots, 0.0, reading.template, text)
        for reading in readings[1:]
        if not is_same(reading, best)
    )
    return Interpretation(best.intent, best.slots, confidence, best.template, text, None, others[:4])


def is_same(one: Reading, other: Reading) -> bool:
    """Do two readings mean the same?"""
    return one.intent == other.intent and values_of(one.slots) == values_of(other.slots)


def values_of(slots: Mapping[str, Slot]) -> dict[str, Any]:
    """Slots without their places."""
    return {name: slot.value for name, slot in slots.items()}


def _is_repeated(reading: Reading, other: Reading) -> bool:
    return (reading.block, reading.template, reading.slots) == (other.block, other.template, other.slots)


def meaning_counter(automaton: Automaton) -> Callable[[str], int]:
    """Counts the different meanings of sentences, for ``carvoice.grammar.check_grammar``."""
    parser = ExactParser(automaton)

    def count(sentence: str) -> int:
        readings = parser.parse(sentence)
        said = {(item.intent, *sorted((k, str(v.value)) for k, v in item.slots.items())) for item in readings}
        return len(said)

    return count


def _follows_article(text: str, start: int) -> bool:
    """Does an article stand before this place? A number that has its own ("a hundred") is none there."""
    return text[:start].lower().split()[-1:] in (["the"], ["a"], ["an"])


def _number(number: float, multiplier: float | None) -> int | float:
    if multiplier is not None:
        return number * multiplier
    return int(number) if number.is_integer() else number


def _has_keyword(block: BlockInfo, text: str) -> bool:
    return not block.required_keywords.isdisjoint(text.lower().split())
