"""What was said, if it was no order: any of the most frequent words in any order.

The decoding graph of the grammar holds orders cheap and all else dear, so talk comes out of it as bits of
orders. What is probably no order is therefore searched once more with nothing but a loop of words, weighted
by their frequency (Zipf's law), so that an open question reaches the language model as it was asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from carvoice.asr._search import WordSearch
from carvoice.asr.acoustic import FloatMatrix
from carvoice.asr.graph import Fst, GraphWriter, cached_graph, with_topology
from carvoice.asr.nbest import PathFinder, best_paths
from carvoice.grammar.lexicon import Lexicon

_WORDS = 20_000
_WORD_COST = 3.0  # nats, of the most frequent word; less and long words fall apart into short ones
_RANK_SCALE = 0.7  # times ln(rank): the acoustic cost of neighbouring frames says too much, so less than 1
_CUT_COST = 30.0  # of an end within a word


class FreeWords:
    """Finds the words of an utterance without a grammar. Thread-safe; each stream takes its own search.

    Args:
        lexicon: the words.
        tokens: the model's token ids; the blank is 0.
        cache: folder for graphs; made if missing.
    """

    def __init__(self, lexicon: Lexicon, tokens: Mapping[str, int], cache: Path) -> None:
        self._words = lexicon.frequent_words(_WORDS)
        made_of = (lexicon.digest(_WORDS), sorted(tokens.items()), _WORD_COST, _RANK_SCALE, _CUT_COST)
        path = cached_graph(cache, "words", made_of, lambda: self._graph(lexicon, tokens))
        self._finder = PathFinder(path, filler=len(self._words) + 1)

    def create(self) -> WordSearch:
        """A search with its own memory, for :meth:`text`."""
        return self._finder.create()

    def text(self, search: WordSearch, log_probs: FloatMatrix) -> str:
        """The most probable words for log-probabilities (frames, tokens)."""
        paths = best_paths(search, log_probs, 1)
        return " ".join(self._words[label - 1] for label in paths[0].labels) if paths else ""

    def _graph(self, lexicon: Lexicon, tokens: Mapping[str, int]) -> Fst:
        out = GraphWriter(_CUT_COST)
        loop = out.state(0.0)
        out.words(
            loop,
            (
                (
                    tuple(
                        tuple(tokens[phone] + 1 for phone in said) for said in lexicon.pronunciations(word)
                    ),
                    rank,
                    loop,
                    _WORD_COST + _RANK_SCALE * math.log(rank),
                )
                for rank, word in enumerate(self._words, start=1)
            ),
        )
        return with_topology(out.compiled(), len(tokens))
