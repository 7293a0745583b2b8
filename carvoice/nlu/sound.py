"""The nearest readings by sound: what the grammar has that sounds most like what was heard."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from carvoice.nlu.confidence import MAX_MARGIN, Evidence, most_cost, most_probable
from carvoice.nlu.exact import ExactParser, Reading, is_same, values_of
from carvoice.nlu.gist import Opinion
from carvoice.nlu.manners import Manners
from carvoice.nlu.phonetic import Correction, HeardWord, PhoneticSearch
from carvoice.records import Slot

MAX_RIVALS = 2
TALK = 0.5  # of meaning nothing: words from which on no word is looked for that was not heard
LEAST_GIST = 1e-4
GIST_WEIGHT = 0.7  # of the log probability by the words alone, beside the distance in sound


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest reading, and how near it is.

    Attributes:
        sentence: the sentence of the grammar.
        reading: intent and slots; its slots are placed in the sentence found.
        slots: the slots placed in the text that was heard.
        evidence: what speaks for and against it.
        rivals: the next readings that mean something else, nearest first, and how much further each is.
    """

    sentence: str
    reading: Reading
    slots: Mapping[str, Slot]
    evidence: Evidence
    rivals: tuple[tuple[Reading, float], ...]


class SoundParser:
    """Interprets text by its sound. Not thread-safe."""

    def __init__(self, search: PhoneticSearch, exact: ExactParser, manners: Manners) -> None:
        self._search = search
        self._exact = exact
        self._manners = manners

    @property
    def number_words(self) -> frozenset[str]:
        """Words that numbers are said with."""
        return self._search.number_words

    def with_exact(self, exact: ExactParser) -> SoundParser:
        """The same search, its sentences understood by another parser."""
        return SoundParser(self._search, exact, self._manners)

    def nearest(
        self,
        text: str,
        known: Mapping[str, Any],
        scores: Sequence[float | None] = (),
        opinion: Opinion | None = None,
        at_least: float = 0.0,
    ) -> Near | None:
        """The reading that sounds most like the text; None if nothing is near at all.

        Args:
            text: what was heard.
            known: the context.
            scores: the recognizer's probability of each word of the text; () if unknown.
            opinion: what the words alone say of it; None if nothing is known.
            at_least: readings that cannot be so probable are not looked for.
        """
        words = self._search.hear(text, scores)
        phones = max(1, sum(len(word.symbols) for word in words))
        nothing = 0.0 if opinion is None else opinion.nothing
        likeliest = None if opinion is None else opinion.likeliest
        limit = most_cost(phones, at_least, likeliest, nothing)
        beams = (True, False) if at_least > 0.0 else (False,)  # who wants all gets all
        for is_narrow in beams if nothing < TALK else beams[:1]:
            fitting = [
                correction
                for correction in self._search.search(words, limit, is_narrow=is_narrow)
                if not correction.lost_numbers and not self._changes_meaning(words, correction)
            ]
            if any(
                most_probable(_evidence(correction, nothing), likeliest) >= at_least for correction in fitting
            ):
                break
        else:
            return None
        found: list[tuple[float, Reading, Correction, float | None]] = []
        nearest = math.inf
        for correction in fitting:
            if correction.cost > nearest + MAX_MARGIN:
                break  # neither this nor what follows can come near the best
            readings = self._exact.parse(correction.text, known)
            if not readings:
                continue
            best = readings[0]
            gist = None
            if opinion is not None:
                gist = opinion.of(best.intent, values_of(best.slots))
            bonus = 0.0 if gist is None else GIST_WEIGHT * math.log(max(LEAST_GIST, gist))
            found.append((correction.cost - bonus, best, correction, gist))
            nearest = min(nearest, correction.cost - bonus)
        if not found:
            return None
        found.sort(key=lambda item: item[0])
        distance, best, chosen, gist = found[0]
        rivals: list[tuple[Reading, float]] = []
        for further, reading, _, _ in found[1:]:
            if not any(is_same(reading, seen) for seen in (best, *(rival for rival, _ in rivals))):
                rivals.append((reading, further - distance))
            if len(rivals) == MAX_RIVALS:
                break
        evidence = _evidence(chosen, nothing, rivals[0][1] if rivals else MAX_MARGIN, gist)
        return Near(chosen.text, best, _placed(best.slots, chosen, text), evidence, tuple(rivals))

    def _changes_meaning(self, words: Sequence[HeardWord], correction: Correction) -> bool:
        """Was a word heard, such as "not", without which the sentence is another?"""
        kept = correction.text.split()
        last = words[-1].text
        if last in self._manners.dangling:
            if correction.end_skipped or correction.dropped:
                return True  # cut off: "set the fan speed to"
            is_number = kept[-1] != last and kept[-1] in self._search.number_words
            if is_number and kept[-2:-1] and kept[-2] not in self._manners.dangling:
                return True  # the same, with the "to" taken for a "two"
        if last in self._manners.small and kept[-1] != last:
            return True  # cut off: "open the"
        negations = [word.text for word in words if word.text in self._manners.negations]
        if negations and (correction.skipped_words or correction.dropped):
            return True  # what is refused is not what was said: "i don't want the heating on"
        return any(word not in kept for word in negations)


def _evidence(
    chosen: Correction, nothing: float, margin: float = MAX_MARGIN, gist: float | None = None
) -> Evidence:
    return Evidence(
        cost=chosen.cost,
        phones=chosen.phones,
        margin=margin,
        skipped=chosen.skipped,
        skipped_words=chosen.skipped_words,
        told=chosen.told,
        dropped=chosen.dropped,
        worst=chosen.worst,
        number_cost=chosen.number_cost,
        gist=gist,
        gist_of_nothing=nothing,
    )


def _placed(slots: Mapping[str, Slot], correction: Correction, text: str) -> dict[str, Slot]:
    """Slots of the sentence found, placed in the text that was heard."""
    placed: dict[str, Slot] = {}
    ends: list[int] = []
    at = 0
    for word in correction.text.split():
        ends.append(at + len(word))
        at += len(word) + 1
    for name, slot in slots.items():
        if slot.start < 0:
            placed[name] = slot
            continue
        touched = [
            place for place, end in zip(correction.places, ends, strict=True) if slot.start < end <= slot.end
        ]
        if not touched:
            placed[name] = replace(slot, start=-1, end=-1)
            continue
        start, end = min(place[0] for place in touched), max(place[1] for place in touched)
        placed[name] = Slot(slot.value, text[start:end], start, end)
    return placed
