"""What else the grammar would have let be said: each word against its rivals at the same place.

"Twenty" and "seventy" fit the same sound nearly alike, and nothing in the fit of the winner tells so.
For each word of a final, every other word that the grammar allows in its place is laid over the same
frames; the difference of the two log ratios is the word's margin.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carvoice.asr.acoustic import FloatMatrix
from carvoice.asr.graph import ANY_WORD, WordAcceptor

_MOST_VARIANTS = 600
_NEVER = np.float32(-1e9)
BEST_MARGIN = 12.0
"""Margins above this (nats) say no more."""


@dataclass(frozen=True, slots=True)
class Rival:
    """The strongest other word at a place, and how much worse it fits (nats; negative: better)."""

    word: str
    margin: float


class Places:
    """Follows a word sequence through the grammar and tells what could stand where.

    Args:
        acceptor: the grammar's sentences, deterministic.
        joining: words that may stand between and around commands.
    """

    def __init__(self, acceptor: WordAcceptor, joining: Collection[str]) -> None:
        self._start = acceptor.start
        self._finals = frozenset(acceptor.finals)
        self._joining = frozenset(joining)
        self._next: dict[int, dict[str, int]] = {}
        for source, word, target in acceptor.arcs:
            if word is not None:
                self._next.setdefault(source, {})[word] = target

    def choices(self, words: Sequence[str | None]) -> list[Collection[str]]:
        """For each word, the words the grammar allows in its place; () outside the grammar (None)."""
        state = self._start
        found: list[Collection[str]] = []
        for word in words:
            here = self._next.get(state, {})
            if word is not None and (word in here or ANY_WORD in here):
                found.append(here.keys() if word in here else ())
                state = here[word] if word in here else here[ANY_WORD]
                continue
            found.append(())
            if word is None or (word in self._joining and state in self._finals):
                state = self._start
        return found


def variant_scores(ratios: FloatMatrix, variants: Sequence[tuple[int, ...]]) -> NDArray[np.float32]:
    """Log ratio of the best CTC path for each token sequence alone over the same frames.

    Args:
        ratios: (frames, tokens), log-probabilities less the best of each frame.
        variants: token sequences without blanks, none empty.

    Returns:
        (variants,); very low where a sequence is longer than the frames allow.
    """
    count, longest = len(variants), max(map(len, variants))
    states = np.zeros((count, 2 * longest + 1), np.intp)
    for row, variant in enumerate(variants):
        states[row, 1 : 2 * len(variant) : 2] = variant
    may_skip = np.zeros(states.shape, bool)
    may_skip[:, 3::2] = (states[:, 3::2] != states[:, 1:-2:2]) & (states[:, 3::2] != 0)
    ends = np.array([2 * len(variant) for variant in variants])
    scores = np.full(states.shape, _NEVER, np.float32)
    scores[:, :2] = ratios[0][states[:, :2]]
    skipped = np.full(states.shape, _NEVER, np.float32)
    for row in ratios[1:]:
        best = scores.copy()
        np.maximum(best[:, 1:], scores[:, :-1], out=best[:, 1:])
        skipped[:, 2:] = np.where(may_skip[:, 2:], scores[:, :-2], _NEVER)
        np.maximum(best, skipped, out=best)
        scores = best + row[states]
    rows = np.arange(count)
    last: NDArray[np.float32] = np.maximum(scores[rows, ends], scores[rows, ends - 1])
    return last


def strongest_rival(
    ratios: FloatMatrix,
    word: str,
    choices: Collection[str],
    spellings: Mapping[str, tuple[tuple[int, ...], ...]],
) -> Rival | None:
    """The other word that fits a word's frames best, None when there is no other.

    Args:
        ratios: log ratios (frames, tokens) of the word's stretch of sound.
        word: what was heard there.
        choices: what the grammar allows there.
        spellings: token sequences by word.
    """
    own = spellings[word]
    same = set(own)
    names, variants = [word] * len(own), list(own)
    for other in choices:
        for variant in spellings.get(other, ()):
            if other != word and variant not in same and len(variants) < _MOST_VARIANTS:
                names.append(other)
                variants.append(variant)
    if len(variants) == len(own) or not len(ratios):
        return None
    scores = variant_scores(ratios, variants)
    top = len(own) + int(scores[len(own) :].argmax())
    margin = float(scores[: len(own)].max() - scores[top])
    return Rival(names[top], min(BEST_MARGIN, margin))
