"""The shapes in which a streaming CTC network may be wrapped: two that sherpa-onnx runs, and our own.

* The *zipformer2* form: features (1, T, 80) and a set of caches whose sizes the metadata gives. The
  embedded model's memory travels in one of them. sherpa-onnx feeds it Kaldi's log-mel features.
* The *NeMo* form: features (1, 80, T), their length and three caches. sherpa-onnx 2.0 feeds it
  librosa's log-mel features, whatever its configuration says.
* The *free* form, of a network that only we run: features (1, T, 80) of any T, and two caches. Larger
  pieces cost much less by the second, since every run reads all the weights.

Which one a file is stands in its metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import kaldi_native_fbank as knf
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ

Caches: TypeAlias = list[NDArray[Any]]

FEATURE_BINS = 80
FRAME_SHIFT_MS = 10

_NEMO_INPUTS = ("audio_signal", "length", "cache_last_channel", "cache_last_time", "cache_last_channel_len")
_NEMO_SIZES = (
    "window_size", "chunk_shift", "subsampling_factor", "vocab_size",
    "cache_last_channel_dim1", "cache_last_channel_dim2", "cache_last_channel_dim3",
    "cache_last_time_dim1", "cache_last_time_dim2", "cache_last_time_dim3",
)  # fmt: skip
_FREE_INPUTS = ("features", "channel", "time")
_FREE_SIZES = ("chunk_frames", "subsampling_factor", "vocab_size")
_ZIPFORMER_SIZES = (
    "encoder_dims", "query_head_dims", "value_head_dims", "num_heads", "num_encoder_layers",
    "cnn_module_kernels", "left_context_len", "T", "decode_chunk_len",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Form:
    """How to feed a network.

    Attributes:
        nemo: the NeMo form; otherwise features come first, then the caches.
        chunk_frames: 10 ms feature frames taken at once.
        is_free: any other multiple of ``subsampling`` may be taken as well.
        subsampling: feature frames per output frame.
        n_tokens: width of the output, the blank included.
        inputs: names of the network's inputs, caches last.
        caches: shape and dtype of each cache.
    """

    nemo: bool
    chunk_frames: int
    subsampling: int
    n_tokens: int
    inputs: tuple[str, ...]
    caches: tuple[tuple[tuple[int, ...], type[Any]], ...]
    is_free: bool = False

    def empty_caches(self) -> Caches:
        """The network's memory before the first frame."""
        return [np.zeros(shape, dtype) for shape, dtype in self.caches]

    def feed(self, features: NDArray[np.float32], caches: Caches) -> dict[str, NDArray[Any]]:
        """The network's inputs for features (chunk_frames, 80)."""
        if self.nemo:
            signal = features.T[np.newaxis].copy()
            return dict(zip(self.inputs, [signal, np.array([len(features)], np.int64), *caches], strict=True))
        return dict(zip(self.inputs, [features[np.newaxis], *caches], strict=True))

    def split(self, outputs: Sequence[NDArray[Any]]) -> tuple[NDArray[np.float32], Caches]:
        """Log-probabilities (frames, n_tokens) and the next caches."""
        return outputs[0][0], list(outputs[2:] if self.nemo else outputs[1:])

    def feature_options(self) -> knf.FbankOptions:
        """The log-mel filter bank that sherpa-onnx computes for this form (natural log, ±1 samples).

        80 bands every 10 ms over 25 ms. NeMo: librosa's, Slaney-normalized, 0-8000 Hz, Hann window, DC
        kept. The others: Kaldi's, 20-7600 Hz, Povey window.
        """
        options = knf.FbankOptions()
        frame, mel = options.frame_opts, options.mel_opts
        frame.samp_freq, frame.frame_shift_ms, frame.frame_length_ms = SAMPLE_RATE_HZ, FRAME_SHIFT_MS, 25
        frame.dither, frame.snip_edges = 0, False
        mel.num_bins = FEATURE_BINS
        if self.nemo:
            frame.window_type, frame.remove_dc_offset = "hann", False
            mel.low_freq, mel.high_freq, mel.is_librosa = 0, 0, True
        else:
            frame.window_type = "povey"
            mel.low_freq, mel.high_freq = 20, -400
        return options


