"""Export a network that joins the model for finals (`carvoice/asr/posteriors.py`), and quantize it to int8.

It may be larger than the model, since it is run on long chunks: any number of frames, a multiple of 4, passes
in one run. Only its frames, look-ahead and labels have to be those of the model.

Command: `python -m training.finals CHECKPOINT PRIOR models/asr-en --alpha 0.8`, after `training.export` wrote
the model there; `finals.int8.onnx` is put beside it and entered in its `model.toml`.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.checkpoints import load_average
from training.export import Exported, StreamingModel, command_line, put_metadata, quantize
from training.model import FEATURE_BINS, SUBSAMPLING

NAME = "finals.int8.onnx"
INPUTS = ("features", "channel", "time")
OUTPUTS = ("log_probs", "channel_next", "time_next")


class FreeModel(nn.Module):
    """The network on features (1, T, 80) of any T, a multiple of 4, without the counters of the NeMo form."""

    def __init__(self, model: StreamingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, channel: Tensor, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log-probabilities less the prior (1, T / 4, labels) and the caches."""
        unused = torch.zeros(1, dtype=torch.int64)
        scores, _, channel, time, _ = self.model(features.transpose(1, 2), unused, channel, time, unused)
        return scores, channel, time


def export_finals(
    checkpoint: Path, log_prior: NDArray[np.float32], alpha: float, out: Path, chunk_frames: int
) -> Exported:
    """Write `finals.onnx` (float32) and `finals.int8.onnx`; chunk_frames (10 ms) is how many are best taken
    at once.
    """
    model = StreamingModel(load_average(checkpoint), log_prior, alpha).eval()
    s = model.settings
    example = (
        torch.zeros(1, chunk_frames, FEATURE_BINS),
        torch.zeros(1, s.blocks, s.kernel - 1, s.channels),
        torch.zeros(1, 1, 1, sum(model.sizes)),
    )
    exported = Exported(out / "finals.onnx", out / NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            FreeModel(model),
            example,
            str(exported.float32),
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_axes={"features": {1: "frames"}, "log_probs": {1: "steps"}},
            opset_version=17,
            dynamo=False,
        )
    quantize(exported)
    metadata: dict[str, int | str] = {
        "chunk_frames": chunk_frames,
        "subsampling_factor": SUBSAMPLING,
        "vocab_size": s.labels - 1,
        "model_author": "carvoice",
        "comment": f"phone CTC, look-ahead {s.lookahead_ms} ms, prior alpha {alpha:g}",
    }
    for path in (exported.float32, exported.int8):
        put_metadata(path, metadata)
    return exported


def enter(folder: Path) -> None:
    """Enter `finals.int8.onnx` in the folder's `model.toml`."""
    about = folder / "model.toml"
    digest = hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    lines = [line for line in about.read_text(encoding="utf-8").splitlines() if not line.startswith("finals")]
    lines.insert(lines.index("[files]") + 1, f'finals = "{NAME}"')
    lines.insert(lines.index("[sha256]") + 1, f'finals = "{digest}"')
    about.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Export the int8 network and enter it."""
    arguments = command_line(__doc__, chunk_frames=64).parse_args()
    log_prior = np.log(np.load(arguments.prior))
    exported = export_finals(
        arguments.checkpoint, log_prior, arguments.alpha, arguments.out, arguments.chunk_frames
    )
    exported.float32.unlink()
    enter(arguments.out)
    print(f"{exported.int8}: {exported.int8.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
