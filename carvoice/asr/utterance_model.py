"""A network that reads an utterance as a whole: it sees all that follows a frame, and how the talker and the
cabin sound, so it names phones better than one that keeps up with the sound. sherpa-onnx never sees it.

Its file takes features (1, T, 80) of any T, a multiple of its subsampling, and gives log-probabilities.
"""

from __future__ import annotations

import numpy as np

from carvoice.asr.features import FRAME_SHIFT_MS, FeatureStream, FloatMatrix, feature_options
from carvoice.asr.forms import open_session, sizes_stated
from carvoice.asr.models import Model
from carvoice.errors import ModelError
from carvoice.records import FloatArray

_INPUTS = ("features",)
_SIZES = ("subsampling_factor", "vocab_size")


class UtteranceModel:
    """A phone-CTC network over whole utterances. Thread-safe; what was heard is kept by ``Utterance``.

    Args:
        model: where it lies, as ``[files] finals``.
        threads: threads of each run.

    Attributes:
        subsampling: feature frames per output frame.
        frame_ms: time between two output frames.

    Raises:
        ModelError: the file is no ONNX model, or not such a network, or the tokens do not fit.
    """

    def __init__(self, model: Model, threads: int = 1) -> None:
        path = model.files["finals"]
        self._session = open_session(path, threads)
        inputs = tuple(item.name for item in self._session.get_inputs())
        if inputs != _INPUTS or len(self._session.get_outputs()) != 1:
            raise ModelError(
                f"{path}: inputs {list(inputs)} are not those of a network over whole utterances; "
                "export it again with training/finals.py"
            )
        sizes = sizes_stated(self._session, _SIZES, path)
        self.subsampling = sizes["subsampling_factor"]
        self.frame_ms = self.subsampling * FRAME_SHIFT_MS
        self.n_tokens = sizes["vocab_size"] + 1
        tokens = model.tokens()
        if len(tokens) != self.n_tokens:
            raise ModelError(
                f"{model.files['tokens']}: {len(tokens)} tokens, but {path.name} has {self.n_tokens}"
            )

    def run(self, features: FloatMatrix) -> FloatMatrix:
        """Log-probabilities (T / subsampling, n_tokens) of features (T, 80), less the label prior."""
        rows: FloatMatrix = self._session.run(None, {"features": features[np.newaxis]})[0][0]
        return rows


class Utterance:
    """What was heard of an utterance so far, as features. One thread at a time."""

    def __init__(self, model: UtteranceModel) -> None:
        self._model = model
        self._stream = FeatureStream(feature_options())
        self._features: list[FloatMatrix] = []

    def accept(self, samples: FloatArray) -> None:
        """Take sound (n,) in ±1."""
        self._stream.accept(samples)
        if self._stream.waiting:
            self._features.append(self._stream.take(self._stream.waiting))

    def at_end(self, padding: FloatArray) -> FloatMatrix:
        """Log-probabilities (frames, n_tokens) if ``padding`` follows; sound may be taken afterwards."""
        rest = self._stream.fork()
        rest.accept(padding)
        pieces = [*self._features, rest.take(rest.waiting)] if rest.waiting else self._features
        if not pieces:
            return np.zeros((0, self._model.n_tokens), np.float32)
        features = np.concatenate(pieces)
        size = len(features) // self._model.subsampling * self._model.subsampling
        if not size:
            return np.zeros((0, self._model.n_tokens), np.float32)
        return self._model.run(features[:size])