def form_of(session: onnxruntime.InferenceSession, path: Path) -> Form:
    """Read and check a network's form; sherpa-onnx would end the process over a wrong one.

    Raises:
        ModelError: the metadata or the inputs are those of no form.
    """
    stated = session.get_modelmeta().custom_metadata_map
    inputs = tuple(item.name for item in session.get_inputs())
    if inputs == _FREE_INPUTS:
        return _free(session, stated, inputs, path)
    if "decode_chunk_len" in stated or "encoder_dims" in stated:
        return _zipformer(session, stated, inputs, path)
    return _nemo(session, stated, inputs, path)


def _sizes(stated: Mapping[str, str], names: Sequence[str], path: Path) -> dict[str, int]:
    missing = [name for name in names if not stated.get(name, "").isdecimal()]
    if missing:
        raise ModelError(f"{path}: metadata lacks {', '.join(missing)}; export the model again")
    return {name: int(stated[name]) for name in names}


def _nemo(
    session: onnxruntime.InferenceSession, stated: Mapping[str, str], inputs: tuple[str, ...], path: Path
) -> Form:
    sizes = _sizes(stated, _NEMO_SIZES, path)
    if inputs != _NEMO_INPUTS or len(session.get_outputs()) != len(_NEMO_INPUTS):
        raise ModelError(f"{path}: inputs {list(inputs)} are not those of a streaming CTC network")
    _no_overlap(sizes["window_size"], sizes["chunk_shift"], path)
    channel, time = (
        tuple(sizes[f"cache_last_{kind}_dim{axis}"] for axis in (1, 2, 3)) for kind in ("channel", "time")
    )
    caches = (((1, *channel), np.float32), ((1, *time), np.float32), ((1,), np.int64))
    return Form(
        True, sizes["window_size"], sizes["subsampling_factor"], sizes["vocab_size"] + 1, inputs, caches
    )


def _zipformer(
    session: onnxruntime.InferenceSession, stated: Mapping[str, str], inputs: tuple[str, ...], path: Path
) -> Form:
    sizes = _sizes(stated, _ZIPFORMER_SIZES, path)
    _no_overlap(sizes["T"], sizes["decode_chunk_len"], path)
    shapes = [tuple(item.shape) for item in session.get_inputs()]
    layers = sizes["num_encoder_layers"]
    if len(inputs) != 6 * layers + 3 or shapes[0] != (1, sizes["T"], FEATURE_BINS):
        raise ModelError(f"{path}: inputs {list(inputs)} do not fit the metadata; export the model again")
    _, frames, n_tokens = session.get_outputs()[0].shape
    caches = tuple((shape, np.float32) for shape in shapes[1:-1])
    return Form(False, sizes["T"], sizes["T"] // frames, n_tokens, inputs, (*caches, (shapes[-1], np.int64)))


def _free(
    session: onnxruntime.InferenceSession, stated: Mapping[str, str], inputs: tuple[str, ...], path: Path
) -> Form:
    sizes = _sizes(stated, _FREE_SIZES, path)
    caches = tuple((tuple(item.shape), np.float32) for item in session.get_inputs()[1:])
    if len(session.get_outputs()) != len(_FREE_INPUTS) or sizes["chunk_frames"] % sizes["subsampling_factor"]:
        raise ModelError(f"{path}: the outputs or chunk_frames do not fit the inputs; export the model again")
    return Form(
        nemo=False,
        chunk_frames=sizes["chunk_frames"],
        subsampling=sizes["subsampling_factor"],
        n_tokens=sizes["vocab_size"] + 1,
        inputs=inputs,
        caches=caches,
        is_free=True,
    )


def _no_overlap(window: int, shift: int, path: Path) -> None:
    if window != shift:
        raise ModelError(f"{path}: chunks of {window} frames move by {shift}; overlap is not supported")
