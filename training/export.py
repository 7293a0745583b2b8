"""Export to a streaming ONNX form that sherpa-onnx runs (`training.sherpa_form`), and quantize to int8.

Normalization and batch norms are folded into the weights (`training.folded`), the label prior is baked into
the output.

Command: `python -m training.export CHECKPOINT PRIOR models/asr-en --alpha 0.8 --chunk-frames 16`.
"""

from __future__ import annotations

import argparse
import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor
from torch.nn import functional

from training.checkpoints import load_average
from training.folded import FoldedNetwork
from training.model import FEATURE_BINS, FRAME_SHIFT_MS, SUBSAMPLING, AcousticModel
from training.noise import SAMPLE_RATE_HZ
from training.phones import LABELS
from training.sherpa_form import to_zipformer_form

INPUTS = ("audio_signal", "length", "cache_last_channel", "cache_last_time", "cache_last_channel_len")
OUTPUTS = (
    *("logprobs", "encoded_lengths", "cache_last_channel_next", "cache_last_time_next"),
    "cache_last_channel_next_len",
)


class StreamingModel(FoldedNetwork):
    """The network in the five-in, five-out form of a NeMo streaming CTC encoder.

    `cache_last_channel` holds the blocks' inputs (B, blocks, kernel - 1, channels); `cache_last_time` holds
    the mean window and the inputs of the strided convolutions, flat, (B, 1, 1, n).
    """

    def __init__(self, model: AcousticModel, log_prior: NDArray[np.float32], alpha: float) -> None:
        super().__init__(model, log_prior, alpha)
        s = self.settings = model.settings
        self.sizes = (
            (s.mean_frames - 1) * FEATURE_BINS,
            3 * 2 * FEATURE_BINS,
            3 * s.front_channels,
        )

    def forward(
        self,
        audio_signal: Tensor,
        length: Tensor,
        cache_last_channel: Tensor,
        cache_last_time: Tensor,
        cache_last_channel_len: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Process features (B, 80, T); returns log-probabilities less the prior (B, T / 4, labels) and the
        caches.
        """
        s, (size_mean, size1, _) = self.settings, self.sizes
        flat = cache_last_time.reshape(-1, sum(self.sizes))
        history = flat[:, :size_mean].reshape(-1, s.mean_frames - 1, FEATURE_BINS)
        front1 = flat[:, size_mean : size_mean + size1].reshape(-1, 3, 2 * FEATURE_BINS)
        front2 = flat[:, size_mean + size1 :].reshape(-1, 3, s.front_channels)
        normalized = (audio_signal.transpose(1, 2) - self.mean) * self.scale
        history = torch.cat([history, normalized], 1)
        sums = torch.cumsum(functional.pad(history, (0, 0, 1, 0)), 1)
        trailing = (sums[:, s.mean_frames :] - sums[:, : -s.mean_frames]) / s.mean_frames
        front1 = torch.cat([front1, torch.cat([normalized, normalized - trailing], 2)], 1)
        front2 = torch.cat([front2, self.front1(front1)], 1)
        frames = self.front2(front2)
        caches = []
        for index, block in enumerate(self.blocks):
            frames, cache = block(frames, cache_last_channel[:, index])
            caches.append(cache)
        scores = torch.log_softmax(self.head(frames), -1) - self.offset
        following = [history[:, -(s.mean_frames - 1) :], front1[:, -3:], front2[:, -3:]]
        flat = torch.cat([part.flatten(1) for part in following], 1)[:, None, None]
        steps = torch.div(length, SUBSAMPLING, rounding_mode="floor")
        return scores, steps, torch.stack(caches, 1), flat, cache_last_channel_len + steps


@dataclass(frozen=True, slots=True)
class Exported:
    """Where the two forms of the exported model lie."""

    float32: Path
    int8: Path


def quantize(exported: Exported) -> None:
    """Write the int8 form from the float32 form: weights per channel, activations as they come."""
    quantize_dynamic(
        exported.float32,
        exported.int8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"],
        per_channel=True,
    )


def shorten_names(path: Path) -> None:
    """Rename what nobody asks for by name: torch's names take a fortieth of a small file."""
    model = onnx.load(path)
    kept = {item.name for item in (*model.graph.input, *model.graph.output)}
    short: dict[str, str] = {"": ""}

    def renamed(name: str) -> str:
        return name if name in kept else short.setdefault(name, f"{len(short):x}")

    for initializer in model.graph.initializer:
        initializer.name = renamed(initializer.name)
    for node in model.graph.node:
        node.name = node.doc_string = ""
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    del model.graph.value_info[:]
    onnx.save(model, path)


def put_metadata(path: Path, metadata: dict[str, int | str]) -> None:
    """Replace the metadata of an ONNX file."""
    model = onnx.load(path)
    del model.metadata_props[:]
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, path)


