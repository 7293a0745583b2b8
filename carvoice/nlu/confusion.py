"""What it costs to hear one phone for another: negative log probabilities, learned from recordings.

The learned table is ``carvoice/data/confusions-LANGUAGE.tsv`` (see ``training/learn_confusions.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carvoice.errors import GrammarError

SYMBOLS = 64
Float32Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Confusions:
    """Costs over a set of symbols (phones or letters).

    Attributes:
        symbols: the symbols; their index is their number.
        substitute: float32 (64, 64), [meant, heard].
        drop: float32 (64,), a symbol meant but not heard.
        insert: float32 (64,), a symbol heard but not meant.
    """

    symbols: tuple[str, ...]
    substitute: Float32Array
    drop: Float32Array
    insert: Float32Array

    @classmethod
    def load(cls, path: Path) -> Confusions:
        """Read a table: a line of symbols, then a line per symbol (substitute..., drop, insert).

        Raises:
            GrammarError: the file is missing or no such table.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
            symbols = tuple(rows[0])
            table = np.array([[float(cell) for cell in row[1:]] for row in rows[1:]], np.float32)
            if [row[0] for row in rows[1:]] != list(symbols) or table.shape[1] != len(symbols) + 2:
                raise ValueError("rows and columns do not agree")
        except (OSError, ValueError, IndexError) as error:
            raise GrammarError(f"no table of confusions: {error}", path=path) from error
        return cls.of(symbols, table[:, :-2], table[:, -2], table[:, -1])

    @classmethod
    def of(
        cls, symbols: tuple[str, ...], substitute: Float32Array, drop: Float32Array, insert: Float32Array
    ) -> Confusions:
        """From arrays over the symbols alone."""
        count = len(symbols)
        wide = np.full((SYMBOLS, SYMBOLS), 9.0, np.float32)
        wide[:count, :count] = substitute
        drops, inserts = np.full(SYMBOLS, 9.0, np.float32), np.full(SYMBOLS, 9.0, np.float32)
        drops[:count], inserts[:count] = drop, insert
        return cls(symbols, wide, drops, inserts)

    @classmethod
    def of_letters(cls, alphabet: str) -> Confusions:
        """Even costs over letters, for languages without phones: the medians of the learned English table, so
        that a letter put for another speaks as much against a reading as a phone does."""
        count = min(len(alphabet), SYMBOLS)
        substitute = np.full((count, count), 2.6, np.float32)
        np.fill_diagonal(substitute, 0.0)
        vowels = [index for index, letter in enumerate(alphabet[:count]) if letter in "aeiouyäöü"]
        for first in vowels:
            for second in vowels:
                if first != second:
                    substitute[first, second] = 2.1
        each = np.full(count, 1.6, np.float32)  # a letter too much is no sound too much
        return cls.of(tuple(alphabet[:count]), substitute, each, each)
