"""From what was heard to what is meant.

In order: the exact parse; a false start put right; two commands in one sentence; the nearest sentences
by sound. What none of them explains well enough is rejected.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from carvoice.errors import CarvoiceError
from carvoice.grammar import replace_list
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.words import tokenize
from carvoice.nlu.amount import amounts, in_digits, place_in_words
from carvoice.nlu.completion import Completions
from carvoice.nlu.confidence import MOST_INCOMPLETE, probability
from carvoice.nlu.exact import ExactParser, Reading
from carvoice.nlu.gist import Gist, Opinion, load_gist
from carvoice.nlu.manners import manners_of
from carvoice.nlu.phonetic import SearchSettings
from carvoice.nlu.places import moved, spanning, unplaced
from carvoice.nlu.remarks import is_plea, wishes_beside_remarks
from carvoice.nlu.searchbuilder import SearchBuilder
from carvoice.nlu.sound import SoundParser, is_same
from carvoice.nlu.speller import Pronouncer
from carvoice.nlu.spoken import MAX_COMMANDS, carried_over, corrected, joints
from carvoice.records import Hypothesis, Interpretation, PrefixState, Slot
from carvoice.resources import data_path

_LOG = logging.getLogger(__name__)

OUT_OF_RANGE = "out of range"
HOPELESS = 0.3
"""Readings by sound that cannot be so probable are not looked for: they are not even asked back."""


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
        near_misses: look for sentences that sound alike when the exact parse finds none.
        exact_confidence: confidence of an exact parse of text whose recognition is not in doubt.
        max_list_values: longer lists are matched word for word only.
        search: limits of the search by sound.
        keep_in: folder where the grammar's word sequences are kept for the next start; None for none.
    """

    reject_below: float = 0.75
    near_misses: bool = True
    exact_confidence: float = 0.999
    max_list_values: int = 20_000
    search: SearchSettings = field(default_factory=SearchSettings)
    keep_in: Path | None = None


