"""What an utterance could be taken for: the same words but one, which is another word of its place.

CTC makes what was said likely. Which order it is taken for is decided between sentences, though: "massage
off" against "massage on". A share of the loss is therefore the probability that a segment is taken for one of
some rivals, the expected error of minimum classification error training (B.-H. Juang, S. Katagiri,
"Discriminative learning for minimum error classification", IEEE Trans. Signal Processing 40(12), 1992), with
rivals drawn instead of decoded.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from carvoice.asr.sentences import sentences
from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.lexicon import Lexicon
from training.phones import labels_of

Labels = tuple[int, ...]

_FREQUENT_WORDS = 4000
_MOST = 24  # rivals of a word
_ELSEWHERE = 0.3  # weight of a word that no order has in the place of this one


def words_of(text: str) -> list[str]:
    """The words of a line, as the lexicon spells them."""
    return re.findall(r"[a-z']+", text.lower())


def same_place(acceptor: WordAcceptor) -> dict[str, dict[str, float]]:
    """For each word of a grammar, the words that may stand in its place, and in what share of its places."""
    leaving: dict[int, list[str]] = defaultdict(list)
    for source, word, _ in acceptor.arcs:
        if word:
            leaving[source].append(word)
    places = Counter[str]()
    shared: dict[str, Counter[str]] = defaultdict(Counter)
    for words in leaving.values():
        places.update(words)
        for word in words:
            shared[word].update(words)
    return {
        word: {other: count / places[word] for other, count in others.items() if other != word}
        for word, others in shared.items()
    }


class Rivals:
    """Draws rivals of utterances.

    Args:
        grammar: folder of templates; says which words stand in the same place.
        lexicon: says how words sound.
        seed: of the draws.
    """

    def __init__(self, grammar: Path, lexicon: Lexicon, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        places = same_place(sentences(compile_grammar(load_grammar(grammar))))
        words = sorted(w for w in {*places, *lexicon.frequent_words(_FREQUENT_WORDS)} if words_of(w) == [w])
        self._lexicon = lexicon
        spelled = ["".join(map(chr, self._sounds(word)[0])) for word in words]
        alike = cdist(spelled, spelled, scorer=Levenshtein.normalized_similarity, dtype=np.float32)
        number = {word: at for at, word in enumerate(words)}
        self._rivals: dict[str, tuple[list[str], NDArray[np.float64]]] = {}
        for at, word in enumerate(words):
            elsewhere = _ELSEWHERE if word in places else 1.0
            weights = elsewhere * alike[at].astype(np.float64) ** 2
            for other, share in places.get(word, {}).items():
                if other in number:
                    weights[number[other]] = alike[at, number[other]] ** 2 + share**2
            weights[alike[at] == 1.0] = 0.0  # the word itself, and its homophones
            chosen = [i for i in np.argsort(-weights)[:_MOST] if weights[i] > 0]
            if chosen:
                self._rivals[word] = ([words[i] for i in chosen], weights[chosen] / weights[chosen].sum())

    def _sounds(self, word: str) -> list[Labels]:
        return [tuple(labels_of(list(p))) for p in self._lexicon.pronunciations(word)]

    def _borders(self, words: Sequence[str], labels: Labels) -> list[int]:
        """Where each word begins in `labels`, and where the last ends, by the lexicon's pronunciations."""
        known, begins = list[int](), [0]
        for word in words:
            known += self._sounds(word)[0]
            begins.append(len(known))
        moved, steps = list[int](), Levenshtein.opcodes(known, list(labels))
        for at in begins[:-1]:
            step = next(s for s in steps if s.src_start <= at < s.src_end or s is steps[-1])
            moved.append(min(step.dest_start + (at - step.src_start), step.dest_end))
        return [*moved, len(labels)]

    def draw(self, text: str, labels: Labels, count: int = 4) -> list[Labels]:
        """Return up to `count` rivals of an utterance: its labels with one word exchanged.

        None for an utterance with a word that is not in the lexicon.
        """
        words = words_of(text)
        at_risk = [at for at, word in enumerate(words) if word in self._rivals]
        if not at_risk or not labels or any(word not in self._lexicon for word in words):
            return []
        borders = self._borders(words, labels)
        found = set[Labels]()
        for at in self._rng.choice(at_risk, count):
            others, weights = self._rivals[words[at]]
            sounds = self._sounds(others[int(self._rng.choice(len(others), p=weights))])
            sound = sounds[int(self._rng.integers(len(sounds)))]
            found.add((*labels[: borders[at]], *sound, *labels[borders[at + 1] :]))
        return sorted(found - {labels})
