from carvoice.asr.features import FloatMatrix

class WordSearch:
    """Searches one graph. Not thread-safe: one per thread."""

    def __init__(
        self,
        states: memoryview,
        arcs: memoryview,
        start: int,
        filler: int,
        beam: float,
        max_active: int,
    ) -> None: ...
    def search(self, rows: FloatMatrix, n_best: int = 16) -> list[tuple[float, list[tuple[int, int, int]]]]:
        """Per sequence (cost, steps (column, word, frame)), cheapest first."""
