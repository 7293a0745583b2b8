"""The two shapes in which sherpa-onnx runs a streaming CTC network.

* The *zipformer2* form: features (1, T, 80) and a set of caches whose sizes the metadata gives. The
  embedded model's memory travels in one of them. sherpa-onnx feeds it Kaldi's log-mel features.
* The *NeMo* form: features (1, 80, T), their length and three caches. sherpa-onnx 2.0 feeds it
  librosa's log-mel features, whatever its configuration says.

Which one a file is stands in its metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from carvoice.asr.features import FEATURE_BINS
from carvoice.errors import ModelError

Caches: TypeAlias = list[NDArray[Any]]

_NEMO_INPUTS = ("audio_signal", "length", "cache_last_channel", "cache_last_time", "cache_last_channel_len")
_NEMO_SIZES = (
    "window_size", "chunk_shift", "subsampling_factor", "vocab_size",
    "cache_last_channel_dim1", "cache_last_channel_dim2", "cache_last_channel_dim3",
    "cache_last_time_dim1", "cache_last_time_dim2", "cache_last_time_dim3",
)  # fmt: skip
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


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Open a network to run it ourselves.

    Raises:
        ModelError: the file is no ONNX model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base but Exception
        raise ModelError(f"{path}: not a usable ONNX model ({str(error).strip().splitlines()[0]})") from None


def form_of(session: onnxruntime.InferenceSession, path: Path) -> Form:
    """Read and check a network's form; sherpa-onnx would end the process over a wrong one.

    Raises:
        ModelError: the metadata or the inputs are those of no form.
    """
    stated = session.get_modelmeta().custom_metadata_map
    inputs = tuple(item.name for item in session.get_inputs())
    if "decode_chunk_len" in stated or "encoder_dims" in stated:
        return _zipformer(session, inputs, path)
    return _nemo(session, inputs, path)


def sizes_stated(session: onnxruntime.InferenceSession, names: Sequence[str], path: Path) -> dict[str, int]:
    """Numbers that stand in a network's metadata.

    Raises:
        ModelError: one is missing, or no number.
    """
    stated = session.get_modelmeta().custom_metadata_map
    missing = [name for name in names if not stated.get(name, "").isdecimal()]
    if missing:
        raise ModelError(f"{path}: metadata lacks {', '.join(missing)}; export the model again")
    return {name: int(stated[name]) for name in names}


def _nemo(session: onnxruntime.InferenceSession, inputs: tuple[str, ...], path: Path) -> Form:
    sizes = sizes_stated(session, _NEMO_SIZES, path)
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


def _zipformer(session: onnxruntime.InferenceSession, inputs: tuple[str, ...], path: Path) -> Form:
    sizes = sizes_stated(session, _ZIPFORMER_SIZES, path)
    _no_overlap(sizes["T"], sizes["decode_chunk_len"], path)
    shapes = [tuple(item.shape) for item in session.get_inputs()]
    layers = sizes["num_encoder_layers"]
    if len(inputs) != 6 * layers + 3 or shapes[0] != (1, sizes["T"], FEATURE_BINS):
        raise ModelError(f"{path}: inputs {list(inputs)} do not fit the metadata; export the model again")
    _, frames, n_tokens = session.get_outputs()[0].shape
    caches = tuple((shape, np.float32) for shape in shapes[1:-1])
    return Form(False, sizes["T"], sizes["T"] // frames, n_tokens, inputs, (*caches, (shapes[-1], np.int64)))


def _no_overlap(window: int, shift: int, path: Path) -> None:
    if window != shift:
        raise ModelError(f"{path}: chunks of {window} frames move by {shift}; overlap is not supported")
