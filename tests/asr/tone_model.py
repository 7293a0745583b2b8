"""A network that "hears" tones as phones, made of a handful of ONNX nodes: exact, instant, untrained.

Phone number k is a sine in its own mel band; silence is the blank. The output may be delayed by some
frames through the cache, like a trained model's look-ahead. Inputs, outputs and metadata are those
of the trained model, so the whole path through sherpa-onnx is tested with sound whose transcript is
known for certain.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from carvoice.grammar.g2p import ARPABET
from training.sherpa_form import to_zipformer_form

RATE_HZ = 16_000
TOKENS = ("<blk>", *ARPABET)
NUMBERS = {token: number for number, token in enumerate(TOKENS)}
CHUNK_FRAMES = 16
DELAY_FRAMES = 4  # output frames of 40 ms
_FIRST_BIN, _BIN_STEP = 12, 1.75
_GAIN = 3.0
_LIFT = 10.0  # added to log energies, so that the empty cache (0) counts as silence
_SPEECH = 3.0  # log energy of a band above which a phone wins over the blank


def bin_of(phone):
    return int(_FIRST_BIN + _BIN_STEP * ARPABET.index(phone))


def frequency_hz(phone):
    """Middle of the phone's band on Kaldi's mel scale, 80 bands over 20-7600 Hz."""
    low, high = (1127 * np.log1p(f / 700) for f in (20.0, 7600.0))
    return 700 * np.expm1((low + (bin_of(phone) + 1) * (high - low) / 81) / 1127)


def rows_of(phones):
    """Log-probabilities in which each phone is held for two frames, with a blank after it."""
    ids = [number for phone in phones for number in (NUMBERS[phone], NUMBERS[phone], 0)]
    rows = np.full((len(ids), len(TOKENS)), -30.0, np.float32)
    rows[np.arange(len(ids)), ids] = 0.0
    return rows


def say(phones, phone_s=0.16, gap_s=0.02, lead_s=0.3, level=0.2):
    """Float32 sound that the network hears as these phones."""
    pieces = [np.zeros(int(lead_s * RATE_HZ))]
    for phone in phones:
        t = np.arange(int(phone_s * RATE_HZ)) / RATE_HZ
        turn = 2j * np.pi * frequency_hz(phone)
        emphasis = abs(1 - 0.97 * np.exp(-turn / RATE_HZ))  # of the features; undone here
        pieces += [level / emphasis * np.exp(turn * t).imag * np.hanning(len(t))]
        pieces += [np.zeros(int(gap_s * RATE_HZ))]
    return np.concatenate(pieces).astype(np.float32)


def _constant(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def _detectors(taken_for):
    weights = np.zeros((80, len(TOKENS)), np.float32)
    for phone in ARPABET:
        weights[bin_of(phone), TOKENS.index(taken_for.get(phone, phone))] = _GAIN
    bias = np.zeros(len(TOKENS), np.float32)
    bias[0] = _GAIN * (_LIFT + _SPEECH)
    return _constant("weights", weights), _constant("bias", bias)


def write(folder, *, metadata=None, tokens=TOKENS, tuning="", nemo=False, taken_for=None):
    """Write a model folder; ``metadata`` replaces entries, or with None removes them.

    ``taken_for`` says which phones the network takes for which others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    constant = _constant

    nodes = [
        helper.make_node("Reshape", ["audio_signal", "by_four"], ["grouped"]),
        helper.make_node("ReduceMean", ["grouped"], ["means"], axes=[3], keepdims=0),
        helper.make_node("Transpose", ["means"], ["frames"], perm=[0, 2, 1]),
        helper.make_node("Add", ["frames", "lift"], ["lifted"]),
        helper.make_node("Squeeze", ["cache_last_channel", "axis1"], ["held"]),
        helper.make_node("Concat", ["held", "lifted"], ["joined"], axis=1),
        helper.make_node("Slice", ["joined", "zero", "chunk", "axis1"], ["late"]),
        helper.make_node("Slice", ["joined", "chunk", "far", "axis1"], ["kept"]),
        helper.make_node("Unsqueeze", ["kept", "axis1"], ["cache_last_channel_next"]),
        helper.make_node("MatMul", ["late", "weights"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["scores"]),
        helper.make_node("LogSoftmax", ["scores"], ["logprobs"], axis=-1),
        helper.make_node("Div", ["length", "four"], ["encoded_lengths"]),
        helper.make_node("Identity", ["cache_last_time"], ["cache_last_time_next"]),
        helper.make_node(
            "Add", ["cache_last_channel_len", "encoded_lengths"], ["cache_last_channel_next_len"]
        ),
    ]
    per_chunk = CHUNK_FRAMES // 4
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    graph = helper.make_graph(
        nodes,
        "tones",
        [
            helper.make_tensor_value_info("audio_signal", floats, [1, 80, CHUNK_FRAMES]),
            helper.make_tensor_value_info("length", ints, [1]),
            helper.make_tensor_value_info("cache_last_channel", floats, [1, 1, DELAY_FRAMES, 80]),
            helper.make_tensor_value_info("cache_last_time", floats, [1, 1, 1, 1]),
            helper.make_tensor_value_info("cache_last_channel_len", ints, [1]),
        ],
        [
            helper.make_tensor_value_info("logprobs", floats, [1, per_chunk, len(TOKENS)]),
            helper.make_tensor_value_info("encoded_lengths", ints, [1]),
            helper.make_tensor_value_info("cache_last_channel_next", floats, [1, 1, DELAY_FRAMES, 80]),
            helper.make_tensor_value_info("cache_last_time_next", floats, [1, 1, 1, 1]),
            helper.make_tensor_value_info("cache_last_channel_next_len", ints, [1]),
        ],
        [
            constant("by_four", np.array([0, 80, per_chunk, 4], np.int64)),
            constant("lift", np.array([_LIFT], np.float32)),
            *_detectors(taken_for or {}),
            constant("zero", np.array([0], np.int64)),
            constant("chunk", np.array([per_chunk], np.int64)),
            constant("far", np.array([2**31], np.int64)),
            constant("axis1", np.array([1], np.int64)),
            constant("four", np.array([4], np.int64)),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    stated = {
        "window_size": CHUNK_FRAMES, "chunk_shift": CHUNK_FRAMES, "subsampling_factor": 4,
        "vocab_size": len(TOKENS) - 1, "model_type": "EncDecCTCModelBPE", "version": "1",
        "cache_last_channel_dim1": 1, "cache_last_channel_dim2": DELAY_FRAMES, "cache_last_channel_dim3": 80,
        "cache_last_time_dim1": 1, "cache_last_time_dim2": 1, "cache_last_time_dim3": 1,
    }  # fmt: skip
    path = folder / "model.onnx"
    _save(model, stated, path)
    if not nemo:
        to_zipformer_form(path, path)
        model = onnx.load(str(path))
        stated = {entry.key: entry.value for entry in model.metadata_props}
    for key, value in (metadata or {}).items():
        stated[key] = value
    _save(model, {key: value for key, value in stated.items() if value is not None}, path)
    (folder / "tokens.txt").write_text("".join(f"{token} {i}\n" for i, token in enumerate(tokens)))
    (folder / "model.toml").write_text(
        f'name = "tones"\nkind = "phone-ctc"\nlook_ahead_ms = {DELAY_FRAMES * 40}\n'
        '[files]\nmodel = "model.onnx"\ntokens = "tokens.txt"\n'
    )
    (folder / "tuning.toml").write_text(tuning)
    return folder


def write_finals(folder, taken_for=None, metadata=None):
    """Add a network over whole utterances that joins the folder's for finals."""
    nodes = [
        helper.make_node("Reshape", ["features", "by_four"], ["grouped"]),
        helper.make_node("ReduceMean", ["grouped"], ["frames"], axes=[2], keepdims=0),
        helper.make_node("Add", ["frames", "lift"], ["lifted"]),
        helper.make_node("MatMul", ["lifted", "weights"], ["raw"]),
        helper.make_node("Add", ["raw", "bias"], ["scores"]),
        helper.make_node("LogSoftmax", ["scores"], ["log_probs"], axis=-1),
    ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tones",
        [helper.make_tensor_value_info("features", floats, [1, "frames", 80])],
        [helper.make_tensor_value_info("log_probs", floats, [1, "steps", len(TOKENS)])],
        [
            _constant("by_four", np.array([0, -1, 4, 80], np.int64)),
            _constant("lift", np.array([_LIFT], np.float32)),
            *_detectors(taken_for or {}),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    stated = {"subsampling_factor": 4, "vocab_size": len(TOKENS) - 1, **(metadata or {})}
    _save(model, {key: value for key, value in stated.items() if value is not None}, folder / "finals.onnx")
    about = folder / "model.toml"
    if "finals" not in about.read_text():
        about.write_text(about.read_text().replace("[files]\n", '[files]\nfinals = "finals.onnx"\n'))
    return folder


def _save(model, stated, path):
    del model.metadata_props[:]
    for key, value in stated.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, str(path))
