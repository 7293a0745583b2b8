"""Which frames belong to which phone and word, and how well they fit.

The best path through a CTC lattice for a known label sequence is found by Viterbi search (Graves et
al., "Connectionist temporal classification", ICML 2006, section 4). A phone's score is the log ratio
of the path to the best unconstrained labels over the same frames: the "goodness of pronunciation"
of Witt and Young (2000) with the free phone loop as its denominator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carvoice.asr.features import FloatMatrix

_IMPOSSIBLE = np.float32(-1e30)


@dataclass(frozen=True, slots=True)
class Alignment:
    """A label sequence laid over frames.

    Attributes:
        first, last: int arrays (labels,): first and last frame that holds each label.
        ratios: float array (labels,): log ratio of path to free best over the label's own frames and
            the blanks before it; 0 is perfect.
        tail_ratio: the same for the blanks after the last label.
    """

    first: NDArray[np.intp]
    last: NDArray[np.intp]
    ratios: NDArray[np.float32]
    tail_ratio: float

    @property
    def total(self) -> float:
        """Log ratio of the whole path to the free best path."""
        return float(self.ratios.sum()) + self.tail_ratio


def normalized(log_probs: FloatMatrix) -> FloatMatrix:
    """Rows that sum to one as probabilities (the model's rows have the label prior taken off)."""
    top = log_probs.max(axis=1, keepdims=True)
    shifted = log_probs - top
    rows: FloatMatrix = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return rows


def greedy_labels(log_probs: FloatMatrix) -> tuple[int, ...]:
    """The labels heard without any grammar: the best of each frame, repeats and blanks taken out."""
    if not len(log_probs):
        return ()
    best = log_probs.argmax(axis=1)
    changed = np.concatenate([[True], best[1:] != best[:-1]])
    return tuple(int(label) for label in best[changed & (best != 0)])


def undecided(log_probs: FloatMatrix) -> float:
    """Mean entropy, nats, of rows that sum to one as probabilities, shape (frames, tokens)."""
    return float(-(np.exp(log_probs) * log_probs).sum(axis=1).mean()) if len(log_probs) else 0.0


def held_scores(
    log_probs: FloatMatrix, labels: Sequence[int], frames: Sequence[int], reach: int = 1
) -> NDArray[np.float32]:
    """How strongly each label stands near the frame at which it was entered: probability ratio to the
    frame's best, 0..1, the best of ``reach`` frames around; shape (labels,).
    """
    if not len(labels) or not len(log_probs):
        return np.zeros(len(labels), np.float32)
    around = np.add.outer(np.asarray(frames), np.arange(-reach, reach + 1)).clip(0, len(log_probs) - 1)
    near = log_probs[around, np.asarray(labels)[:, None]] - log_probs[around].max(axis=2)
    scores: NDArray[np.float32] = np.exp(near.max(axis=1))
    return scores


def align(log_probs: FloatMatrix, labels: Sequence[int]) -> Alignment | None:
    """Lay ``labels`` (no blanks) over ``log_probs`` (frames, tokens).

    Returns:
        The best alignment, or None when there are too few frames for that many labels.
    """
    frames, count = len(log_probs), len(labels)
    if frames == 0 or count == 0:
        free = float((log_probs[:, 0] - log_probs.max(axis=1)).sum()) if frames else 0.0
        empty = np.zeros(0, np.intp)
        return Alignment(empty, empty, np.zeros(0, np.float32), free) if count == 0 else None
    states = np.zeros(2 * count + 1, np.intp)  # blank, label, blank, label, ..., blank
    states[1::2] = labels
    may_skip = np.zeros(len(states), bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    emitted = (log_probs - log_probs.max(axis=1, keepdims=True))[:, states]

    score = np.full(len(states), _IMPOSSIBLE, np.float32)
    score[:2] = emitted[0, :2]
    steps = np.zeros((frames, len(states)), np.int8)
    candidates = np.full((3, len(states)), _IMPOSSIBLE, np.float32)
    for frame in range(1, frames):
        candidates[0] = score
        candidates[1, 1:] = score[:-1]
        candidates[2, 2:] = np.where(may_skip[2:], score[:-2], _IMPOSSIBLE)
        steps[frame] = candidates.argmax(axis=0)
        score = candidates.max(axis=0) + emitted[frame]
    end = len(states) - 1 if score[-1] >= score[-2] else len(states) - 2
    if score[end] <= _IMPOSSIBLE / 2:
        return None

    path = np.empty(frames, np.intp)
    path[-1] = end
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = path[frame] - steps[frame, path[frame]]
    held = np.arange(1, 2 * count, 2)
    first = np.searchsorted(path, held, side="left")
    last = np.searchsorted(path, held, side="right") - 1
    cumulative = np.concatenate([[0.0], np.cumsum(emitted[np.arange(frames), path])])
    bounds = np.concatenate([[0], last + 1])
    ratios = cumulative[bounds[1:]] - cumulative[bounds[:-1]]
    return Alignment(first, last, ratios.astype(np.float32), float(cumulative[-1] - cumulative[bounds[-1]]))


def spell_path(
    labels: Sequence[int], tokens: Sequence[int], spellings: Sequence[Sequence[tuple[int, ...]]]
) -> tuple[list[tuple[int, int]], int]:
    """Find which of a path's tokens belong to which of its output labels.

    Args:
        labels: output labels in order, from 1; one past the last spelling is a filler of one token.
        tokens: the path's tokens; those after the last word belong to a word begun but not ended.
        spellings: per label - 1, the ways a word is spelled in tokens.

    Returns:
        (begin, end) into ``tokens`` per label, and how many tokens they cover together; (0, 0) for all
        when they do not fit together.
    """
    said = tuple(tokens)
    begins: list[dict[int, int]] = []  # per label: where it may end, and where it then begins
    reached = {0}
    for label in labels:
        ways = spellings[label - 1] if label <= len(spellings) else None
        ends: dict[int, int] = {}
        for at in reached:
            for way in ways if ways is not None else (said[at : at + 1],):
                if way and said[at : at + len(way)] == tuple(way):
                    ends[at + len(way)] = at
        if not ends:
            return [(0, 0)] * len(labels), 0
        begins.append(ends)
        reached = set(ends)
    end = covered = max(reached)
    spans = []
    for ends in reversed(begins):
        spans.append((ends[end], end))
        end = ends[end]
    return spans[::-1], covered
