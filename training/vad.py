"""The voice activity network of the front end: fit to the scenes of `vad_scenes`, written as a C header.

``python -m training.vad SCENES csrc/cv_vad_weights.h --minutes 8`` (processor time, one thread). What the
network is, and sees, is told in csrc/cv_vad.h and csrc/cv_vad_features.h. The last file of scenes is not
trained on; its loss and error rates are printed before and after rounding to 8 bits. What was trained is kept
in SCENES/network.pt; with ``--go-on`` the next training starts from it, at a third of the learning rate.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

INPUTS, WIDTH = 70, 40
GATES = 3 * WIDTH
BATCH = 50
LEARNING_RATE = 6e-3
NOT_SPEECH_WEIGHT = 1.5  # a false start costs more than a late one


class Network(nn.Module):
    """Logit of speech of each frame."""

    mean: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(INPUTS))
        self.register_buffer("spread", torch.ones(INPUTS))
        self.seen = nn.Linear(INPUTS, WIDTH)
        self.first = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.second = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Features (scenes, frames, 70) to logits (scenes, frames)."""
        x = torch.relu(self.seen((features - self.mean) / self.spread))
        x, _ = self.first(x)
        x, _ = self.second(x)
        return self.out(x).squeeze(-1)


@dataclass(frozen=True)
class Scenes:
    """Features (scenes, frames, 70) and truth (scenes, frames)."""

    features: Tensor
    spoken: Tensor

    @classmethod
    def load(cls, paths: list[Path]) -> Scenes:
        """Read files of `vad_scenes`."""
        files = [np.load(path) for path in paths]
        features = np.concatenate([file["features"] for file in files])
        return cls(torch.from_numpy(features), torch.from_numpy(np.concatenate([f["spoken"] for f in files])))


def loss_of(logits: Tensor, spoken: Tensor) -> Tensor:
    """Weighted cross entropy per frame."""
    weight = torch.where(spoken, 1.0, NOT_SPEECH_WEIGHT)
    return nn.functional.binary_cross_entropy_with_logits(logits, spoken.float(), weight)


def fit(network: Network, scenes: Scenes, minutes: float, highest_rate: float) -> None:
    """Train for `minutes` of processor time; the learning rate falls along a cosine."""
    optimizer = torch.optim.AdamW(network.parameters(), highest_rate, weight_decay=1e-3)
    started_s, step, mean_loss = time.process_time(), 0, 0.7
    rng = np.random.default_rng(1)
    while (progress := (time.process_time() - started_s) / (60 * minutes)) < 1:
        rate = highest_rate * min(1.0, (step + 1) / 30) * (0.5 + 0.5 * np.cos(np.pi * progress))
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = torch.from_numpy(rng.choice(len(scenes.spoken), BATCH, replace=False))
        loss = loss_of(network(scenes.features[rows].float()), scenes.spoken[rows])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        mean_loss += 0.05 * (loss.item() - mean_loss)
        step += 1
        if step % 50 == 0:
            print(f"{progress:6.1%} step {step} loss {mean_loss:.4f}", flush=True)


@torch.no_grad()
def judge(network: Network, scenes: Scenes) -> str:
    """Loss and error rates at one half."""
    logits, spoken = network(scenes.features.float()), scenes.spoken
    found, false = (logits[spoken] >= 0).float().mean(), (logits[~spoken] >= 0).float().mean()
    return f"loss {loss_of(logits, spoken):.4f}, found {found:.2%}, false alarms {false:.2%}"


def rounded(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(in, out) to 8 bits with a scale per output."""
    scale = np.maximum(np.abs(weights).max(axis=0), 1e-9) / 127
    return np.round(weights / scale).astype(np.int8), scale.astype(np.float32)


def numbers(values: NDArray[np.generic]) -> str:
    """An initializer in lines of at most 110 characters."""
    flat = values.reshape(-1)
    words = [str(v) if values.dtype == np.int8 else f"{v:.7g}f" if "." in f"{v:.7g}" or "e" in f"{v:.7g}"
             else f"{v:.7g}.0f" for v in flat.tolist()]  # fmt: skip
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) + 2 > 108:
            lines.append(line)
            line = ""
        line += word + ", "
    return "{\n" + "\n".join([*lines, line]).replace(" \n", "\n").rstrip(", ") + "}"


def export(network: Network, path: Path) -> None:
    """Write the header and set the network to the rounded weights."""
    spread = network.spread.numpy()
    blocks = [
        "/* cv_vad_weights.h - written by training/vad.py; [in][out], 8 bits with a scale per output. */",
        "#ifndef CV_VAD_WEIGHTS_H\n#define CV_VAD_WEIGHTS_H\n",
        "typedef struct {",
        f"    int8_t input[{WIDTH * GATES}], state[{WIDTH * GATES}];",
        f"    float input_scale[{GATES}], input_bias[{GATES}], state_scale[{GATES}], state_bias[{GATES}];",
        "} cv_vad_gru;\n",
    ]

    def matrix(weight: Tensor, divide_by: NDArray[np.float32] | None = None) -> list[NDArray[np.generic]]:
        values = weight.detach().numpy().T
        if divide_by is not None:
            values = values / divide_by[:, None]
        whole, scale = rounded(values)
        back = whole * scale if divide_by is None else whole * scale * divide_by[:, None]
        weight.data.copy_(torch.from_numpy(back.T.astype(np.float32)))
        return [whole, scale]

    whole, scale = matrix(network.seen.weight, spread)
    weight, mean = network.seen.weight.detach(), network.mean
    bias = network.seen.bias.detach() - weight @ (mean / network.spread)
    blocks.append(f"static const int8_t vad_in[{INPUTS * WIDTH}] = {numbers(whole)};")
    blocks.append(f"static const float vad_in_scale[{WIDTH}] = {numbers(scale)};")
    blocks.append(f"static const float vad_in_bias[{WIDTH}] = {numbers(bias.numpy())};")
    for name, layer in (("first", network.first), ("second", network.second)):
        into, into_scale = matrix(layer.weight_ih_l0)
        state, state_scale = matrix(layer.weight_hh_l0)
        into_bias, state_bias = layer.bias_ih_l0.detach().numpy(), layer.bias_hh_l0.detach().numpy()
        parts = (into, state, into_scale, into_bias, state_scale, state_bias)
        blocks.append(f"static const cv_vad_gru vad_{name} = {{{', '.join(map(numbers, parts))}}};")
    blocks.append(f"static const float vad_out[{WIDTH}] = {numbers(network.out.weight.detach().numpy())};")
    blocks.append(f"static const float vad_out_bias = {network.out.bias.item():.7g}f;")
    path.write_text("\n".join([*blocks, "\n#endif\n"]), encoding="utf-8")


def main() -> None:
    """Fit, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("header", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--go-on", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    paths = sorted(args.scenes.glob("?????.npz"))
    network, scenes, held = Network(), Scenes.load(paths[:-1]), Scenes.load(paths[-1:])
    kept = args.scenes / "network.pt"
    if args.go_on:
        network.load_state_dict(torch.load(kept))
    else:
        some = scenes.features[::10].float()
        network.mean.copy_(some.mean((0, 1)))
        network.spread.copy_(some.std((0, 1)) + 1e-3)
    fit(network, scenes, args.minutes, LEARNING_RATE / 3 if args.go_on else LEARNING_RATE)
    torch.save(network.state_dict(), kept)
    print("as trained:", judge(network, held))
    export(network, args.header)
    print("at 8 bits: ", judge(network, held))


if __name__ == "__main__":
    main()
