"""How well would any phones at all explain the sound? The measure against which an order has to stand.

Talk that is no order is still decoded to the order that is nearest, since open words cost more than words of
the grammar. What gives it away is that its phones, free to follow each other as they do in words, explain
the sound far better than those of the order: the likelihood ratio to a phone-bigram background model of
Rose and Paul, "A hidden Markov model based keyword recognition system", ICASSP 1990.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import kaldifst
import numpy as np
from numpy.typing import NDArray

from carvoice.asr._search import WordSearch
from carvoice.asr.features import FloatMatrix
from carvoice.asr.graph import Fst, cached_graph, with_topology
from carvoice.asr.nbest import LOOP_BEAM, LOOP_MAX_ACTIVE, PathFinder
from carvoice.grammar.lexicon import Lexicon

_WORDS = 20_000
_FLATTER = 0.7  # a word's weight is 1 / rank to this power: flatter than Zipf's law, as rare words count too
_UNSEEN = 2e-4  # weight of a pair of phones that no word has


class FreePhones:
    """Finds the cost of the cheapest phones for an utterance. Thread-safe; each stream takes its own search.

    Args:
        lexicon: whose words show which phone follows which.
        tokens: the model's token ids; the blank is 0.
        cache: folder for graphs; made if missing.
    """

    def __init__(self, lexicon: Lexicon, tokens: Mapping[str, int], cache: Path) -> None:
        made_of = (lexicon.digest(_WORDS), sorted(tokens.items()), _FLATTER, _UNSEEN)
        path = cached_graph(cache, "phones", made_of, lambda: _graph(lexicon, tokens))
        self._finder = PathFinder(path, filler=1, beam=LOOP_BEAM, max_active=LOOP_MAX_ACTIVE)

    def create(self) -> WordSearch:
        """A search with its own memory, for :func:`free_cost`."""
        return self._finder.create()


def _graph(lexicon: Lexicon, tokens: Mapping[str, int]) -> Fst:
    costs = -np.log(following(lexicon, tokens))
    arcs = [
        f"{last} {token} {token + 1} 0 {costs[last, token]:.4f}"
        for last in range(len(tokens))
        for token in range(1, len(tokens))
    ]
    ends = [f"{last} 0" for last in range(len(tokens))]
    phones = kaldifst.compile("\n".join([*arcs, *ends]) + "\n", keep_state_numbering=True)
    return with_topology(phones, len(tokens))


def free_cost(search: WordSearch, log_probs: FloatMatrix) -> float:
    """Acoustic cost and cost of the phones together, nats, of the cheapest path (frames, tokens)."""
    return float(search.search(log_probs, 1)[0][0])


def following(lexicon: Lexicon, tokens: Mapping[str, int]) -> NDArray[np.float64]:
    """Probability of each token after each, (tokens, tokens); row 0 is the beginning, column 0 unused."""
    counts = np.full((len(tokens), len(tokens)), _UNSEEN)
    for rank, word in enumerate(lexicon.frequent_words(_WORDS), start=1):
        variants = lexicon.pronunciations(word)
        weight = rank**-_FLATTER / len(variants)
        for said in variants:
            ids = [0, *(tokens[phone] for phone in said), 0]
            for last, then in itertools.pairwise(ids):
                counts[last, then] += weight
    within = counts / counts.sum(axis=1, keepdims=True)
    across = within[:, :1] * within[0]  # a word ends, another begins
    flat: NDArray[np.float64] = within + across / (1.0 - within[0, 0])
    flat[:, 0] = 1.0
    return flat
