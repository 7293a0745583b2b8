"""Near misses: the sentences of the grammar that sound most like what was heard.

The heard words are turned into phones; the C search finds the cheapest sentences of the grammar for
them (see ``csrc/phone_align.h``). What comes out is text that the exact parser understands.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.numbers import spoken
from carvoice.grammar.words import WILDCARD, number_value, split_words, tokenize
from carvoice.nlu._align import Aligner
from carvoice.nlu.manners import Manners
from carvoice.nlu.speller import MAX_REMEMBERED, Speller
from carvoice.nlu.trie import pronunciation_trie

MAX_HEARD_WORDS = 100
SURE_SCORE = 0.9  # a recognizer's probability of a word from which it counts as sure


HeardSpan: TypeAlias = tuple[int, int, int, float, float]
"""As the aligner wants a heard word: from, to, its number or -1, cost of leaving it out, of losing it."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How far the search goes from what was heard; costs are negative log probabilities.

    Attributes:
        word_limit_base, word_limit_slope: a word may cost base + slope x phones at most.
        beam: parses this much worse than the best at their position are dropped.
        narrow_beam: the same where nothing more is wanted than the nearest sentence; too narrow for a word of
            which nothing was heard.
        word_beam: added to the beam inside a word.
        drop_word, drop_small: cost of a word, or an article, of which nothing was heard. It is the same for
            all words: how long a word is that was not heard says nothing about whether it was said.
        wildcard, wildcard_word: cost of a wildcard, and of each word in it.
        skip_filler, skip_small, skip_word, skip_phone: cost of a heard word that means nothing: a filler; an
            article; any other word, plus so much per phone.
        lost_word, lost_number: cost of not finding a word of the grammar's vocabulary, or a number word,
            where it was heard: such words are seldom misheard.
        skip_speaker: cost of leaving out who speaks of whom ("I", "they").
        skip_telling: cost of leaving out a word that changes the meaning ("not", "yesterday").
    """

    word_limit_base: float = 4.0
    word_limit_slope: float = 1.0
    beam: float = 4.0
    narrow_beam: float = 3.5
    word_beam: float = 0.5
    drop_word: float = 4.0
    drop_small: float = 2.0
    wildcard: float = 2.0
    wildcard_word: float = 0.3
    skip_filler: float = 0.3
    skip_small: float = 1.0
    skip_word: float = 2.5
    skip_phone: float = 1.2
    lost_word: float = 2.0
    lost_number: float = 7.0
    skip_speaker: float = 5.0
    skip_telling: float = 30.0


class HeardWord(NamedTuple):
    """A word heard, with its phones, its place in the text, and how much its phones count: 1, or less where
    the recognizer was in doubt."""

    text: str
    symbols: bytes
    start: int
    end: int
    weight: float = 1.0


class Correction(NamedTuple):
    """A sentence of the grammar for what was heard; a tuple, as a dataclass takes longer to make.

    Attributes:
        cost: how far it is from what was heard.
        text: the sentence.
        places: per word of ``text``, its (start, end) in the text that was heard.
        phones: phones heard.
        skipped: share of the heard phones that were left out with their words.
        skipped_words: heard words left out that are neither fillers nor articles.
        told: heard words left out that belong to people's talk ("they", "if"), or say who speaks before the
            command begins ("I", "we").
        lost_numbers: heard number words that the sentence has not where they were heard.
        dropped: words of the sentence that were not heard at all, articles excepted.
        worst: the highest cost per phone of a word of the sentence that was heard as something else.
        number_cost: the same of its number words alone.
        end_skipped: the last heard word was left out.
    """

    cost: float
    text: str
    places: tuple[tuple[int, int], ...]
    phones: int
    skipped: float
    skipped_words: int
    told: int
    lost_numbers: int
    dropped: int
    worst: float
    number_cost: float
    end_skipped: bool


class PhoneticSearch:
    """Finds the sentences of an acceptor that sound like a text. Not thread-safe.

    Attributes:
        number_words: words that numbers are said with.

    Args:
        acceptor: the word sequences of the grammar.
        speller: how words sound, and what it costs to hear one sound for another.
        manners: which words may be left out for little, and which must not.
        skip_phrases: more phrases that may be left out for little.
        settings: search limits.
        language: for numbers written in digits.
    """

    def __init__(
        self,
        acceptor: WordAcceptor,
        speller: Speller,
        *,
        manners: Manners | None = None,
        skip_phrases: Iterable[str] = (),
        settings: SearchSettings | None = None,
        language: str = "en",
    ) -> None:
        confusions = speller.confusions
        self._variants = speller.variants
        self._usual = speller.usual
        self._sounds: dict[str, list[tuple[str, bytes]]] = {}
        self._costs: dict[tuple[str, bytes], tuple[int, float, float]] = {}
        self._settings = settings or SearchSettings()
        self._language = language
        self._manners = manners or Manners()
        phrases = [tuple(phrase.split()) for phrase in skip_phrases]
        self._phrases: dict[str, list[tuple[str, ...]]] = {}
        for phrase in sorted({phrase for phrase in phrases if len(phrase) > 1}):
            self._phrases.setdefault(phrase[0], []).append(phrase)
        self._fillers = self._manners.fillers | {phrase[0] for phrase in phrases if len(phrase) == 1}
        self._little = self._fillers | self._manners.small
        self._talk = self._manners.telling | self._manners.negations
        self._talk_first = self._talk | self._manners.speakers
        self.number_words = _number_words(language)
        self._words = acceptor.words
        self._ids = {word: index for index, word in enumerate(acceptor.words)}
        self._confusions = confusions
        used = [label for label in np.unique(acceptor.labels).tolist() if acceptor.words[label] != WILDCARD]
        speller.learn(acceptor.words[label] for label in used)
        spelled = [(label, form) for label in used for form in self._variants(acceptor.words[label])]
        trie = pronunciation_trie(spelled, len(acceptor.words))
        self._phones = [0] * len(acceptor.words)  # of the most usual way to say a word
        for label, form in reversed(spelled):
            self._phones[label] = len(form)
        drop_word = np.array([self._drop_cost(word) for word in acceptor.words], np.float32)
        limits = np.array(
            [
                self._settings.word_limit_base,
                self._settings.word_limit_slope,
                self._settings.word_beam,
                self._settings.wildcard,
                self._settings.wildcard_word,
            ],
            np.float32,
        )
        arc_start = np.searchsorted(acceptor.sources, np.arange(acceptor.n_states + 1)).astype(np.int32)
        is_final = np.zeros(acceptor.n_states, np.uint8)
        is_final[list(acceptor.finals)] = 1
        self._aligner = Aligner(
            *trie, drop_word, arc_start, acceptor.labels, acceptor.targets, is_final, acceptor.start,
            len(acceptor.words), self._ids[WILDCARD], confusions.substitute, confusions.drop,
            confusions.insert, limits,
        )  # fmt: skip

    def hear(self, text: str, scores: Sequence[float | None] = ()) -> list[HeardWord]:
        """The words of a text with their phones; digits are spelled out.

        Args:
            text: what was heard.
            scores: the recognizer's probability of each word of the text, between spaces; () if unknown.
        """
        heard: list[HeardWord] = []
        for token in tokenize(text):
            weight = _weight(scores[text.count(" ", 0, token.start)]) if scores else 1.0
            said = self._sounds.get(token.text)
            for part, symbols in self._spell(token.text) if said is None else said:
                heard.append(HeardWord(part, symbols, token.start, token.end, weight))
        return heard

    def _spell(self, token: str) -> list[tuple[str, bytes]]:
        """The words that are said for a token, with their phones."""
        said: list[tuple[str, bytes]] = []
        for word in split_words(token):
            value = number_value(word)
            for part in [word] if value is None else _say(value, self._language):
                symbols = self._usual(part)
                if symbols:
                    said.append((part, symbols))
        if len(self._sounds) > MAX_REMEMBERED:
            self._sounds.clear()
        self._sounds[token] = said
        return said

    def search(
        self, heard: Sequence[HeardWord], limit: float = math.inf, *, is_narrow: bool = False
    ) -> Iterator[Correction]:
        """The sentences that sound most like the words, the likeliest first.

        Args:
            heard: the words.
            limit: none that cost more.
            is_narrow: take the narrow beam, twice as fast.
        """
        if not heard or len(heard) > MAX_HEARD_WORDS:
            return
        words: list[HeardSpan] = []
        numbers: list[int] = []
        at = 0
        idle = self._in_phrases(heard)
        for index, (text, symbols, _, _, _) in enumerate(heard):
            end = at + len(symbols)
            known, skip, lost = self._costs.get((text, symbols)) or self._costs_of(text, symbols)
            words.append((at, end, known, self._settings.skip_filler if index in idle else skip, lost))
            at = end
            if text in self.number_words and text not in self._little:
                numbers.append(index)
        weights = None
        if any(word.weight != 1.0 for word in heard):
            weights = [word.weight for word in heard for _ in word.symbols]
        phones = b"".join(word.symbols for word in heard)
        beam = self._settings.narrow_beam if is_narrow else self._settings.beam
        starts = [word[0] for word in words]
        for cost, steps in self._aligner.search(phones, words, beam, limit, weights):
            yield self._correction(cost, steps, heard, starts, at, numbers)

    def _correction(
        self,
        cost: float,
        steps: list[tuple[int, int, int, float]],
        heard: Sequence[HeardWord],
        starts: Sequence[int],
        phones: int,
        numbers: Sequence[int],
    ) -> Correction:
        vocabulary, small = self._words, self._manners.small
        texts: list[str] = []
        places: list[tuple[int, int]] = []
        settled: set[int] = set()
        skipped = skipped_words = told = dropped = lost_numbers = 0
        worst = number_cost = 0.0
        for word, first, last, step_cost in steps:
            if word <= -2:
                index = -2 - word
                spoken_word = heard[index].text
                settled.add(index)
                skipped += last - first
                skipped_words += spoken_word not in self._little
                told += spoken_word in (self._talk_first if not texts else self._talk)
                lost_numbers += index in numbers
                continue
            if word >= len(vocabulary):
                passed = heard[word - len(vocabulary)]
                settled.add(word - len(vocabulary))
                texts.append(passed.text)
                places.append((passed.start, passed.end))
                continue
            meant = vocabulary[word]
            texts.append(meant)
            begin = max(0, bisect_right(starts, first) - 1)
            end = begin if last <= first + 1 else max(begin, bisect_right(starts, last - 1) - 1)
            places.append((heard[begin].start, heard[end].end))
            if step_cost == 0.0:
                settled.update(range(begin, end + 1))
                continue
            if last == first:
                dropped += meant not in small
            elif meant not in small:  # "car" is no filler where the grammar wants it
                worst = max(worst, step_cost / self._phones[word])
            if meant in self.number_words and meant not in self._little:
                number_cost = max(number_cost, step_cost / self._phones[word])
        lost_numbers += sum(index not in settled for index in numbers)
        return Correction(
            cost=cost,
            text=" ".join(texts),
            places=tuple(places),
            phones=phones,
            skipped=skipped / phones,
            skipped_words=skipped_words,
            told=told,
            lost_numbers=lost_numbers,
            dropped=dropped,
            worst=worst,
            number_cost=number_cost,
            end_skipped=steps[-1][0] <= -2,
        )

    def _in_phrases(self, heard: Sequence[HeardWord]) -> set[int]:
        """The words that stand in a phrase that may be left out ("i want to")."""
        inside: set[int] = set()
        texts = [word.text for word in heard]
        for index, text in enumerate(texts):
            for phrase in self._phrases.get(text, ()):
                if tuple(texts[index : index + len(phrase)]) == phrase:
                    inside.update(range(index, index + len(phrase)))
        return inside

    def _drop_cost(self, word: str) -> float:
        return self._settings.drop_small if word in self._manners.small else self._settings.drop_word

    def _costs_of(self, text: str, symbols: bytes) -> tuple[int, float, float]:
        """Of a heard word: its number or -1, the cost of leaving it out, of losing it."""
        known = self._ids.get(text, -1)
        lost = 0.0
        if known >= 0 and text not in self._little:
            lost = self._settings.lost_number if text in self.number_words else self._settings.lost_word
        if len(self._costs) > MAX_REMEMBERED:
            self._costs.clear()
        found = self._costs[text, symbols] = known, self._cost_of_skipping(text, symbols), lost
        return found

    def _cost_of_skipping(self, text: str, symbols: bytes) -> float:
        settings = self._settings
        if text in self._fillers:
            return settings.skip_filler
        if text in self._manners.telling or text in self._manners.negations:
            return settings.skip_telling
        if text in self._manners.small:
            return settings.skip_small
        if text in self._manners.speakers:
            return settings.skip_speaker
        far = settings.skip_word + settings.skip_phone * len(symbols)
        if text in self._ids:
            return far  # a word of the grammar is no courtesy misheard: "fan" is not "can"
        near = min((self._distance(form, symbols) for form in self._courtesies()), default=far)
        return min(far, settings.skip_filler + near)

    def _courtesies(self) -> list[bytes]:
        """How the polite words sound: one that was misheard ("plays" for "please") may be left out too."""
        return [form for word in self._manners.courtesies if (form := self._usual(word))]

    def _distance(self, meant: bytes, heard: bytes) -> float:
        """Weighted edit distance between two words."""
        confusions = self._confusions
        row = [0.0]
        for phone in heard:
            row.append(row[-1] + float(confusions.insert[phone]))
        for phone in meant:
            drop, swap = float(confusions.drop[phone]), confusions.substitute[phone]
            before, row[0] = row[0], row[0] + drop
            for index, other in enumerate(heard, start=1):
                swapped = before + float(swap[other])
                before = row[index]
                row[index] = min(swapped, before + drop, row[index - 1] + float(confusions.insert[other]))
        return row[-1]


def _weight(score: float | None) -> float:
    """How much the phones of a word count that the recognizer gives this probability.

    Half at least: the words that the recognizer preferred are what there is to go by.
    """
    return 1.0 if score is None else 0.5 + 0.5 * min(1.0, score / SURE_SCORE)


def _number_words(language: str) -> frozenset[str]:
    return frozenset(word for number in (*range(101), 1000) for word in _say(number, language))


def _say(value: float, language: str) -> list[str]:
    try:
        return spoken(int(value) if float(value).is_integer() else value, language)[0].split()
    except GrammarError:
        return []
