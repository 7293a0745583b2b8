"""Export a network that joins the model for finals (`carvoice/asr/utterance_model.py`), as int8.

It reads whole utterances (`training.whole`) and may be larger than the model, whose labels it has to have.

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
from torch import Tensor
from torch.nn import functional

from training.checkpoints import load_average
from training.export import Exported, command_line, put_metadata, quantize, shorten_names
from training.folded import FoldedNetwork
from training.model import FEATURE_BINS, SUBSAMPLING
from training.whole import WholeModel, with_trailing_mean

NAME = "finals.int8.onnx"
EXAMPLE_FRAMES = 256


class WholeUtterance(FoldedNetwork):
    """The network on features (1, T, 80), T a multiple of 4, in one run."""

    def __init__(self, model: WholeModel, log_prior: NDArray[np.float32], alpha: float) -> None:
        super().__init__(model, log_prior, alpha)
        self.settings = model.settings

    def forward(self, features: Tensor) -> Tensor:
        """Return log-probabilities less the prior (1, T / 4, labels)."""
        both = with_trailing_mean((features - self.mean) * self.scale, self.settings.mean_frames)
        half = self.front1(functional.pad(both, (0, 0, 3, 0)))
        frames = self.front2(functional.pad(half, (0, 0, 3, 0)))
        for block in self.blocks:
            frames = block(frames)
        return torch.log_softmax(self.head(frames), -1) - self.offset


def export_finals(checkpoint: Path, log_prior: NDArray[np.float32], alpha: float, out: Path) -> Exported:
    """Write `finals.onnx` (float32) and `finals.int8.onnx`.

    Raises:
        ValueError: the checkpoint is that of a network that streams.
    """
    trained = load_average(checkpoint)
    if not isinstance(trained, WholeModel):
        raise ValueError(f"{checkpoint}: a network that streams; widen it by training.widen and train on")
    exported = Exported(out / "finals.onnx", out / NAME)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            WholeUtterance(trained, log_prior, alpha).eval(),
            (torch.zeros(1, EXAMPLE_FRAMES, FEATURE_BINS),),
            str(exported.float32),
            input_names=["features"],
            output_names=["log_probs"],
            dynamic_axes={"features": {1: "frames"}, "log_probs": {1: "steps"}},
            opset_version=17,
            dynamo=False,
        )
    quantize(exported)
    metadata: dict[str, int | str] = {
        "subsampling_factor": SUBSAMPLING,
        "vocab_size": trained.settings.labels - 1,
        "model_author": "carvoice",
        "comment": f"phone CTC over whole utterances, prior alpha {alpha:g}",
    }
    for path in (exported.float32, exported.int8):
        put_metadata(path, metadata)
        shorten_names(path)
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
    arguments = command_line(__doc__).parse_args()
    exported = export_finals(
        arguments.checkpoint, np.log(np.load(arguments.prior)), arguments.alpha, arguments.out
    )
    exported.float32.unlink()
    enter(arguments.out)
    print(f"{exported.int8}: {exported.int8.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
