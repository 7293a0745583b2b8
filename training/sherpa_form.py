"""Wrap an exported network in the form sherpa-onnx knows as a streaming zipformer2 CTC model.

In its NeMo form sherpa-onnx 2.0 feeds a network librosa's features instead of Kaldi's, whatever the
configuration says; in the zipformer2 form it feeds those the network was trained on, and its own
Python factory takes a decoding graph. The network does not change: both of its caches travel,
flattened, in the one cache whose size the metadata can set freely, and the other caches pass through.

Command: `python -m training.sherpa_form nemo.onnx out.onnx`.
"""

from __future__ import annotations

import argparse
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEATURE_BINS = 80


def to_zipformer_form(source: Path, target: Path) -> None:
    """Rewrite a five-in, five-out NeMo streaming CTC model with batch size 1."""
    model = onnx.load(source)
    stated = {entry.key: entry.value for entry in model.metadata_props}
    chunk = int(stated["window_size"])
    steps = chunk // int(stated["subsampling_factor"])
    channel, time = (
        [int(stated[f"cache_last_{kind}_dim{axis}"]) for axis in (1, 2, 3)] for kind in ("channel", "time")
    )
    n_channel, n_time = prod(channel), prod(time)
    state = -(-(n_channel + n_time) // 4) * 4  # the form wants three quarters of it as a whole number
    graph = model.graph

    def whole(name: str, values: list[int]) -> str:
        graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    rest = "form.rest"
    graph.initializer.append(
        numpy_helper.from_array(np.zeros((1, state - n_channel - n_time, 1), np.float32), rest)
    )
    axis, ends = whole("form.axis", [1]), whole("form.channel_end", [n_channel])
    before = [
        helper.make_node("Transpose", ["x"], ["audio_signal"], perm=[0, 2, 1]),
        helper.make_node(
            "Slice", ["cached_conv1_0", whole("form.begin", [0]), ends, axis], ["form.channel_flat"]
        ),
        helper.make_node(
            "Reshape",
            ["form.channel_flat", whole("form.channel_shape", [1, *channel])],
            ["cache_last_channel"],
        ),
        helper.make_node(
            "Slice",
            ["cached_conv1_0", ends, whole("form.time_end", [n_channel + n_time]), axis],
            ["form.time_flat"],
        ),
        helper.make_node(
            "Reshape", ["form.time_flat", whole("form.time_shape", [1, *time])], ["cache_last_time"]
        ),
        helper.make_node("Identity", [whole("form.length", [chunk])], ["length"]),
        helper.make_node("Identity", ["processed_lens"], ["cache_last_channel_len"]),
    ]
    log_probs, _, next_channel, next_time, _ = (output.name for output in graph.output)
    after = [
        helper.make_node("Identity", [log_probs], ["log_probs"]),
        helper.make_node(
            "Reshape", [next_channel, whole("form.channel_column", [1, n_channel, 1])], ["form.c"]
        ),
        helper.make_node("Reshape", [next_time, whole("form.time_column", [1, n_time, 1])], ["form.t"]),
        helper.make_node("Concat", ["form.c", "form.t", rest], ["new_cached_conv1_0"], axis=1),
        helper.make_node("Add", ["processed_lens", whole("form.steps", [steps])], ["new_processed_lens"]),
    ]
    shapes = {
        "cached_key_0": [1, 1, 1],
        "cached_nonlin_attn_0": [1, 1, 1, 3 * state // 4],
        "cached_val1_0": [1, 1, 1],
        "cached_val2_0": [1, 1, 1],
        "cached_conv1_0": [1, state, 1],
        "cached_conv2_0": [1, state, 1],
        "embed_states": [1, 128, 3, 19],
    }
    after += [
        helper.make_node("Identity", [name], [f"new_{name}"]) for name in shapes if name != "cached_conv1_0"
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)

    def tensor(name: str, shape: list[int], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, kind, shape)

    tokens = int(stated["vocab_size"]) + 1
    graph.input.extend(
        [
            tensor("x", [1, chunk, FEATURE_BINS]),
            *(tensor(name, shape) for name, shape in shapes.items()),
            tensor("processed_lens", [1], TensorProto.INT64),
        ]
    )
    graph.output.extend(
        [
            tensor("log_probs", [1, steps, tokens]),
            *(tensor(f"new_{name}", shape) for name, shape in shapes.items()),
            tensor("new_processed_lens", [1], TensorProto.INT64),
        ]
    )
    metadata = {
        **{"model_type": "zipformer2", "version": "1", "T": chunk, "decode_chunk_len": chunk},
        **{"encoder_dims": state, "cnn_module_kernels": 2, "num_encoder_layers": 1, "left_context_len": 1},
        **{"query_head_dims": 1, "value_head_dims": 1, "num_heads": 1},
        **{key: stated[key] for key in ("model_author", "comment") if key in stated},
    }
    del model.metadata_props[:]
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    to_zipformer_form(arguments.source, arguments.target)


if __name__ == "__main__":
    main()
