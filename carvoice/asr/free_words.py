"""What was said, if it was no order: any of the most frequent words in any order.

The decoding graph of the grammar holds orders cheap and all else dear, so talk comes out of it as bits of
orders. What is probably no order is therefore searched once more with nothing but a loop of words, weighted
by their frequency (Zipf's law), so that an open question reaches the language model as it was asked. Pairs of
words that are usual in questions ("can you", "what is") are cheaper: ``word-pairs-en.txt``, written by
``training/word_pairs.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rapidfuzz.distance import LCSseq

from carvoice.asr._search import WordSearch
from carvoice.asr.features import FloatMatrix
from carvoice.asr.graph import Fst, GraphWriter, cached_graph, with_topology
from carvoice.asr.nbest import LOOP_BEAM, LOOP_MAX_ACTIVE, PathFinder, best_paths
from carvoice.grammar.lexicon import Lexicon
from carvoice.resources import data_path

_WORDS = 20_000
_WORD_COST = 3.0  # nats, of the most frequent word; less and long words fall apart into short ones
_RANK_SCALE = 0.7  # times ln(rank): the acoustic cost of neighbouring frames says too much, so less than 1
_PAIR_BONUS = 2.5  # nats, for a word after one that it usually follows
_LEAST_COST = 0.3  # of such a word all the same
_CUT_COST = 30.0  # of an end within a word
_BEGIN = "<s>"


@dataclass(frozen=True, slots=True)
class FreeText:
    """What was heard without a grammar, and its cost, acoustic and of the words together, nats."""

    words: tuple[str, ...]
    cost: float

    @property
    def text(self) -> str:
        """The words in a row."""
        return " ".join(self.words)

    def missed(self, words: Sequence[str]) -> frozenset[int]:
        """Places of the words of another reading that are not in this text, in their order."""
        steps = LCSseq.editops(words, self.words)
        return frozenset(step.src_pos for step in steps if step.tag == "delete")


class FreeWords:
    """Finds the words of an utterance without a grammar. Thread-safe; each stream takes its own search.

    Args:
        lexicon: the words.
        tokens: the model's token ids; the blank is 0.
        folder: where graphs are kept; made if missing.
        pairs: words that usually follow each other; "<s>" stands for the beginning.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        tokens: Mapping[str, int],
        folder: Path,
        pairs: Collection[tuple[str, str]] | None = None,
    ) -> None:
        self._words = lexicon.frequent_words(_WORDS)
        self._known = frozenset(self._words)
        self._pairs = usual_pairs() if pairs is None else pairs
        costs = (_WORD_COST, _RANK_SCALE, _PAIR_BONUS, _LEAST_COST, _CUT_COST)
        made_of = (lexicon.digest(_WORDS), sorted(self._pairs), sorted(tokens.items()), costs)
        path = cached_graph(folder, "words", made_of, lambda: self._graph(lexicon, tokens))
        self._finder = PathFinder(
            path, filler=len(self._words) + 1, beam=LOOP_BEAM, max_active=LOOP_MAX_ACTIVE
        )

    def create(self) -> WordSearch:
        """A search with its own memory, for :meth:`hear`."""
        return self._finder.create()

    def hear(self, search: WordSearch, log_probs: FloatMatrix) -> FreeText:
        """The most probable words for log-probabilities (frames, tokens)."""
        path = best_paths(search, log_probs, 1)[0]
        return FreeText(tuple(self._words[label - 1] for label in path.labels), path.cost)

    def knows(self, word: str) -> bool:
        """Whether it could be heard at all."""
        return word in self._known

    def _graph(self, lexicon: Lexicon, tokens: Mapping[str, int]) -> Fst:
        rank = {word: number for number, word in enumerate(self._words, start=1)}
        out = GraphWriter(_CUT_COST)
        begin, loop = out.state(0.0), out.state(0.0)
        after = {_BEGIN: begin}  # whose arc comes first: there the transducer starts
        after |= {first: out.state(0.0) for first in sorted({first for first, _ in self._pairs} - {_BEGIN})}
        for state in after.values():
            out.arc(state, loop)

        def entry(word: str, bonus: float) -> tuple[tuple[tuple[int, ...], ...], int, int, float]:
            ways = (tuple(tokens[phone] + 1 for phone in said) for said in lexicon.pronunciations(word))
            cost = max(_LEAST_COST, _WORD_COST + _RANK_SCALE * math.log(rank[word]) - bonus)
            return tuple(ways), rank[word], after.get(word, loop), cost

        out.words(loop, [entry(word, 0.0) for word in self._words])
        for first, pairs in itertools.groupby(sorted(self._pairs), key=lambda pair: pair[0]):
            out.words(after[first], [entry(word, _PAIR_BONUS) for _, word in pairs if word in rank])
        return with_topology(out.compiled(), len(tokens))


@cache
def usual_pairs() -> frozenset[tuple[str, str]]:
    """The pairs that ship with carvoice."""
    lines = data_path("word-pairs-en.txt").read_text(encoding="utf-8").splitlines()
    return frozenset((first, second) for first, _, second in (line.partition(" ") for line in lines))
