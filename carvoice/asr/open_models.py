"""Free-text models as their makers publish them: a folder of ONNX files and a token table.

A folder may say what it is in a ``model.toml`` (:mod:`carvoice.asr.models`); one that was just
unpacked does not, and is told by its files, and a single network by its metadata or inputs:

=====================  =====================================================================
encoder, decoder,      a transducer: zipformer, conformer, LSTM, or NeMo's RNN-T
joiner
encoder, decoder       a paraformer
model                  CTC: zipformer2, NeMo's (FastConformer) or WeNet's
=====================  =====================================================================

Where a file is there both whole and quantized, the quantized one is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import onnxruntime

from carvoice.asr.models import (
    NEMO_CTC,
    PARAFORMER,
    TRANSDUCER,
    WENET_CTC,
    ZIPFORMER2_CTC,
    Model,
    load_model,
)
from carvoice.errors import ModelError

_PARTS = ("encoder", "decoder", "joiner")


def load_open_model(folder: Path) -> Model:
    """Read and check the folder of a free-text model.

    Raises:
        ModelError: the folder holds no streaming model that is known, or its files are damaged.
    """
    if (folder / "model.toml").is_file():
        return load_model(folder)
    files = {part: _newest(folder.glob(f"*{part}*.onnx")) for part in _PARTS}
    found = {part: path for part, path in files.items() if path is not None}
    if set(found) == set(_PARTS):
        kind = TRANSDUCER
    elif set(found) == {"encoder", "decoder"}:
        kind = PARAFORMER
    elif not found and (network := _newest(folder.glob("*.onnx"))) is not None:
        kind, found = _ctc_kind(network), {"model": network}
    else:
        there = ", ".join(sorted(path.name for path in folder.glob("*.onnx"))) or "no ONNX file"
        raise ModelError(
            f"{folder}: a free-text model is encoder, decoder and joiner, encoder and decoder, or one CTC "
            f"network; there is {there}"
        )
    tokens = folder / "tokens.txt"
    if not tokens.is_file():
        raise ModelError(f"{tokens}: file is missing; install the model {folder.name} again")
    return Model(folder, folder.name, kind, "", 0, {**found, "tokens": tokens})


def _newest(paths: Iterable[Path]) -> Path | None:
    """The quantized file of several for the same part, the last by name."""
    return max(paths, key=lambda path: (".int8" in path.name, path.name), default=None)


def _ctc_kind(network: Path) -> str:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base for its errors
        raise ModelError(f"{network}: no ONNX network ({str(error).splitlines()[0]})") from None
    stated = session.get_modelmeta().custom_metadata_map
    inputs = {item.name for item in session.get_inputs()}
    if stated.get("model_type") == "zipformer2" and "decode_chunk_len" in stated:
        return ZIPFORMER2_CTC
    if "wenet" in stated.get("model_type", ""):
        return WENET_CTC
    if "cache_last_channel" in inputs and "window_size" in stated:
        return NEMO_CTC
    raise ModelError(
        f"{network}: its metadata is that of no streaming CTC network (zipformer2, NeMo, WeNet); a network "
        "for whole recordings cannot follow a microphone"
    )
