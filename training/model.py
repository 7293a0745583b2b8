"""The acoustic model: a small causal convolutional phone-CTC network that streams without re-computation.

Two stride-2 causal convolutions bring 10 ms log-mel frames to 40 ms, then blocks of a causal depthwise
convolution followed by a pointwise expansion refine them. The first `delayed_blocks` blocks add their input
one frame late, so each of them sees one future frame (40 ms) without any block looking ahead of its chunk:
the look-ahead of the whole network is `delayed_blocks` x 40 ms and every state is a short, fixed cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURE_BINS = 80
SUBSAMPLING = 4
FRAME_SHIFT_MS = 10


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Sizes of the network; frames after the front are 40 ms."""

    labels: int = 40
    channels: int = 256
    hidden: int = 640
    blocks: int = 12
    kernel: int = 9
    delayed_blocks: int = 8
    mean_frames: int = 200
    front_channels: int = 192

    @property
    def lookahead_ms(self) -> int:
        """Time the network waits for the future before it names a frame, ms."""
        return self.delayed_blocks * SUBSAMPLING * FRAME_SHIFT_MS

    def as_dict(self) -> dict[str, int | float]:
        """Return the sizes as plain numbers, for a checkpoint."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StreamState:
    """What the network remembers between chunks; all tensors start as zeros.

    mean: (B, mean_frames - 1, 80) normalized frames for the trailing mean.
    front1: (B, 3, 160), front2: (B, 3, front_channels): inputs of the strided convolutions.
    blocks: (B, blocks, kernel - 1, channels): inputs of the depthwise convolutions.
    """

    mean: Tensor
    front1: Tensor
    front2: Tensor
    blocks: Tensor


class Block(nn.Module):
    """Causal depthwise convolution, pointwise expansion, and a residual that may be one frame late."""

    def __init__(self, settings: ModelSettings, delayed: bool) -> None:
        super().__init__()
        channels, hidden = settings.channels, settings.hidden
        self.context = settings.kernel - 1
        self.delayed = delayed
        self.depthwise = nn.Conv1d(channels, channels, settings.kernel, groups=channels)
        self.norm = nn.BatchNorm1d(channels)
        self.expand = nn.Linear(channels, hidden)
        self.contract = nn.Linear(hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, frames: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames (B, T, C) and the cache (B, kernel - 1, C) to the output (B, T, C) and the next
        cache.
        """
        padded = torch.cat([cache, frames], 1)
        total = padded.shape[1]
        mixed = self.norm(self.depthwise(padded.transpose(1, 2))).transpose(1, 2)
        refined = self.contract(functional.silu(self.expand(mixed)))
        residual = padded[:, self.context - 1 : total - 1] if self.delayed else frames
        return residual + self.scale * refined, padded[:, total - self.context :]


class PhoneNetwork(nn.Module):
    """The layers of every network here: normalization, a front that halves the rate twice, blocks, a head."""

    def __init__(self, labels: int, channels: int, front_channels: int, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.feature_mean: Tensor
        self.feature_scale: Tensor
        self.register_buffer("feature_mean", torch.zeros(FEATURE_BINS))
        self.register_buffer("feature_scale", torch.ones(FEATURE_BINS))
        self.front1 = nn.Conv1d(2 * FEATURE_BINS, front_channels, 5, stride=2)
        self.front1_norm = nn.BatchNorm1d(front_channels)
        self.front2 = nn.Conv1d(front_channels, channels, 5, stride=2)
        self.front2_norm = nn.BatchNorm1d(channels)
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = nn.BatchNorm1d(channels)
        self.head = nn.Linear(channels, labels)


class AcousticModel(PhoneNetwork):
    """Log-mel frames in, phone logits every 40 ms out."""

    def __init__(self, settings: ModelSettings) -> None:
        blocks = (Block(settings, i < settings.delayed_blocks) for i in range(settings.blocks))
        super().__init__(settings.labels, settings.channels, settings.front_channels, blocks)
        self.settings = settings

    def initial_state(self, batch: int) -> StreamState:
        """Return the state before the first frame."""
        s = self.settings
        zeros = self.feature_mean.new_zeros
        return StreamState(
            zeros(batch, s.mean_frames - 1, FEATURE_BINS),
            zeros(batch, 3, 2 * FEATURE_BINS),
            zeros(batch, 3, s.front_channels),
            zeros(batch, s.blocks, s.kernel - 1, s.channels),
        )

    def stream(self, features: Tensor, state: StreamState) -> tuple[Tensor, StreamState]:
        """Process one chunk.

        features: (B, T, 80) natural-log mel energies, T a multiple of 4. Returns logits (B, T / 4, labels)
        and the next state.
        """
        normalized = (features - self.feature_mean) * self.feature_scale
        window = self.settings.mean_frames
        history = torch.cat([state.mean, normalized], 1)
        sums = torch.cumsum(functional.pad(history, (0, 0, 1, 0)), 1)
        trailing_mean = (sums[:, window:] - sums[:, :-window]) / window
        both = torch.cat([state.front1, torch.cat([normalized, normalized - trailing_mean], 2)], 1)
        half = functional.silu(self.front1_norm(self.front1(both.transpose(1, 2))))
        half = torch.cat([state.front2.transpose(1, 2).to(half.dtype), half], 2)
        frames = functional.silu(self.front2_norm(self.front2(half))).transpose(1, 2)
        caches = []
        for index, block in enumerate(self.blocks):
            frames, cache = block(frames, state.blocks[:, index].to(frames.dtype))
            caches.append(cache)
        frames = self.final_norm(frames.transpose(1, 2)).transpose(1, 2)
        following = StreamState(
            history[:, history.shape[1] - (window - 1) :],
            both[:, both.shape[1] - 3 :],
            half[:, :, half.shape[2] - 3 :].transpose(1, 2),
            torch.stack(caches, 1),
        )
        return self.head(frames), following

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, T / 4, labels) for whole rows of features (B, T, 80), T a multiple of 4."""
        logits, _ = self.stream(features, self.initial_state(features.shape[0]))
        return logits


def parameter_count(model: nn.Module) -> int:
    """Return the number of trained numbers."""
    return sum(p.numel() for p in model.parameters())
