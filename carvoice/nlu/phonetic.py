"""Near misses: the sentences of the grammar that sound most like what was heard.

The heard words are turned into phones; the C search finds the cheapest sentences of the grammar for
them (see ``csrc/phone_align.h``). What comes out is text that the exact parser understands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.automaton import Int32Array, Uint8Array
from carvoice.grammar.numbers import spoken
from carvoice.grammar.words import WILDCARD, number_value, split_words, tokenize
from carvoice.nlu._align import Aligner
from carvoice.nlu.confusion import Confusions
from carvoice.nlu.manners import Manners

MAX_PHONES_PER_WORD = 24
MAX_HEARD_WORDS = 100


class Pronouncer(Protocol):
    """Gives the pronunciations of a word; ``carvoice.grammar.lexicon.Lexicon`` is one."""

    def pronunciations(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Every way to say the word, most usual first."""


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How far the search goes from what was heard; costs are negative log probabilities.

    Attributes:
        word_limit_base, word_limit_slope: a word may cost base + slope x phones at most.
        beam: parses this much worse than the best at their position are dropped.
        word_beam: added to the beam inside a word.
        drop_word: extra cost of a word of which nothing was heard, articles excepted.
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
    beam: float = 3.0
    word_beam: float = 1.5
    drop_word: float = 1.5
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


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word heard, with its phones and its place in the text."""

    text: str
    symbols: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Correction:
    """A sentence of the grammar for what was heard.

    Attributes:
        cost: how far it is from what was heard.
        text: the sentence.
        places: per word of ``text``, its (start, end) in the text that was heard.
        phones: phones heard.
        skipped: share of the heard phones that were left out with their words.
        told: heard words left out that belong to people's talk ("I", "they", "if").
        lost: heard words of the grammar's vocabulary that the sentence has not where they were heard.
        lost_numbers: the same for number words.
        dropped: words of the sentence that were not heard at all.
    """

    cost: float
    text: str
    places: tuple[tuple[int, int], ...]
    phones: int
    skipped: float
    told: int
    lost: int
    lost_numbers: int
    dropped: int


class PhoneticSearch:
    """Finds the sentences of an acceptor that sound like a text. Not thread-safe.

    Args:
        acceptor: the word sequences of the grammar.
        lexicon: pronunciations; None compares letters.
        confusions: costs over the phones (or letters).
        manners: which words may be left out for little, and which must not.
        skip_words: more words that may be left out for little.
        settings: search limits.
        language: for numbers written in digits.
    """

    def __init__(
        self,
        acceptor: WordAcceptor,
        lexicon: Pronouncer | None,
        confusions: Confusions,
        *,
        manners: Manners | None = None,
        skip_words: Iterable[str] = (),
        settings: SearchSettings | None = None,
        language: str = "en",
    ) -> None:
        self._lexicon = lexicon
        self._numbers = {symbol: index for index, symbol in enumerate(confusions.symbols)}
        self._settings = settings or SearchSettings()
        self._language = language
        self._manners = manners or Manners()
        self._fillers = self._manners.fillers | frozenset(skip_words)
        self._little = self._fillers | self._manners.small
        self._talk = self._manners.telling | self._manners.negations | self._manners.speakers
        self._number_words = _number_words(language)
        self._words = acceptor.words
        self._ids = {word: index for index, word in enumerate(acceptor.words)}
        self._symbols: dict[str, tuple[bytes, ...]] = {}
        used = sorted({label for label in acceptor.labels.tolist() if acceptor.words[label] != WILDCARD})
        spelled = [(label, form) for label in used for form in self._variants(acceptor.words[label])]
        trie = _trie(spelled, len(acceptor.words))
        drop_word = np.array(
            [0.0 if word in self._manners.small else self._settings.drop_word for word in acceptor.words],
            np.float32,
        )
        limits = np.array(
            [
                self._settings.word_limit_base,
                self._settings.word_limit_slope,
                self._settings.beam,
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

    def hear(self, text: str) -> list[HeardWord]:
        """The words of a text with their phones; digits are spelled out."""
        heard: list[HeardWord] = []
        for token in tokenize(text):
            for word in split_words(token.text):
                value = number_value(word)
                said = [word]
                if value is not None:
                    said = _say(value, self._language)
                for part in said:
                    variants = self._variants(part)
                    if variants:
                        heard.append(HeardWord(part, variants[0], token.start, token.end))
        return heard

    def search(self, heard: Sequence[HeardWord], n_best: int = 8) -> list[Correction]:
        """The sentences that sound most like the words, the likeliest first."""
        if not heard or len(heard) > MAX_HEARD_WORDS:
            return []
        words: list[tuple[int, int, int, float]] = []
        at = 0
        for word in heard:
            words.append((at, at + len(word.symbols), self._ids.get(word.text, -1), self._skip_cost(word)))
            at += len(word.symbols)
        found = self._aligner.search(b"".join(word.symbols for word in heard), words, n_best)
        corrections = [self._correction(cost, steps, heard, words) for cost, steps in found]
        return sorted(corrections, key=lambda correction: correction.cost)

    def _correction(
        self,
        cost: float,
        steps: list[tuple[int, int, int]],
        heard: Sequence[HeardWord],
        words: list[tuple[int, int, int, float]],
    ) -> Correction:
        starts = [word[0] for word in words]
        by_place = {(first, last): index for index, (first, last, _, _) in enumerate(words)}
        texts: list[str] = []
        places: list[tuple[int, int]] = []
        settled: set[int] = set()
        skipped = told = dropped = 0
        count = len(self._words)
        for word, first, last in steps:
            if word <= -2:
                index = -2 - word
                settled.add(index)
                skipped += last - first
                told += heard[index].text in self._talk
                continue
            if word >= count:
                passed = heard[word - count]
                settled.add(word - count)
                texts.append(passed.text)
                places.append((passed.start, passed.end))
                continue
            texts.append(self._words[word])
            dropped += last == first
            whole = by_place.get((first, last))
            if whole is not None and words[whole][2] == word:
                settled.add(whole)
            begin = max(0, bisect_right(starts, first) - 1)
            end = max(begin, bisect_right(starts, max(first, last - 1)) - 1)
            places.append((heard[begin].start, heard[end].end))
        lost = lost_numbers = 0
        for index, spoken_word in enumerate(heard):
            if index in settled or words[index][2] < 0 or spoken_word.text in self._little:
                continue
            if spoken_word.text in self._number_words:
                lost_numbers += 1
            else:
                lost += 1
        settings = self._settings
        cost += settings.lost_word * lost + settings.lost_number * lost_numbers
        return Correction(
            cost=cost,
            text=" ".join(texts),
            places=tuple(places),
            phones=words[-1][1],
            skipped=skipped / words[-1][1],
            told=told,
            lost=lost,
            lost_numbers=lost_numbers,
            dropped=dropped,
        )

    def _skip_cost(self, word: HeardWord) -> float:
        settings = self._settings
        if word.text in self._fillers:
            return settings.skip_filler
        if word.text in self._manners.telling or word.text in self._manners.negations:
            return settings.skip_telling
        if word.text in self._manners.small:
            return settings.skip_small
        if word.text in self._manners.speakers:
            return settings.skip_speaker
        return settings.skip_word + settings.skip_phone * len(word.symbols)

    def _variants(self, word: str) -> tuple[bytes, ...]:
        known = self._symbols.get(word)
        if known is None:
            known = self._symbols[word] = self._spell(word)
        return known

    def _spell(self, word: str) -> tuple[bytes, ...]:
        numbers = self._numbers
        if self._lexicon is None:
            letters = bytes(numbers[letter] for letter in word if letter in numbers)
            return (letters[:MAX_PHONES_PER_WORD],) if letters else ()
        try:
            variants = self._lexicon.pronunciations(word)
        except GrammarError:
            return ()
        coded = (bytes(numbers[phone] for phone in variant if phone in numbers) for variant in variants)
        return tuple(dict.fromkeys(variant[:MAX_PHONES_PER_WORD] for variant in coded if variant))


def _number_words(language: str) -> frozenset[str]:
    return frozenset(word for number in (*range(101), 1000) for word in _say(number, language))


def _say(value: float, language: str) -> list[str]:
    try:
        return spoken(int(value) if float(value).is_integer() else value, language)[0].split()
    except GrammarError:
        return []


def _trie(
    entries: Iterable[tuple[int, bytes]], n_words: int
) -> tuple[
    Uint8Array, Uint8Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Uint8Array
]:
    """A trie of pronunciations in preorder, as :class:`Aligner` wants it."""
    children: list[dict[int, int]] = [{}]
    words: list[list[int]] = [[]]
    shortest = np.zeros(n_words, np.uint8)
    for word, symbols in entries:
        node = 0
        for symbol in symbols:
            after = children[node].get(symbol)
            if after is None:
                after = children[node][symbol] = len(children)
                children.append({})
                words.append([])
            node = after
        if word not in words[node]:
            words[node].append(word)
        if not shortest[word] or len(symbols) < shortest[word]:
            shortest[word] = len(symbols)
    phone, depth, skip, parent, word_start = [0], [0], [0], [0], [0]
    word_at: list[int] = []
    leaves: list[list[int]] = [[] for _ in range(n_words)]
    stack = [(child, symbol, 1) for symbol, child in sorted(children[0].items(), reverse=True)]
    open_nodes = [0]
    while stack:
        node, symbol, level = stack.pop()
        while len(open_nodes) > level:
            skip[open_nodes.pop()] = len(phone)
        parent.append(open_nodes[-1])
        open_nodes.append(len(phone))
        word_start.append(len(word_at))
        word_at.extend(words[node])
        for word in words[node]:
            leaves[word].append(len(phone))
        phone.append(symbol)
        depth.append(level)
        skip.append(0)
        stack.extend((child, then, level + 1) for then, child in sorted(children[node].items(), reverse=True))
    for node in open_nodes:
        skip[node] = len(phone)
    word_start.append(len(word_at))
    leaf_start = np.zeros(n_words + 1, np.int32)
    np.cumsum([len(nodes) for nodes in leaves], out=leaf_start[1:])
    return (
        np.array(phone, np.uint8),
        np.array(depth, np.uint8),
        np.array(skip, np.int32),
        np.array(word_start, np.int32),
        np.array(word_at, np.int32),
        np.array(parent, np.int32),
        leaf_start,
        np.array([node for nodes in leaves for node in nodes], np.int32),
        shortest,
    )
