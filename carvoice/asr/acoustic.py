"""The embedded acoustic model run by itself: sound in, log-probabilities of phones out.

sherpa-onnx decodes with the same network but keeps its posteriors to itself. They are what
confidence, free phones and the wake phrase are computed from, so the network is run a second time
here, through ONNX Runtime; it is small enough for that (the cost is stated in bench/results). So is
the network that joins it for finals (:mod:`carvoice.asr.posteriors`), which sherpa-onnx never sees.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import kaldi_native_fbank as knf
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from carvoice.asr.forms import FRAME_SHIFT_MS, Caches, form_of
from carvoice.asr.models import BLANK, PHONE_CTC, Model
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray

FloatMatrix: TypeAlias = NDArray[np.float32]

_FRAME_SAMPLES = FRAME_SHIFT_MS * SAMPLE_RATE_HZ // 1000
_FORK_FRAMES = 4  # a bank's first frames mirror the sound before it; those of a fork are not used


class AcousticModel:
    """A streaming phone-CTC network. Thread-safe; streams hold the state.

    Args:
        model: where it lies.
        threads: threads of each run.
        role: which of the model's files it is.

    Attributes:
        form: how sherpa-onnx and we feed it.
        tokens: token ids by symbol; the blank is 0.
        frame_ms: time between two output frames.
        look_ahead_ms: how much future an output frame has seen.

    Raises:
        ModelError: the file is no ONNX model, or not a streaming CTC network, or the tokens do not fit.
    """

    def __init__(self, model: Model, threads: int = 1, role: str = "model") -> None:
        if model.kind != PHONE_CTC:
            raise ModelError(
                f"{model.folder}: a {model.kind} model gives no phone posteriors; use {PHONE_CTC}"
            )
        path = model.files[role]
        self._session = _open(path, threads)
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
        self._bank = knf.OnlineFbank(model.form.feature_options())
        self._caches = model.form.empty_caches()
        self._frames_done = 0
        self._bank_begin = 0  # stream frame that is the bank's frame 0
        self._recent = np.zeros(0, np.float32)  # sound from which a fork computes its features again
        self._recent_begin = 0  # stream frame at which it begins

    def accept(self, samples: FloatArray) -> FloatMatrix:
        """Take sound (n,) in ±1; returns the log-probabilities that became ready, (frames, n_tokens).

        They are natural logarithms with the model's label prior already taken off, so rows do not
        sum to one.
        """
        self._take(samples)
        size = self._model.form.chunk_frames
        rows = []
        while self._waiting > size:
            rows.append(self._run(size))
        begin = max(0, self._frames_done - _FORK_FRAMES)
        self._recent = self._recent[(begin - self._recent_begin) * _FRAME_SAMPLES :]
        self._recent_begin = begin
        return np.concatenate(rows) if rows else np.zeros((0, self._model.form.n_tokens), np.float32)

    def finish(self, samples: FloatArray) -> FloatMatrix:
        """Take the last sound; returns the log-probabilities of all that waited, (frames, n_tokens).

        In one run, where the network takes as much; the others leave what is no whole chunk. Nothing may be
        accepted afterwards.
        """
        form = self._model.form
        if not form.is_free:
            return self.accept(samples)
        self._take(samples)
        size = (self._waiting - 1) // form.subsampling * form.subsampling
        return self._run(size) if size > 0 else np.zeros((0, form.n_tokens), np.float32)

    def _take(self, samples: FloatArray) -> None:
        self._bank.accept_waveform(SAMPLE_RATE_HZ, samples)
        self._recent = np.concatenate([self._recent, samples])

    @property
    def _waiting(self) -> int:
        """Feature frames that the network has not had."""
        return int(self._bank_begin + self._bank.num_frames_ready - self._frames_done)

    def _run(self, size: int) -> FloatMatrix:
        """Run the network on the next ``size`` frames."""
        # The frames are views into the bank's memory, so they are copied before it lets go of them.
        first = self._frames_done - self._bank_begin
        features = np.stack([self._bank.get_frame(first + index) for index in range(size)])
        self._bank.pop(size)
        self._frames_done += size
        log_probs, self._caches = self._model.run(features, self._caches)
        return log_probs

    def fork(self) -> AcousticStream:
        """A stream that goes on from here by itself, so that an end can be tried without ending this one."""
        twin = AcousticStream(self._model)
        twin._caches = self._caches
        twin._frames_done = self._frames_done
        twin._bank_begin = twin._recent_begin = self._recent_begin
        twin._recent = self._recent
        twin._bank.accept_waveform(SAMPLE_RATE_HZ, self._recent)
        twin._bank.pop(self._frames_done - self._recent_begin)
        return twin


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base but Exception
        raise ModelError(f"{path}: not a usable ONNX model ({str(error).strip().splitlines()[0]})") from None