class Understander:
    """Interprets text and recognizer hypotheses. Not thread-safe: one per thread.

    Attributes:
        exact: the exact parser.
        sound: the parser by sound, None when near misses are switched off.

    Args:
        automaton: the compiled grammar.
        lexicon: pronunciations of words; None compares letters instead of phones.
        settings: thresholds and limits.

    Raises:
        GrammarError: the grammar is too large for the search by sound, or the table of confusions is
            missing.
    """

    def __init__(
        self,
        automaton: Automaton,
        lexicon: Pronouncer | None = None,
        settings: UnderstanderSettings | None = None,
    ) -> None:
        self._settings = settings or UnderstanderSettings()
        self._manners = manners_of(automaton.language, automaton.settings)
        amounts("", automaton.language)  # makes its table now, 25 ms, not in the first turn

        table = data_path(f"gist-{automaton.language.split('-')[0]}.npz")
        self._gist: Gist | None = load_gist(table) if table.exists() and lexicon is not None else None
        self._intents = frozenset(block.intent for block in automaton.blocks)
        self.exact = ExactParser(automaton)
        self.sound: SoundParser | None = None
        self._completions: Completions | None = None
        self._builder: SearchBuilder | None = None
        self._replaced: frozenset[str] = frozenset()
        self._building = threading.Lock()
        if self._settings.near_misses:
            self._builder = SearchBuilder(
                automaton,
                lexicon,
                self._manners,
                self._settings.search,
                self._settings.max_list_values,
                self._settings.keep_in,
            )
            self._listen_for(self.exact, self._replaced)

    def replace_list(
        self, name: str, values: Mapping[str, Any] | Iterable[str], *, wait: bool = False
    ) -> None:
        """Give a text list other values (contacts, stations); see :func:`carvoice.grammar.replace_list`.

        They are understood word for word at once. The search by sound learns them in a thread of its own:
        ten thousand names take it about a second.

        Args:
            name: the list.
            values: what is said, or what is said to what it stands for.
            wait: return when the search by sound has them too.

        Raises:
            GrammarError: there is no text list of this name.
        """
        self.exact = ExactParser(replace_list(self.exact.automaton, name, values))
        self._replaced |= {name}
        if self.sound is None:
            return
        self.sound = self.sound.with_exact(self.exact)
        task = threading.Thread(
            target=self._learn_list, args=(name, self.exact, self._replaced), name="learn-list", daemon=True
        )
        task.start()
        if wait:
            task.join()

    def _learn_list(self, name: str, exact: ExactParser, replaced: frozenset[str]) -> None:
        with self._building:
            try:
                if exact is self.exact:  # else it was replaced again
                    self._listen_for(exact, replaced)
            except CarvoiceError as error:
                _LOG.warning("the list %s is understood word for word only: %s", name, error)

    def _listen_for(self, exact: ExactParser, replaced: frozenset[str]) -> None:
        assert self._builder is not None
        acceptor, search = self._builder.build(exact.automaton, replaced)
        if exact is self.exact:
            self.sound = SoundParser(search, exact, self._manners)
            self._completions = Completions(acceptor)

    def parse(self, heard: Hypothesis | str, context: Context | None = None) -> tuple[Interpretation, ...]:
        """The commands in what was heard, in order; a single rejected one if there is none."""
        if isinstance(heard, str):
            heard = Hypothesis(heard, is_final=True)
        known = context.values if context else {}
        found = self._understand(heard, known)
        least = min((item.confidence for item in found), default=0.0)
        if found and found[0].rejected is None and least < self._settings.reject_below:
            # The words fit, but the recognizer doubts that they were said.
            return (Interpretation("", {}, least, "", heard.text, "low confidence", tuple(found)),)
        if found:
            return tuple(found)
        return (Interpretation("", confidence=0.0, text=heard.text, rejected="out of domain"),)

    def prefix(self, text: str) -> PrefixState:
        """What the words so far are to the grammar: may they become a sentence, are they one?"""
        return self.exact.prefix(text)

    def completions(self, text: str, at_most: int = 12) -> tuple[Interpretation, ...]:
        """Commands that begin with these words, the shortest first; () when nothing is missing or can follow.

        A slot that lies behind the end of ``text`` is what is missing.
        """
        if self._completions is None:
            return ()
        found: list[Interpretation] = []
        for sentence in self._completions.of(text.split()):
            readings = self.exact.parse(sentence)
            if readings:
                found.append(_interpretation(readings, sentence, self._settings.exact_confidence))
            if len(found) == at_most:
                break
        return tuple(found)

    def _understand(self, heard: Hypothesis, known: Mapping[str, Any]) -> list[Interpretation]:
        if not heard.text.strip():
            return []  # nothing was heard: what else noise could have been is no command
        sure = self._settings.exact_confidence
        if heard.confidence is not None:
            sure *= heard.confidence
        exact = self._word_for_word(heard.text, known, sure)
        if exact or self.sound is None:
            return exact
        found = self._by_sound(heard, known)
        if heard.order_confidence is None:
            return found
        # What sounds like an order is one only if an order was said; talk has sentences near it, too.
        return [replace(item, confidence=item.confidence * heard.order_confidence) for item in found]

    # --- word for word ---

    def _word_for_word(self, text: str, known: Mapping[str, Any], sure: float) -> list[Interpretation]:
        whole = self._command(text, known, sure)
        if whole is not None:
            return [whole]
        for better in corrected(text, self._manners):
            found = self._command(better, known, sure * 0.97)
            if found is not None:
                return [unplaced(found, text)]
        several = self._compound(text, known, sure, MAX_COMMANDS)
        if several:
            return several
        found = self._beside_remark(text, known, sure * 0.95)
        return [] if found is None else [found]

    def _beside_remark(self, text: str, known: Mapping[str, Any], sure: float) -> Interpretation | None:
        """The command in a text that also says why it is wanted.

        What is asked for in words goes first; the reason adds what they leave open (whose seat is meant).
        """
        for (start, end), (remark_start, remark_end) in wishes_beside_remarks(text, self._manners):
            reason = self.exact.parse(text[remark_start:remark_end], known)
            wish = self.exact.parse(text[start:end], known)
            if wish:
                if not self._manners.pronouns.isdisjoint(text[start:end].lower().split()):
                    sure = min(sure, MOST_INCOMPLETE)  # "it" is what the reason names: asked for
                found = moved(_interpretation(wish, text, sure), start)
                if reason and reason[0].intent == found.intent:
                    added = {name: Slot(slot.value) for name, slot in reason[0].slots.items()}
                    found = replace(found, slots={**added, **found.slots})
                return found
            if reason and is_plea(text[start:end], self._manners):
                return moved(_interpretation(reason, text, sure), remark_start)
        return None

    def _command(self, text: str, known: Mapping[str, Any], sure: float) -> Interpretation | None:
        """One command, word for word; a rejected one if only its number does not fit."""
        readings = self.exact.parse(text, known)
        if readings:
            return _interpretation(readings, text, sure)
        numbers = amounts(text, self.exact.automaton.language)
        if not numbers:
            return None
        readings = self.exact.parse(in_digits(text, numbers), known, any_number=True)
        if not readings:
            return None
        fitting = [reading for reading in readings if reading.out_of_range is None]
        limits = readings[0].out_of_range
        found = _interpretation(fitting or readings, text, sure)
        slots = {
            name: spanning(slot, place_in_words(slot.start, numbers), place_in_words(slot.end, numbers), text)
            for name, slot in found.slots.items()
        }
        found = replace(found, slots=slots)
        if fitting or limits is None:
            return found
        bounds = {"min": Slot(limits[0]), "max": Slot(limits[1])}
        return Interpretation("", bounds, 0.0, "", text, OUT_OF_RANGE, (found,))

    def _compound(
        self, text: str, known: Mapping[str, Any], sure: float, at_most: int
    ) -> list[Interpretation]:
        if at_most < 2:
            return []
        for end, start in joints(text, self._manners):
            left, right = text[:end], text[start:]
            head = self._command(left, known, sure)
            if head is None:
                continue
            if head.rejected:
                return [head]  # half a wish is not done
            rest = self._rest(left, right, start, known, sure, at_most)
            if rest:
                return [rest[0]] if rest[0].rejected else [head, *rest]
        return []

    def _rest(
        self, left: str, right: str, start: int, known: Mapping[str, Any], sure: float, at_most: int
    ) -> list[Interpretation]:
        """The commands of the right half, which begins at ``start``."""
        found = self._command(right, known, sure)
        if found is not None:
            return [moved(found, start)]
        more = self._compound(right, known, sure, at_most - 1)
        if more:
            return [moved(item, start) for item in more]
        for carried in carried_over(left, right):
            found = self._command(carried, known, sure * 0.97)
            if found is not None:
                return [moved(found, start - (len(carried) - len(right)))]
        return []

    # --- by sound ---

    def _by_sound(self, heard: Hypothesis, known: Mapping[str, Any]) -> list[Interpretation]:
        best = self._sounds_like(heard.text, known, _scores(heard))
        for rank, text in enumerate(heard.alternatives[:4]):
            costs = heard.alternative_costs
            # Half the nats: neighbouring frames are not independent.
            weight = math.exp(-costs[rank] / 2) if rank < len(costs) else 0.9 ** (rank + 1)
            if best is not None and weight <= best.confidence:
                continue
            other = self._sounds_like(text, known)
            if other and (best is None or other.confidence * weight > best.confidence):
                best = replace(other, text=heard.text, confidence=other.confidence * weight)
        whole = [] if best is None else [best]
        if best is not None and best.confidence >= 0.9:
            return whole
        halves = self._compound_by_sound(heard.text, known)
        if halves and (best is None or min(item.confidence for item in halves) > best.confidence):
            return halves
        if best is not None and best.confidence < self._settings.reject_below:
            return [Interpretation("", {}, best.confidence, "", heard.text, "low confidence", (best,))]
        return whole

    def _sounds_like(
        self, text: str, known: Mapping[str, Any], scores: Sequence[float | None] = ()
    ) -> Interpretation | None:
        assert self.sound is not None
        opinion = None
        if self._gist is not None:
            opinion = self._gist.opinion([token.text for token in tokenize(text)], self.sound.number_words)
        at_least = min(HOPELESS, self._settings.reject_below)
        near = self.sound.nearest(text, known, scores, opinion, at_least)
        guessed = opinion and self._guess(text, opinion)
        if guessed and (near is None or probability(near.evidence) < guessed.confidence):
            return guessed
        if near is None:
            return None
        best = near.reading
        sure = probability(near.evidence)
        others = tuple(  # costs are negative log probabilities: so much less likely is each rival
            Interpretation(rival.intent, rival.slots, sure * math.exp(-margin), rival.template, text)
            for rival, margin in near.rivals
        )
        return Interpretation(best.intent, near.slots, sure, best.template, text, None, others)

    def _guess(self, text: str, opinion: Opinion) -> Interpretation | None:
        """What the words alone say; never so sure that it is done unasked."""
        assert self.sound is not None
        words = [token.text for token in tokenize(text)]
        special = self.sound.number_words | self._manners.negations | self._manners.telling
        guess = opinion.guess()
        if guess is None or guess[0] not in self._intents or not special.isdisjoint(words):
            return None
        intent, values, sure = guess
        slots = {name: Slot(value) for name, value in values.items()}
        return Interpretation(intent, slots, MOST_INCOMPLETE * sure, "", text)

    def _compound_by_sound(self, text: str, known: Mapping[str, Any]) -> list[Interpretation]:
        best: list[Interpretation] = []
        for end, start in joints(text, self._manners):
            halves: list[Interpretation] = []
            for part, offset in ((text[:end], 0), (text[start:], start)):
                readings = self.exact.parse(part, known)
                found = (
                    _interpretation(readings, part, self._settings.exact_confidence)
                    if readings
                    else self._sounds_like(part, known)
                )
                if found is None or found.confidence < self._settings.reject_below:
                    break
                halves.append(moved(found, offset))
            if len(halves) == 2 and (not best or _least(halves) > _least(best)):
                best = halves
        return best


def _scores(heard: Hypothesis) -> list[float | None]:
    """The recognizer's probability of each word of the text; [] if its words are not those of the text."""
    if " ".join(word.text for word in heard.words) != heard.text:
        return []
    return [word.score for word in heard.words]


def _least(found: list[Interpretation]) -> float:
    return min(item.confidence for item in found)


def _interpretation(readings: list[Reading], text: str, confidence: float) -> Interpretation:
    best = readings[0]
    others = tuple(
        Interpretation(reading.intent, reading.slots, 0.0, reading.template, text)
        for reading in readings[1:]
        if not is_same(reading, best)
    )
    return Interpretation(best.intent, best.slots, confidence, best.template, text, None, others[:4])
