"""Shards: many utterances in one array beside a table, so that training maps files instead of opening
thousands.

`NAME.npy` holds the utterances one after the other, int16 samples (audio) or float16 log-mel frames
(features); `NAME.json` holds one entry per utterance. The table is written last: a shard whose table exists
is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One utterance of a shard; start and length count samples or frames."""

    start: int
    length: int
    voice: str
    text: str
    phones: str


class ShardWriter:
    """Collects utterances and writes them as one shard."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: list[Array] = []
        self._entries: list[Entry] = []
        self._length = 0

    def add(self, data: Array, voice: str, text: str, phones: str) -> None:
        """Append one utterance; data is (samples,) int16 or (frames, 80) float16."""
        self._entries.append(Entry(self._length, len(data), voice, text, phones))
        self._parts.append(data)
        self._length += len(data)

    def write(self) -> int:
        """Write the shard and return how many utterances it holds; an empty shard is not written."""
        if not self._parts:
            return 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # names hold dots (NAME.copy0), so suffixes are appended, not replaced
        np.save(self._path.with_name(f"{self._path.name}.npy"), np.concatenate(self._parts))
        rows = [[e.start, e.length, e.voice, e.text, e.phones] for e in self._entries]
        partial = self._path.with_name(f"{self._path.name}.json.partial")
        partial.write_text(json.dumps(rows), encoding="utf-8")
        os.replace(partial, self._path.with_name(f"{self._path.name}.json"))
        return len(rows)


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard on disk, mapped into memory."""

    name: str
    data: Array
    entries: tuple[Entry, ...]

    @classmethod
    def load(cls, table: Path) -> Shard:
        """Map the shard whose table is `table` (`NAME.json`)."""
        rows = json.loads(table.read_text(encoding="utf-8"))
        return cls(
            table.stem, np.load(table.with_suffix(".npy"), mmap_mode="r"), tuple(Entry(*row) for row in rows)
        )

    def items(self) -> Iterator[tuple[Entry, Array]]:
        """Yield every entry with its data."""
        for entry in self.entries:
            yield entry, self.data[entry.start : entry.start + entry.length]


def tables(folder: Path) -> list[Path]:
    """Return the tables of the whole shards in a folder, by name."""
    return sorted(folder.glob("*.json"))
