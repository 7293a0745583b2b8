"""Devices that are not there: silence in, nothing out."""

from __future__ import annotations

import numpy as np

from carvoice.audio.devices.protocols import Closing
from carvoice.errors import ConfigError
from carvoice.records import FRAME_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, FloatArray


class NullSource(Closing):
    """Silence, as fast as it is read.

    Args:
        seconds: length of the stream, None for no end.
        block_ms: length of a block, a multiple of 10.
    """

    def __init__(self, seconds: float | None = None, block_ms: int = 10) -> None:
        self._block = block_samples(block_ms)
        self._left = None if seconds is None else round(seconds * SAMPLE_RATE_HZ)
        self._position = 0

    def read(self) -> AudioBlock | None:
        """Return a block of zeros; None at the end."""
        if self._left is not None and self._position >= self._left:
            return None
        block = AudioBlock(np.zeros(self._block, np.float32), self._position / SAMPLE_RATE_HZ)
        self._position += self._block
        return block

    def close(self) -> None:
        """End the stream."""
        self._left = self._position


class NullSink(Closing):
    """Takes sound and forgets it, but for the count of ``samples``."""

    def __init__(self) -> None:
        self.samples = 0

    def write(self, samples: FloatArray) -> None:
        """Count the samples."""
        self.samples += len(samples)

    def close(self) -> None:
        """Do nothing."""


def block_samples(block_ms: int) -> int:
    """Samples of a block; raises ConfigError unless it is a positive multiple of 10 ms."""
    if block_ms < 10 or block_ms % 10:
        raise ConfigError(f"block of {block_ms} ms: must be a multiple of 10 ms")
    return block_ms // 10 * FRAME_SAMPLES
