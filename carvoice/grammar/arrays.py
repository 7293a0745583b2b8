"""Rows of different length as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from carvoice.grammar.automaton import Int32Array


def int32(values: Iterable[int]) -> Int32Array:
    """The values as an int32 array."""
    return np.fromiter(values, np.int32)


def starts_of(rows: list[Any]) -> Int32Array:
    """int32 (rows + 1,): where each row begins when all stand one after the other, and the end."""
    starts = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(np.fromiter((len(row) for row in rows), np.int32, len(rows)), out=starts[1:])
    return starts


def column(rows: list[Any], index: int) -> Int32Array:
    """One field of every item of every row."""
    return int32(item[index] for row in rows for item in row)
