"""Commands whose words were heard slightly wrong, or that are worded as no template is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from carvoice.grammar.words import tokenize
from carvoice.nlu.confidence import MOST_INCOMPLETE, probability
from carvoice.nlu.exact import ExactParser, interpretation, values_of
from carvoice.nlu.filling import filled
from carvoice.nlu.gist import Gist, Opinion
from carvoice.nlu.manners import Manners
from carvoice.nlu.places import moved
from carvoice.nlu.sound import TALK, SoundParser
from carvoice.nlu.spoken import joints
from carvoice.records import Hypothesis, Interpretation, Slot

HOPELESS = 0.4
"""Readings that cannot be so probable are not looked for: they are not even asked back."""
MAX_ALTERNATIVES = 4
AGREED = 0.5
"""Probability of an intent by all words from which a part that is an order of it stands for the whole."""
CLOSE = 0.5
"""Two readings whose probabilities are no further apart are offered as a choice."""
PLAIN = 0.9
"""From this confidence a sentence is not looked at as two commands."""


class NearMisses:
    """Interprets what the exact parser does not know. Not thread-safe.

    Args:
        sound: finds sentences that sound alike.
        exact: parses halves of sentences.
        manners: how people talk around a command.
        gist: what words alone say; None if nothing is known of the language.
        reject_below: confidence below which a sentence is no command.
        exact_confidence: of what the exact parser understands.
    """

    def __init__(
        self,
        sound: SoundParser,
        exact: ExactParser,
        manners: Manners,
        gist: Gist | None,
        reject_below: float,
        exact_confidence: float,
    ) -> None:
        self._sound = sound
        self._exact = exact
        self._manners = manners
        self._gist = gist
        self._reject_below = reject_below
        self._exact_confidence = exact_confidence
        self._intents = frozenset(block.intent for block in exact.automaton.blocks)

    def of(self, heard: Hypothesis, known: Mapping[str, Any]) -> list[Interpretation]:
        """The commands in what was heard, or one rejected for its low confidence; [] if nothing is near."""
        order = heard.order_confidence
        if order is None:
            return self._of(heard, known, HOPELESS)
        if order < HOPELESS:
            return []
        # What sounds like an order is one only if an order was said; talk has sentences near it, too.
        found = self._of(heard, known, HOPELESS / order)
        return [replace(item, confidence=item.confidence * order) for item in found]

    def _of(self, heard: Hypothesis, known: Mapping[str, Any], at_least: float) -> list[Interpretation]:
        at_least = min(at_least, self._reject_below)
        best = self._nearest(heard.text, known, at_least, _scores(heard))
        for rank, text in enumerate(heard.alternatives[:MAX_ALTERNATIVES]):
            costs = heard.alternative_costs
            # Half the nats: neighbouring frames are not independent.
            weight = math.exp(-costs[rank] / 2) if rank < len(costs) else 0.9 ** (rank + 1)
            wanted = max(at_least, best.confidence if best else 0.0)
            if weight <= wanted:
                continue
            other = self._nearest(text, known, wanted / weight)
            if other and (best is None or other.confidence * weight > best.confidence):
                best = replace(other, text=heard.text, confidence=other.confidence * weight)
        if best is not None and best.confidence >= PLAIN:
            return [best]
        halves = self._compound(heard.text, known, best.confidence if best else 0.0)
        if halves:
            return halves
        if best is None:
            return []
        if believed(best) < self._reject_below:
            return [Interpretation("", {}, best.confidence, "", heard.text, "low confidence", (best,))]
        return [best]

    def _nearest(
        self, text: str, known: Mapping[str, Any], at_least: float, scores: Sequence[float | None] = ()
    ) -> Interpretation | None:
        words: list[str] = []
        opinion = guessed = None
        if self._gist is not None:
            words = [token.text for token in tokenize(text)]
            opinion = self._gist.opinion(words, self._sound.number_words)
            guessed = self._guess(text, words, opinion)
        if guessed is not None and guessed.confidence >= MOST_INCOMPLETE:
            at_least = max(at_least, guessed.confidence)  # else readings that sound alike may be a choice
        near = self._sound.nearest(text, known, scores, opinion, at_least)
        sure = 0.0 if near is None else probability(near.evidence)
        if sure < self._reject_below and guessed is None and opinion is not None:
            guessed = self._wish(text, words, known, opinion)
        if near is None:
            return guessed
        best = near.reading
        if guessed is not None and sure < guessed.confidence:
            if (guessed.intent, guessed.values) != (best.intent, values_of(near.slots)):
                return guessed
            sure = guessed.confidence
        others = tuple(  # costs are negative log probabilities: so much less likely is each rival
            Interpretation(rival.intent, rival.slots, sure * math.exp(-margin), rival.template, text)
            for rival, margin in near.rivals
        )
        return Interpretation(best.intent, near.slots, sure, best.template, text, None, others)

    def _wish(
        self, text: str, words: Sequence[str], known: Mapping[str, Any], opinion: Opinion
    ) -> Interpretation | None:
        """A command at the end or the beginning of a text, if the rest of its words speaks of the same.

        "We've broken down, put the flashers on." It is asked for: whether the rest is a reason is not known.
        """
        if opinion.nothing > TALK:
            return None
        tokens = tokenize(text)
        last = len(tokens)
        parts = [(first, last) for first in range(1, last - 1)] + [(0, end) for end in range(last - 1, 1, -1)]
        for first, end in parts:
            rest = (*words[:first], *words[end:])
            if not self._is_plain(rest):
                continue
            start = tokens[first].start
            readings = self._exact.parse(text[start : tokens[end - 1].end], known)
            if not readings:
                continue
            agreed = opinion.of_intent(readings[0].intent)
            if agreed >= AGREED:
                return moved(interpretation(readings, text, MOST_INCOMPLETE * agreed), start)
        return None

    def _is_plain(self, words: Sequence[str]) -> bool:
        """Are there no numbers among the words, no negation, and nothing that others said?"""
        special = (self._sound.number_words, self._manners.negations, self._manners.telling)
        return not any(word in few for few in special for word in words)

    def _guess(self, text: str, words: Sequence[str], opinion: Opinion) -> Interpretation | None:
        """What the words alone say; never so sure that it is done unasked."""
        guess = opinion.guess()
        if guess is None or guess.intent not in self._intents:
            return None
        sure = min(MOST_INCOMPLETE, guess.probability)
        if guess.is_whole and self._is_plain(words):
            slots = {name: Slot(value) for name, value in guess.slots}
            return Interpretation(guess.intent, slots, sure, "", text)
        slots_said = filled(text, guess, self._exact, self._is_plain) if guess.carriers else None
        return None if slots_said is None else Interpretation(guess.intent, slots_said, sure, "", text)

    def _compound(self, text: str, known: Mapping[str, Any], surer_than: float) -> list[Interpretation]:
        best: list[Interpretation] = []
        wanted = max(surer_than, self._reject_below)
        for end, start in joints(text, self._manners):
            halves: list[Interpretation] = []
            for part, offset in ((text[:end], 0), (text[start:], start)):
                readings = self._exact.parse(part, known)
                found = (
                    interpretation(readings, part, self._exact_confidence)
                    if readings
                    else self._nearest(part, known, wanted)
                )
                if found is None or found.confidence < wanted:
                    break
                halves.append(moved(found, offset))
            if len(halves) == 2 and _least(halves) > surer_than:
                best, surer_than = halves, _least(halves)
                wanted = max(wanted, surer_than)
        return best


def believed(found: Interpretation) -> float:
    """Probability that this is meant, or the one that it is asked beside: "turn or the ac", on or off?"""
    rival = found.alternatives[0].confidence if found.alternatives else 0.0
    return found.confidence + (rival if rival > CLOSE * found.confidence else 0.0)


def _scores(heard: Hypothesis) -> list[float | None]:
    """The recognizer's probability of each word of the text; [] if its words are not those of the text."""
    if " ".join(word.text for word in heard.words) != heard.text:
        return []
    return [word.score for word in heard.words]


def _least(found: list[Interpretation]) -> float:
    return min(item.confidence for item in found)
