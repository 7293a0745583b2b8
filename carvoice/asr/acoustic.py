"""The embedded acoustic model run by itself: sound in, log-probabilities of phones out.

sherpa-onnx decodes with the same network but keeps its posteriors to itself. They are what
confidence, free phones and the wake phrase are computed from, so the network is run a second time
here, through ONNX Runtime; it is small enough for that (the cost is stated in bench/results).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import kaldi_native_fbank as knf
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from carvoice.asr.models import BLANK, PHONE_CTC, Model
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray

FloatMatrix: TypeAlias = NDArray[np.float32]

FEATURE_BINS = 80
FRAME_SHIFT_MS = 10
_METADATA = (
    "window_size",
    "chunk_shift",
    "subsampling_factor",
    "vocab_size",
    "cache_last_channel_dim1",
    "cache_last_channel_dim2",
    "cache_last_channel_dim3",
    "cache_last_time_dim1",
    "cache_last_time_dim2",
    "cache_last_time_dim3",
)
_INPUTS = ("audio_signal", "length", "cache_last_channel", "cache_last_time", "cache_last_channel_len")


def feature_options() -> knf.FbankOptions:
    """The log-mel filter bank that sherpa-onnx computes for NeMo CTC models.

    80 Slaney-normalized bands over 0-8000 Hz, Hann window of 25 ms every 10 ms, DC kept, natural log.
    """
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq, frame.frame_shift_ms, frame.frame_length_ms = SAMPLE_RATE_HZ, FRAME_SHIFT_MS, 25
    frame.dither, frame.snip_edges, frame.window_type, frame.remove_dc_offset = 0, False, "hann", False
    mel.num_bins, mel.low_freq, mel.high_freq, mel.is_librosa = FEATURE_BINS, 0, 0, True
    return options


class AcousticModel:
    """A streaming NeMo-style CTC network. Thread-safe; streams hold the state.

    Attributes:
        chunk_frames: 10 ms feature frames taken at once.
        frame_ms: time between two output frames.
        n_tokens: width of the output, the blank included.

    Raises:
        ModelError: the file is no ONNX model, or lacks the metadata or inputs of a streaming CTC model.
    """

    def __init__(self, model: Model, threads: int = 1) -> None:
        if model.kind != PHONE_CTC:
            raise ModelError(
                f"{model.folder}: a {model.kind} model gives no phone posteriors; use {PHONE_CTC}"
            )
        path = model.files["model"]
        self._session = _open(path, threads)
        self._metadata = _checked_metadata(self._session, path)
        self.tokens = model.tokens()
        self.chunk_frames = self._metadata["window_size"]
        self.frame_ms = self._metadata["subsampling_factor"] * FRAME_SHIFT_MS
        self.look_ahead_ms = model.look_ahead_ms
        self.n_tokens = self._metadata["vocab_size"] + 1
        if self._metadata["chunk_shift"] != self.chunk_frames:
            raise ModelError(
                f"{path}: chunk_shift must equal window_size; overlapping chunks are not supported"
            )
        if self.tokens.get(BLANK) != 0 or len(self.tokens) != self.n_tokens:
            raise ModelError(
                f"{model.files['tokens']}: {len(self.tokens)} tokens, but the model has {self.n_tokens}, "
                f"of which number 0 must be {BLANK}"
            )

    @property
    def chunk_samples(self) -> int:
        """Samples per chunk."""
        return self.chunk_frames * FRAME_SHIFT_MS * SAMPLE_RATE_HZ // 1000

    def create_stream(self) -> AcousticStream:
        """A stream at the beginning of a stretch of sound."""
        return AcousticStream(self)

    def empty_caches(self) -> list[NDArray[np.float32] | NDArray[np.int64]]:
        """The network's memory before the first frame."""
        dims = self._metadata
        channel = [dims[f"cache_last_channel_dim{axis}"] for axis in (1, 2, 3)]
        time = [dims[f"cache_last_time_dim{axis}"] for axis in (1, 2, 3)]
        return [
            np.zeros((1, *channel), np.float32),
            np.zeros((1, *time), np.float32),
            np.zeros(1, np.int64),
        ]

    def run(
        self, features: FloatMatrix, caches: list[NDArray[np.float32] | NDArray[np.int64]]
    ) -> tuple[FloatMatrix, list[NDArray[np.float32] | NDArray[np.int64]]]:
        """One chunk of features (chunk_frames, 80) to log-probabilities (frames, n_tokens)."""
        length = np.array([len(features)], np.int64)
        out = self._session.run(
            None, dict(zip(_INPUTS, [features.T[np.newaxis].copy(), length, *caches], strict=True))
        )
        return out[0][0], list(out[2:])


class AcousticStream:
    """Turns sound into log-probabilities, chunk by chunk. One thread at a time."""

    def __init__(self, model: AcousticModel) -> None:
        self._model = model
        self._bank = knf.OnlineFbank(_FEATURES)
        self._caches = model.empty_caches()
        self._frames_done = 0

    def accept(self, samples: FloatArray) -> FloatMatrix:
        """Take sound (n,) in ±1; returns the log-probabilities that became ready, (frames, n_tokens).

        They are natural logarithms with the model's label prior already taken off, so rows do not
        sum to one.
        """
        self._bank.accept_waveform(SAMPLE_RATE_HZ, samples)
        size = self._model.chunk_frames
        rows = []
        while self._bank.num_frames_ready - self._frames_done > size:
            # The frames are views into the bank's memory, so they are copied before it lets go of them.
            features = np.stack([self._bank.get_frame(self._frames_done + index) for index in range(size)])
            self._bank.pop(size)
            log_probs, self._caches = self._model.run(features, self._caches)
            rows.append(log_probs)
            self._frames_done += size
        return np.concatenate(rows) if rows else np.zeros((0, self._model.n_tokens), np.float32)


_FEATURES = feature_options()


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base but Exception
        raise ModelError(f"{path}: not a usable ONNX model ({str(error).strip().splitlines()[0]})") from None


def _checked_metadata(session: onnxruntime.InferenceSession, path: Path) -> dict[str, int]:
    inputs = {item.name for item in session.get_inputs()}
    if not inputs.issuperset(_INPUTS) or len(session.get_outputs()) != len(_INPUTS):
        raise ModelError(f"{path}: inputs {sorted(inputs)} are not those of a streaming NeMo CTC model")
    stated = session.get_modelmeta().custom_metadata_map
    missing = [key for key in _METADATA if not stated.get(key, "").isdecimal()]
    if missing:
        raise ModelError(f"{path}: metadata lacks {', '.join(missing)}; export the model again")
    return {key: int(stated[key]) for key in _METADATA}
