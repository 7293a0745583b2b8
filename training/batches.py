"""Rows of training material: utterances with pauses between them, drawn without replacement from feature
shards.

A row is a fixed number of frames, so no computation goes into padding and pauses are real training material.
Each row is cut into segments, each a stretch of frames with the labels spoken in it; the CTC loss is taken
per segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.model import FEATURE_BINS, SUBSAMPLING
from training.phones import labels_of
from training.rivals import Rivals
from training.shards import Shard, tables

FloatArray = NDArray[np.float32]
SILENCE_LOG_ENERGY = -15.9
ACTIVE_LOG_ENERGY = 0.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """Where an utterance's features lie, and what was said."""

    shard: Shard
    start: int
    frames: int
    labels: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Segment:
    """40 ms frames [start, end) of one row, the labels there, and others that they could be taken for."""

    row: int
    start: int
    end: int
    labels: tuple[int, ...]
    rivals: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """speech: (rows, frames, 80) clean log-mel energies, silence where nothing is said."""

    speech: FloatArray
    segments: tuple[Segment, ...]


def level(features: NDArray[np.floating]) -> float:
    """Return the log of the mean energy of the active frames (those within 25 dB of the loudest)."""
    energy = np.exp(np.asarray(features, dtype=np.float32)).sum(1)
    active = energy[energy > energy.max() / 316.0]
    return float(np.log(active.mean() + 1e-10))


def warp(features: FloatArray, tempo: float, stretch: float) -> FloatArray:
    """Play `tempo` times faster and stretch the mel axis, both by linear interpolation."""
    frames = len(features)
    at = np.linspace(0, frames - 1, max(2, round(frames / tempo))).astype(np.float32)
    low = np.minimum(at.astype(np.int64), frames - 2)
    part = (at - low)[:, None]
    features = features[low] * (1 - part) + features[low + 1] * part
    if stretch != 1.0:
        at = np.minimum(np.arange(FEATURE_BINS, dtype=np.float32) * stretch, FEATURE_BINS - 1.001)
        low = at.astype(np.int64)
        features = features[:, low] * (1 - (at - low)) + features[:, low + 1] * (at - low)
    return np.asarray(features, dtype=np.float32)


class Corpus:
    """Feature shards grouped by kind of voice; groups are drawn by weight, utterances without replacement."""

    def __init__(self, folder: Path, weights: dict[str, float], max_frames: int, seed: int) -> None:
        self._folder = folder
        self._weights = weights
        self._max_frames = max_frames
        self._rng = np.random.default_rng(seed)
        self._shards: dict[str, list[Utterance]] = {}
        self._queues: dict[str, list[Utterance]] = {}
        self.rescan()

    def rescan(self) -> None:
        """Take in shards that appeared since the last look."""
        for table in tables(self._folder):
            if table.stem in self._shards:
                continue
            shard = Shard.load(table)
            self._shards[table.stem] = [
                Utterance(shard, e.start, e.length, tuple(labels_of(e.phones.split())), e.text)
                for e in shard.entries
                if 12 < e.length < self._max_frames and e.phones
            ]
        self._groups: dict[str, list[Utterance]] = {}
        for name, utterances in self._shards.items():
            group = max((g for g in self._weights if name.startswith(g)), key=len, default=None)
            if group is not None:
                self._groups.setdefault(group, []).extend(utterances)
        if not self._groups:
            raise FileNotFoundError(f"no feature shards of {sorted(self._weights)} in {self._folder}")
        names = sorted(self._groups)
        shares = np.array([self._weights[name] for name in names])
        self._names, self._shares = names, shares / shares.sum()

    @property
    def hours(self) -> float:
        """Hours of features at hand."""
        return sum(u.frames for group in self._groups.values() for u in group) / 360000

    def draw(self) -> Utterance:
        """Return the next utterance."""
        group = self._names[int(self._rng.choice(len(self._names), p=self._shares))]
        queue = self._queues.get(group)
        if not queue:
            pool = self._groups[group]
            queue = [pool[int(i)] for i in self._rng.permutation(len(pool))]
            self._queues[group] = queue
        return queue.pop()


class RowMaker:
    """Fills rows with warped utterances and pauses; `rivals` says what each could be taken for."""

    def __init__(
        self, corpus: Corpus, frames: int, lookahead_frames: int, seed: int, rivals: Rivals | None = None
    ) -> None:
        self._corpus = corpus
        self._frames = frames
        self._lookahead = lookahead_frames + 3
        self._rng = np.random.default_rng(seed)
        self._held: Utterance | None = None
        self._rivals = rivals

    def _pause(self, first: bool) -> int:
        draw = self._rng.random()
        if first:
            return int(self._rng.uniform(5, 60) if draw < 0.7 else self._rng.uniform(60, 300))
        if draw < 0.5:
            return int(self._rng.uniform(3, 40))
        return int(self._rng.uniform(40, 120) if draw < 0.82 else self._rng.uniform(120, 350))

    def _fill(self, row: FloatArray) -> list[tuple[int, int, Utterance]]:
        row[:] = SILENCE_LOG_ENERGY
        placed: list[tuple[int, int, Utterance]] = []
        if self._rng.random() < 0.03:
            return placed
        at = self._pause(first=True)
        while True:
            utterance = self._held or self._corpus.draw()
            self._held = None
            tempo = self._rng.uniform(0.85, 1.18) if self._rng.random() < 0.6 else 1.0
            stretch = self._rng.uniform(0.94, 1.06) if self._rng.random() < 0.5 else 1.0
            length = max(2, round(utterance.frames / tempo))
            if at + length > self._frames:
                if placed:
                    self._held = utterance
                    return placed
                at = 0
                if length > self._frames:
                    tempo, length = 1.0, utterance.frames
            end = utterance.start + utterance.frames
            features = np.asarray(utterance.shard.data[utterance.start : end], dtype=np.float32)
            gain = ACTIVE_LOG_ENERGY - level(features) + self._rng.uniform(-0.7, 0.7)
            if tempo != 1.0 or stretch != 1.0:
                features = warp(features, tempo, stretch)
            row[at : at + length] = np.maximum(features + gain, SILENCE_LOG_ENERGY)
            placed.append((at, at + length, utterance))
            at += length + self._pause(first=False)

    def batch(self, rows: int) -> Batch:
        """Return `rows` freshly filled rows."""
        speech = np.empty((rows, self._frames, FEATURE_BINS), np.float32)
        segments: list[Segment] = []
        steps = self._frames // SUBSAMPLING
        for row in range(rows):
            placed = self._fill(speech[row])
            start, said = 0, list[Utterance]()
            for index, (_, end, utterance) in enumerate(placed):
                said.append(utterance)
                cut = end // SUBSAMPLING + self._lookahead
                if index + 1 < len(placed) and placed[index + 1][0] // SUBSAMPLING >= cut:
                    segments.append(self._segment(row, start, cut, said))
                    start, said = cut, []
            segments.append(self._segment(row, start, steps, said))
        return Batch(speech, tuple(segments))

    def _segment(self, row: int, start: int, end: int, said: list[Utterance]) -> Segment:
        labels = tuple(label for utterance in said for label in utterance.labels)
        if self._rivals is None or not said:
            return Segment(row, start, end, labels)
        begin, others = 0, list[tuple[int, ...]]()
        for utterance in said:
            rest = labels[begin + len(utterance.labels) :]
            drawn = self._rivals.draw(utterance.text, utterance.labels)
            others += [(*labels[:begin], *other, *rest) for other in drawn]
            begin += len(utterance.labels)
        return Segment(row, start, end, labels, tuple(others))
