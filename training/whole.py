"""A network for finals that sees the whole utterance.

Its convolutions look as far ahead as back, and each block bends its channels by the mean of the four
seconds around a frame, which tells the talker and the cabin (after W. Han et al., "ContextNet: Improving
Convolutional Neural Networks for Automatic Speech Recognition with Global Context", Interspeech 2020, section
2.2; scale and shift as in E. Perez et al., "FiLM", AAAI 2018).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.model import PhoneNetwork


@dataclass(frozen=True, slots=True)
class WholeSettings:
    """Sizes of the network; frames after the front are 40 ms. `reach`: frames that a block sees to each side;
    `around`: frames to each side over which a block's mean is taken; `bend`: width of what is made of it.
    """

    labels: int = 40
    channels: int = 256
    hidden: int = 1152
    blocks: int = 15
    reach: int = 8
    around: int = 50
    bend: int = 24
    mean_frames: int = 200
    front_channels: int = 192

    @property
    def delayed_blocks(self) -> int:
        """Frames by which its output is late: none."""
        return 0

    def as_dict(self) -> dict[str, int]:
        """Return the sizes as plain numbers, for a checkpoint."""
        return asdict(self)


def mean_around(frames: Tensor, around: int) -> Tensor:
    """Return the mean of frames (B, T, C) over `around` frames to each side, or as many as there are."""
    width = 2 * around + 1

    def total(of: Tensor) -> Tensor:
        sums = torch.cumsum(functional.pad(of.float(), (0, 0, around + 1, around)), 1)
        return sums[:, width:] - sums[:, :-width]

    return total(frames) / total(torch.ones_like(frames[:1, :, :1]))


def with_trailing_mean(normalized: Tensor, window: int) -> Tensor:
    """Return frames (B, T, C) and how far they are from the mean of the last `window`, (B, T, 2 C)."""
    sums = torch.cumsum(functional.pad(normalized, (0, 0, window, 0)), 1)
    return torch.cat([normalized, normalized - (sums[:, window:] - sums[:, :-window]) / window], 2)


class WholeBlock(nn.Module):
    """Depthwise convolution to both sides, bent by the mean around, pointwise expansion, residual."""

    def __init__(self, settings: WholeSettings) -> None:
        super().__init__()
        channels = settings.channels
        self.around = settings.around
        self.depthwise = nn.Conv1d(
            channels, channels, 2 * settings.reach + 1, groups=channels, padding=settings.reach
        )
        self.norm = nn.BatchNorm1d(channels)
        self.gather = nn.Linear(channels, settings.bend)
        self.bend = nn.Linear(settings.bend, 2 * channels)
        self.expand = nn.Linear(channels, settings.hidden)
        self.contract = nn.Linear(settings.hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames (B, T, C) to (B, T, C)."""
        mixed = self.norm(self.depthwise(frames.transpose(1, 2))).transpose(1, 2)
        factor, shift = self.bend(functional.silu(self.gather(mean_around(mixed, self.around)))).chunk(2, -1)
        refined = self.contract(functional.silu(self.expand(mixed + mixed * factor + shift)))
        return frames + self.scale * refined


class WholeModel(PhoneNetwork):
    """Log-mel frames of a whole utterance in, phone logits every 40 ms out."""

    def __init__(self, settings: WholeSettings) -> None:
        blocks = (WholeBlock(settings) for _ in range(settings.blocks))
        super().__init__(settings.labels, settings.channels, settings.front_channels, blocks)
        self.settings = settings

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, T / 4, labels) for natural-log mel energies (B, T, 80), T a multiple of 4."""
        normalized = (features - self.feature_mean) * self.feature_scale
        both = functional.pad(with_trailing_mean(normalized, self.settings.mean_frames), (0, 0, 3, 0))
        half = functional.silu(self.front1_norm(self.front1(both.transpose(1, 2))))
        frames = functional.silu(self.front2_norm(self.front2(functional.pad(half, (3, 0))))).transpose(1, 2)
        for block in self.blocks:
            frames = block(frames)
        logits: Tensor = self.head(self.final_norm(frames.transpose(1, 2)).transpose(1, 2))
        return logits
