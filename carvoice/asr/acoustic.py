"""The embedded acoustic model run by itself: sound in, log-probabilities of phones out.

sherpa-onnx decodes with the same network but keeps its posteriors to itself. They are what
confidence, free phones and the wake phrase are computed from, so the network is run a second time
here, through ONNX Runtime; it is small enough for that (the cost is stated in bench/results).
"""

from __future__ import annotations

import numpy as np

from carvoice.asr.features import FRAME_SHIFT_MS, FeatureStream, FloatMatrix, feature_options
from carvoice.asr.forms import Caches, form_of, open_session
from carvoice.asr.models import BLANK, PHONE_CTC, Model
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray


class AcousticModel:
    """A streaming phone-CTC network. Thread-safe; streams hold the state.

    Args:
        model: where it lies.
        threads: threads of each run.

    Attributes:
        form: how sherpa-onnx and we feed it.
        tokens: token ids by symbol; the blank is 0.
        frame_ms: time between two output frames.
        look_ahead_ms: how much future an output frame has seen.

    Raises:
        ModelError: the file is no ONNX model, or not a streaming CTC network, or the tokens do not fit.
    """

    def __init__(self, model: Model, threads: int = 1) -> None:
        if model.kind != PHONE_CTC:
            raise ModelError(
                f"{model.folder}: a {model.kind} model gives no phone posteriors; use {PHONE_CTC}"
            )
        path = model.files["model"]
        self._session = open_session(path, threads)
        self.form = form_of(self._session, path)
        self.tokens = model.tokens()
        self.frame_ms = self.form.subsampling * FRAME_SHIFT_MS
        self.look_ahead_ms = model.look_ahead_ms
        if self.tokens.get(BLANK) != 0 or len(self.tokens) != self.form.n_tokens:
            raise ModelError(
                f"{model.files['tokens']}: {len(self.tokens)} tokens, but the model has "
                f"{self.form.n_tokens}, of which number 0 must be {BLANK}"
            )

    @property
    def chunk_samples(self) -> int:
        """Samples per chunk."""
        return self.form.chunk_frames * FRAME_SHIFT_MS * SAMPLE_RATE_HZ // 1000

    def create_stream(self) -> AcousticStream:
        """A stream at the beginning of a stretch of sound."""
        return AcousticStream(self)

    def run(self, features: FloatMatrix, caches: Caches) -> tuple[FloatMatrix, Caches]:
        """One chunk of features (chunk_frames, 80) to log-probabilities (frames, n_tokens) and caches."""
        return self.form.split(self._session.run(None, self.form.feed(features, caches)))


class AcousticStream:
    """Turns sound into log-probabilities, chunk by chunk. One thread at a time."""

    def __init__(self, model: AcousticModel) -> None:
        self._model = model
        self._features = FeatureStream(feature_options(as_librosa=model.form.nemo))
        self._caches = model.form.empty_caches()

    def accept(self, samples: FloatArray) -> FloatMatrix:
        """Take sound (n,) in ±1; returns the log-probabilities that became ready, (frames, n_tokens).

        They are natural logarithms with the model's label prior already taken off, so rows do not
        sum to one.
        """
        self._features.accept(samples)
        size = self._model.form.chunk_frames
        rows = []
        while self._features.waiting > size:
            log_probs, self._caches = self._model.run(self._features.take(size), self._caches)
            rows.append(log_probs)
        return np.concatenate(rows) if rows else np.zeros((0, self._model.form.n_tokens), np.float32)

    def fork(self) -> AcousticStream:
        """A stream that goes on from here by itself, so that an end can be tried without ending this one."""
        twin = AcousticStream(self._model)
        twin._features = self._features.fork()
        twin._caches = self._caches
        return twin
