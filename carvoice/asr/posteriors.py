"""The log-probabilities of an utterance, for its partials from one network, for its finals from two.

Two networks that were trained apart make different mistakes, and the mean of their log-probabilities makes
fewer than either (the log-linear opinion pool; Hansen and Salamon, "Neural network ensembles", IEEE PAMI
12(10), 1990). The second one does not have to keep up with partials, so it reads the utterance as a whole.
"""

from __future__ import annotations

import numpy as np

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.features import FloatMatrix
from carvoice.asr.utterance_model import Utterance, UtteranceModel
from carvoice.errors import ModelError
from carvoice.records import FloatArray


def check_pair(first: AcousticModel, second: UtteranceModel) -> None:
    """See that the networks may be taken together.

    Raises:
        ModelError: their frames differ.
    """
    if first.frame_ms != second.frame_ms:
        raise ModelError(
            f"[files] finals: its frames are {second.frame_ms} ms apart, those of [files] model "
            f"{first.frame_ms} ms; export both again"
        )


class Posteriors:
    """What the networks heard of one utterance. One thread at a time.

    Args:
        first: the network for partials, and for finals.
        second: joins it for finals; None for none.
    """

    def __init__(self, first: AcousticModel, second: UtteranceModel | None) -> None:
        self._stream = first.create_stream()
        self._rows: list[FloatMatrix] = [np.zeros((0, first.form.n_tokens), np.float32)]
        self._delay = first.look_ahead_ms // first.frame_ms
        self._utterance = Utterance(second) if second else None

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1."""
        rows = self._stream.accept(samples)
        if len(rows):
            self._rows.append(rows)
        if self._utterance:
            self._utterance.accept(samples)

    def so_far(self) -> FloatMatrix:
        """Log-probabilities (frames, tokens), less the label prior, as the first network has them."""
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        return self._rows[0]

    def at_end(self, padding: FloatArray) -> FloatMatrix:
        """The same as both have them if ``padding`` follows; sound may still be taken afterwards."""
        rows = np.concatenate([self.so_far(), self._stream.fork().accept(padding)])
        if self._utterance:
            # the first network names a frame when it has seen what follows, the second one at its place
            late = rows[self._delay :]
            late += self._utterance.at_end(padding)[: len(late)]
            late /= np.float32(2)
        return rows
