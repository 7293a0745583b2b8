"""The log-probabilities of an utterance, for its partials from one network, for its finals from two.

Two networks that were trained apart make different mistakes, and the mean of their log-probabilities makes
fewer than either (the log-linear opinion pool; Hansen and Salamon, "Neural network ensembles", IEEE PAMI
12(10), 1990). The second one does not have to keep up with partials, so it is run on long chunks, which
costs a third of what short ones do.
"""

from __future__ import annotations

import numpy as np

from carvoice.asr.acoustic import AcousticModel, FloatMatrix
from carvoice.errors import ModelError
from carvoice.records import FloatArray


def check_pair(first: AcousticModel, second: AcousticModel) -> None:
    """See that the networks may be taken together.

    Raises:
        ModelError: their frames differ, or their outputs.
    """
    for what in ("frame_ms", "look_ahead_ms", "tokens"):
        if getattr(first, what) != getattr(second, what):
            raise ModelError(f"[files] finals: its {what} is not that of [files] model; export both again")


class Posteriors:
    """What the networks heard of one utterance. One thread at a time.

    Args:
        first: the network for partials, and for finals.
        second: joins it for finals; None for none.
    """

    def __init__(self, first: AcousticModel, second: AcousticModel | None) -> None:
        self._first = _Heard(first)
        self._second = _Heard(second) if second else None

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1."""
        self._first.accept(samples)
        if self._second:
            self._second.accept(samples)

    def so_far(self) -> FloatMatrix:
        """Log-probabilities (frames, tokens), less the label prior, as the first network has them."""
        return self._first.rows()

    def at_end(self, padding: FloatArray) -> FloatMatrix:
        """The same as both have them if ``padding`` follows; sound may still be taken afterwards."""
        rows = self._first.at_end(padding)
        if self._second:
            rows = (rows + self._second.at_end(padding)[: len(rows)]) / np.float32(2)
        return rows


class _Heard:
    """A network's stream and what came out of it."""

    def __init__(self, model: AcousticModel) -> None:
        self._stream = model.create_stream()
        self._rows: list[FloatMatrix] = [np.zeros((0, model.form.n_tokens), np.float32)]

    def accept(self, samples: FloatArray) -> None:
        rows = self._stream.accept(samples)
        if len(rows):
            self._rows.append(rows)

    def rows(self) -> FloatMatrix:
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        return self._rows[0]

    def at_end(self, padding: FloatArray) -> FloatMatrix:
        return np.concatenate([self.rows(), self._stream.fork().finish(padding)])
