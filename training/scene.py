"""The cabin, made in the log-mel domain on whatever device trains: noise, level, band limits, masks.

Energies of independent sounds add; within a mel band of few spectral lines they also interfere, which is
modelled by a random cross term whose spread follows the number of lines. That makes every pass over the same
speech meet another noise at another level for the price of a few element-wise operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.batches import level
from training.model import FEATURE_BINS
from training.shards import Shard

# 16-bit quantization seen by the features, log energy of the quietest bands.
_FLOOR_LOG_ENERGY = -15.0


@dataclass(frozen=True, slots=True)
class SceneSettings:
    """Ranges the scenes are drawn from; SNR in dB of active speech against noise."""

    snr_db: tuple[float, float] = (-5.0, 30.0)
    quiet_share: float = 0.2
    level_db: tuple[float, float] = (-32.0, 8.0)
    second_noise_share: float = 0.3
    band_limit_share: float = 0.2
    frequency_masks: int = 2
    time_masks: int = 4


def _interference_spread() -> Tensor:
    edges = torch.linspace(0, 1, FEATURE_BINS + 2)
    low, high = 1127 * np.log1p(20 / 700), 1127 * np.log1p(7600 / 700)
    hertz = 700 * (torch.exp((low + edges * (high - low)) / 1127) - 1)
    lines = ((hertz[2:] - hertz[:-2]) / 2 / 31.25).clamp_min(1.0) * 1.5
    return torch.rsqrt(2 * lines)


class NoiseBank:
    """Noise features on the training device, levelled to log energy 0."""

    def __init__(self, table: Path, device: torch.device) -> None:
        shard = Shard.load(table)
        pieces = [np.asarray(data, dtype=np.float32) for _, data in shard.items()]
        frames = min(len(piece) for piece in pieces)
        bank = np.stack([piece[:frames] - level(piece) for piece in pieces])
        self.pieces = torch.from_numpy(bank.astype(np.float16)).to(device)
        self.frames = frames

    def draw(self, rows: int, frames: int, generator: torch.Generator) -> Tensor:
        """Return (rows, frames, 80) random stretches, float32."""
        picks = torch.randint(0, len(self.pieces), (rows,), generator=generator)
        starts = torch.randint(0, self.frames - frames + 1, (rows,), generator=generator)
        return torch.stack(
            [
                self.pieces[int(p), int(s) : int(s) + frames].float()
                for p, s in zip(picks, starts, strict=True)
            ]
        )


class Scene:
    """Turns clean rows into what a cabin microphone would deliver."""

    def __init__(self, bank: NoiseBank, settings: SceneSettings, device: torch.device, seed: int) -> None:
        self._bank = bank
        self._settings = settings
        self._device = device
        self._random = torch.Generator().manual_seed(seed)
        self._spread = _interference_spread().to(device)
        position = torch.linspace(0, 1, FEATURE_BINS)
        self._waves = torch.stack([torch.cos(np.pi * k * position) for k in range(1, 6)])

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self._random)

    def _curves(self, rows: int, spread_db: float) -> Tensor:
        """Smooth random equalizer curves (rows, 1, 80) in log energy; some rows also lose a band edge."""
        weights = (
            torch.randn(rows, 5, generator=self._random) * spread_db / torch.sqrt(torch.arange(1.0, 6.0))
        )
        curve_db = weights @ self._waves
        bins = torch.arange(FEATURE_BINS, dtype=torch.float32)[None]
        limited = torch.rand(rows, 1, generator=self._random) < self._settings.band_limit_share
        low = self._uniform(0, 18, rows, 1)
        high = self._uniform(56, 82, rows, 1)
        slope_db = self._uniform(2, 12, rows, 1)
        edges_db = slope_db * ((low - bins).clamp_min(0) + (bins - high).clamp_min(0)).clamp_max(12)
        return ((curve_db - limited * edges_db) * 0.2303)[:, None]

    def _add(self, a: Tensor, b: Tensor) -> Tensor:
        """Log energy of the sum of two independent sounds, with interference."""
        cross = torch.randn_like(a).mul_(self._spread).clamp_(-0.9, 0.9)
        half_difference = (a - b).abs_().mul_(-0.5)
        ratio = half_difference.exp_()
        return torch.maximum(a, b) + torch.log1p(ratio * (ratio + 2 * cross)).clamp_min_(-4.0)

    def __call__(self, speech: Tensor, easiness: float = 0.0) -> Tensor:
        """Return noisy features (rows, frames, 80); `easiness` 1..0 raises the lowest SNR by up to 20 dB."""
        s, rows, frames = self._settings, speech.shape[0], speech.shape[1]
        noise = self._bank.draw(rows, frames, self._random) + self._curves(rows, 2.0).to(self._device)
        if torch.rand(1, generator=self._random).item() < s.second_noise_share:
            other_db = self._uniform(-15, 3, rows, 1, 1).to(self._device)
            noise = torch.logaddexp(noise, self._bank.draw(rows, frames, self._random) + other_db * 0.2303)
        low, high = s.snr_db
        snr_db = self._uniform(min(high, low + 20 * easiness), high, rows, 1, 1)
        quiet = torch.rand(rows, 1, 1, generator=self._random) < s.quiet_share + 0.5 * easiness * (
            1 - s.quiet_share
        )
        snr_db = torch.where(quiet, self._uniform(high, 60, rows, 1, 1), snr_db)
        mixed = self._add(
            speech + self._curves(rows, 1.5).to(self._device), noise - snr_db.to(self._device) * 0.2303
        )
        # speech at log energy 0 summed over 80 bands corresponds to roughly -24 dBFS once 4.0 is added
        gain = self._uniform(*s.level_db, rows, 1, 1) * 0.2303 + 4.0
        mixed = mixed + (self._curves(rows, 1.0) + gain).to(self._device)
        mixed = torch.logaddexp(mixed, torch.full((), _FLOOR_LOG_ENERGY, device=self._device))
        return self._mask(mixed)

    def _mask(self, features: Tensor) -> Tensor:
        rows, frames, bins = features.shape
        fill = features.mean(1)
        for row in range(rows):
            for _ in range(self._settings.frequency_masks):
                width = int(torch.randint(0, 13, (1,), generator=self._random))
                at = int(torch.randint(0, bins - width + 1, (1,), generator=self._random))
                features[row, :, at : at + width] = fill[row, at : at + width]
            for _ in range(
                int(torch.randint(0, self._settings.time_masks + 1, (1,), generator=self._random))
            ):
                width = int(torch.randint(1, 11, (1,), generator=self._random))
                at = int(torch.randint(0, frames - width, (1,), generator=self._random))
                features[row, at : at + width] = fill[row]
        return features
