"""From what was heard to what is meant.

In order: the exact parse; a false start put right; two commands in one sentence; the nearest sentences
by sound. What none of them explains well enough is rejected.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from carvoice.errors import CarvoiceError
from carvoice.grammar import replace_list
from carvoice.grammar.automaton import Automaton
from carvoice.nlu.amount import amounts, in_digits, place_in_words
from carvoice.nlu.completion import Completions
from carvoice.nlu.confidence import MOST_INCOMPLETE
from carvoice.nlu.exact import ExactParser, interpretation
from carvoice.nlu.gist import Gist, load_gist
from carvoice.nlu.manners import manners_of
from carvoice.nlu.near_misses import NearMisses, believed
from carvoice.nlu.phonetic import SearchSettings
from carvoice.nlu.places import moved, spanning, unplaced
from carvoice.nlu.remarks import is_plea, wishes_beside_remarks
from carvoice.nlu.searchbuilder import SearchBuilder
from carvoice.nlu.sound import SoundParser
from carvoice.nlu.speller import Pronouncer
from carvoice.nlu.spoken import MAX_COMMANDS, carried_over, corrected, joints
from carvoice.records import Hypothesis, Interpretation, PrefixState, Slot
from carvoice.resources import data_path

_LOG = logging.getLogger(__name__)

OUT_OF_RANGE = "out of range"


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
        if self._gist and {block.intent for block in automaton.blocks}.isdisjoint(
            self._gist.intents.tolist()
        ):
            self._gist = None  # what it takes for nothing may be all that this grammar is about
        self.exact = ExactParser(automaton)
        self.sound: SoundParser | None = None
        self._near_misses: NearMisses | None = None
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
        self._use(self.sound.with_exact(self.exact))
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
            self._use(SoundParser(search, exact, self._manners))
            self._completions = Completions(acceptor)

    def _use(self, sound: SoundParser) -> None:
        settings = self._settings
        self.sound = sound
        self._near_misses = NearMisses(
            sound, self.exact, self._manners, self._gist, settings.reject_below, settings.exact_confidence
        )

    def parse(self, heard: Hypothesis | str, context: Context | None = None) -> tuple[Interpretation, ...]:
        """The commands in what was heard, in order; a single rejected one if there is none."""
        if isinstance(heard, str):
            heard = Hypothesis(heard, is_final=True)
        known = context.values if context else {}
        found = self._understand(heard, known)
        if not found:
            return (Interpretation("", confidence=0.0, text=heard.text, rejected="out of domain"),)
        limit = self._settings.reject_below
        if found[0].rejected is None and any(believed(item) < limit for item in found):
            # The words fit, but the recognizer doubts that they were said.
            least = min(item.confidence for item in found)
            return (Interpretation("", {}, least, "", heard.text, "low confidence", tuple(found)),)
        return tuple(found)

    def expect(self, text: str) -> None:
        """Read words while they are still being said: if no other come, they are understood in half the time.

        Most of the time that a short command takes goes by waiting for memory that the recognizer has
        pushed out of the caches.
        """
        self.exact.expect(text)

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
                found.append(interpretation(readings, sentence, self._settings.exact_confidence))
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
        if exact or self._near_misses is None:
            return exact
        return self._near_misses.of(heard, known)

    # --- word for word ---

    def _word_for_word(self, text: str, known: Mapping[str, Any], sure: float) -> list[Interpretation]:
        whole = self._command(text, known, sure)
        if whole is not None:
            return [whole]
        for better in corrected(text, self._manners):
            found = self._command(better, known, sure * 0.97)
            if found is not None:
                return [unplaced(found, text)]
        several = _once(self._compound(text, known, sure, MAX_COMMANDS))
        if several:  # each of them must have been said
            doubt = sure ** (len(several) - 1)
            return [replace(item, confidence=item.confidence * doubt) for item in several]
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
                found = moved(interpretation(wish, text, sure), start)
                if reason and reason[0].intent == found.intent:
                    added = {name: Slot(slot.value) for name, slot in reason[0].slots.items()}
                    found = replace(found, slots={**added, **found.slots})
                return found
            if reason and is_plea(text[start:end], self._manners):
                return moved(interpretation(reason, text, sure), remark_start)
        return None

    def _command(self, text: str, known: Mapping[str, Any], sure: float) -> Interpretation | None:
        """One command, word for word; a rejected one if only its number does not fit."""
        readings = self.exact.parse(text, known)
        if readings:
            return interpretation(readings, text, sure)
        numbers = amounts(text, self.exact.automaton.language)
        if not numbers:
            return None
        readings = self.exact.parse(in_digits(text, numbers), known, any_number=True)
        if not readings:
            return None
        fitting = [reading for reading in readings if reading.out_of_range is None]
        limits = readings[0].out_of_range
        found = interpretation(fitting or readings, text, sure)
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


def _once(commands: list[Interpretation]) -> list[Interpretation]:
    """Commands without those that say again what the one before said ("plugged in and charging")."""
    return [
        item
        for place, item in enumerate(commands)
        if not place or (item.intent, item.values) != (commands[place - 1].intent, commands[place - 1].values)
    ]
