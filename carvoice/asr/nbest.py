"""The best word sequences for an utterance, and how far apart their meanings are.

sherpa-onnx returns one path and no score on its graph search. A final is therefore found by a search of
our own (:mod:`carvoice.asr._search`) over the same graph and the same log-probabilities: it costs a
few milliseconds and shows what else could have been said. "Turn on the radio" and "turn the radio on"
nearly tie and need no doubt; "open the boot" and "open the hood" do.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from carvoice.asr._search import WordSearch
from carvoice.asr.features import FloatMatrix
from carvoice.errors import ModelError

BEAM = 18.0
"""Nats a path may lie behind the best one."""

_MAX_ACTIVE = 3000
LOOP_BEAM, LOOP_MAX_ACTIVE = 14.0, 2000
"""Enough for a loop of phones or words, where few paths differ in more than their newest one."""

_N_BEST = 24
_SCALE = 0.5  # neighbouring frames are not independent, so the sum of their logarithms says too much
_MAGIC, _ALIGNED = 2125659606, 4
_STATE_BYTES, _ARC_BYTES = 20, 16


@dataclass(frozen=True, slots=True)
class WordPath:
    """One way through the graph.

    Attributes:
        cost: acoustic and graph cost, nats.
        tokens: the tokens it enters, without blanks.
        labels: its output labels.
        spans: (begin, end) into ``tokens`` of each label.
    """

    cost: float
    tokens: tuple[int, ...]
    labels: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def covered(self) -> int:
        """Tokens up to the end of the last word; those after it belong to a word begun but not ended."""
        return self.spans[-1][1] if self.spans else 0


class PathFinder:
    """Searches a decoding graph. Thread-safe; each stream takes its own search from it.

    Args:
        graph: the transducer's file.
        filler: output label that makes no difference between two sequences.
        beam: nats a path may lie behind the best one.
        max_active: states kept from frame to frame.

    Raises:
        ModelError: the file is no transducer, or cut short.
    """

    def __init__(self, graph: Path, filler: int, beam: float = BEAM, max_active: int = _MAX_ACTIVE) -> None:
        self._states, self._arcs, self._start = read_transducer(graph)
        self._filler, self._beam, self._max_active = filler, beam, max_active

    def create(self) -> WordSearch:
        """A search with its own memory."""
        return WordSearch(self._states, self._arcs, self._start, self._filler, self._beam, self._max_active)


def best_paths(search: WordSearch, log_probs: FloatMatrix, n_best: int = _N_BEST) -> list[WordPath]:
    """The best paths for log-probabilities (frames, tokens) that differ in their words, best first."""
    paths = []
    for cost, steps in search.search(log_probs, n_best):
        labels, spans, begin = [], [], 0
        for end, (_, label, _) in enumerate(steps, start=1):
            if label:
                labels.append(label)
                spans.append((begin, end))
                begin = end
        paths.append(WordPath(cost, tuple(token for token, _, _ in steps), tuple(labels), tuple(spans)))
    return paths


def log_odds(costs: Sequence[float], meanings: Sequence[Hashable]) -> float:
    """Logarithm of the odds that the best reading's meaning has against all others together.

    Each reading is weighted by exp(-cost / 2), and what the search left out counts as one more reading.

    Args:
        costs: of the readings in nats, best first, at least one.
        meanings: what each means.
    """
    behind = [cost - costs[0] for cost in costs]
    same = [nats for nats, meaning in zip(behind, meanings, strict=True) if meaning == meanings[0]]
    others = [nats for nats, meaning in zip(behind, meanings, strict=True) if meaning != meanings[0]]
    left_out = behind[-1] if len(costs) == _N_BEST and not others else BEAM
    return math.log(sum(math.exp(-_SCALE * nats) for nats in same)) - math.log(
        sum(math.exp(-_SCALE * nats) for nats in [*others, left_out])
    )


def read_transducer(path: Path) -> tuple[memoryview, memoryview, int]:
    """States, arcs and start state of a transducer in OpenFst's const format, mapped from its file.

    Raises:
        ModelError: the file is none, or cut short.
    """
    with path.open("rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        at = struct.calcsize("<i")
        kinds = []
        for _ in range(2):
            (size,) = struct.unpack_from("<i", data, at)
            kinds.append(bytes(data[at + 4 : at + 4 + size]))
            at += 4 + size
        _, flags, _, start, n_states, n_arcs = struct.unpack_from("<iiQqqq", data, at)
        at += struct.calcsize("<iiQqqq")
        pieces = []
        for size in (n_states * _STATE_BYTES, n_arcs * _ARC_BYTES):
            if flags & _ALIGNED:
                at = -(-at // 16) * 16
            pieces.append(data[at : at + size])
            at += size
    except struct.error:
        raise ModelError(f"{path}: not a decoding graph; delete it, it will be built again") from None
    if struct.unpack_from("<i", data)[0] != _MAGIC or kinds != [b"const", b"standard"] or at > len(data):
        raise ModelError(f"{path}: not a whole decoding graph; delete it, it will be built again")
    return pieces[0], pieces[1], start