def export(
    checkpoint: Path,
    log_prior: NDArray[np.float32],
    alpha: float,
    out: Path,
    chunk_frames: int,
    name: str = "model",
) -> Exported:
    """Write `name.onnx` (float32) and `name.int8.onnx`; chunk_frames counts 10 ms frames and is a multiple
    of 4.
    """
    out.mkdir(parents=True, exist_ok=True)
    trained = load_average(checkpoint)
    if not isinstance(trained, AcousticModel):
        raise ValueError(f"{checkpoint}: cannot stream; export it by training.finals")
    model = StreamingModel(trained, log_prior, alpha).eval()
    s = model.settings
    time_cache = sum(model.sizes)
    example = (
        torch.zeros(1, FEATURE_BINS, chunk_frames),
        torch.tensor([chunk_frames]),
        torch.zeros(1, s.blocks, s.kernel - 1, s.channels),
        torch.zeros(1, 1, 1, time_cache),
        torch.zeros(1, dtype=torch.int64),
    )
    exported = Exported(out / f"{name}.onnx", out / f"{name}.int8.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            example,
            str(exported.float32),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={key: {0: "batch"} for key in (*INPUTS, *OUTPUTS)},
            opset_version=17,
            dynamo=False,
        )
    quantize(exported)
    metadata: dict[str, int | str] = {
        "model_type": "EncDecCTCModelBPE",
        "window_size": chunk_frames,
        "chunk_shift": chunk_frames,
        "subsampling_factor": SUBSAMPLING,
        "vocab_size": s.labels - 1,
        "cache_last_channel_dim1": s.blocks,
        "cache_last_channel_dim2": s.kernel - 1,
        "cache_last_channel_dim3": s.channels,
        "cache_last_time_dim1": 1,
        "cache_last_time_dim2": 1,
        "cache_last_time_dim3": time_cache,
        "version": "1",
        "model_author": "carvoice",
        "comment": f"phone CTC, look-ahead {s.lookahead_ms} ms, prior alpha {alpha:g}",
    }
    for path in (exported.float32, exported.int8):
        put_metadata(path, metadata)
        to_zipformer_form(path, path)
    return exported


def write_description(out: Path, model: Path, chunk_frames: int, alpha: float, lookahead_ms: int) -> None:
    """Write `tokens.txt` and `model.toml` beside the model."""
    tokens = "".join(f"{label} {index}\n" for index, label in enumerate(LABELS))
    (out / "tokens.txt").write_text(tokens, encoding="utf-8")
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    (out / "model.toml").write_text(
        "# What the recognizer needs to know about this model; written by training/export.py.\n"
        'name = "asr-en"\nlanguage = "en"\nkind = "phone-ctc"\n'
        f"sample_rate_hz = {SAMPLE_RATE_HZ}\nfeature_bins = {FEATURE_BINS}\n"
        f"chunk_ms = {chunk_frames * FRAME_SHIFT_MS}\nchunk_frames = {chunk_frames}\n"
        f"frame_ms = {FRAME_SHIFT_MS * SUBSAMPLING}\nlook_ahead_ms = {lookahead_ms}\n"
        f'phones = "arpabet-39"\nprior_alpha = {alpha:g} # label prior, baked into the output\n'
        'licence = "Apache-2.0"\n\n'
        f'[files]\nmodel = "{model.name}"\ntokens = "tokens.txt"\n\n[sha256]\nmodel = "{digest}"\n',
        encoding="utf-8",
    )


def command_line(what: str | None) -> argparse.ArgumentParser:
    """Return the arguments of whatever exports a checkpoint."""
    parser = argparse.ArgumentParser(description=what, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("prior", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--alpha", type=float, default=0.8)
    return parser


def main() -> None:
    """Export the int8 model with its description; the float32 form goes to --keep-float32 if given."""
    parser = command_line(__doc__)
    parser.add_argument("--chunk-frames", type=int, default=16)
    parser.add_argument("--keep-float32", action="store_true")
    arguments = parser.parse_args()
    log_prior = np.log(np.load(arguments.prior))
    exported = export(arguments.checkpoint, log_prior, arguments.alpha, arguments.out, arguments.chunk_frames)
    lookahead_ms = load_average(arguments.checkpoint).settings.lookahead_ms
    write_description(arguments.out, exported.int8, arguments.chunk_frames, arguments.alpha, lookahead_ms)
    if not arguments.keep_float32:
        exported.float32.unlink()
    print(f"{exported.int8}: {exported.int8.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
