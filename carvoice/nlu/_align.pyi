import numpy as np
from numpy.typing import NDArray

from carvoice.grammar.automaton import Int32Array, Uint8Array

class Aligner:
    """Searches one word automaton. Not thread-safe: one per thread."""

    def __init__(
        self,
        phone: Uint8Array,
        depth: Uint8Array,
        skip: Int32Array,
        word_start: Int32Array,
        word_at: Int32Array,
        parent: Int32Array,
        leaf_start: Int32Array,
        leaf_at: Int32Array,
        shortest: Uint8Array,
        drop_word: NDArray[np.float32],
        arc_start: Int32Array,
        arc_word: Int32Array,
        arc_next: Int32Array,
        is_final: Uint8Array,
        start: int,
        n_words: int,
        wildcard: int,
        substitute: NDArray[np.float32],
        drop: NDArray[np.float32],
        insert: NDArray[np.float32],
        limits: NDArray[np.float32],
        max_tokens: int = 200_000,
    ) -> None: ...
    def search(
        self,
        phones: bytes,
        words: list[tuple[int, int, int, float, float]],
        beam: float,
        limit: float = 1e9,
        weights: list[float] | None = None,
        n_best: int = 8,
    ) -> list[tuple[float, list[tuple[int, int, int, float]]]]:
        """Per sentence (cost, steps (word, from, to, cost)), cheapest first."""
