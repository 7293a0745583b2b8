"""What the loudspeaker played, sample by sample and when: the echo canceller's reference."""

from __future__ import annotations

import threading

import numpy as np

from carvoice.records import SAMPLE_RATE_HZ, FloatArray


class FarEndTap:
    """A ring of the last seconds of playback, indexed by time. Thread-safe.

    A sample handed over for time ``t`` is found at sample index ``round(t * 16 000)``; where nothing was
    played there is silence.

    Args:
        capacity_s: how far one can look back.
    """

    def __init__(self, capacity_s: float = 4.0) -> None:
        self._ring = np.zeros(int(capacity_s * SAMPLE_RATE_HZ), np.float32)
        self._end = 0  # index after the last sample written
        self._lock = threading.Lock()

    @property
    def end_s(self) -> float:
        """Time of the end of what is known to play."""
        return self._end / SAMPLE_RATE_HZ

    def write(self, samples: FloatArray, start_s: float) -> None:
        """Note that ``samples`` play from ``start_s``; a gap since the last ones was silence."""
        start = round(start_s * SAMPLE_RATE_HZ)
        with self._lock:
            # Clocks jitter: what plays now comes after what plays already.
            start = max(start, self._end)
            self._silence(start)
            if len(samples) > len(self._ring):
                start += len(samples) - len(self._ring)
                samples = samples[-len(self._ring) :]
            self._put(samples, start)
            self._end = start + len(samples)

    def window(self, start_s: float, length: int) -> FloatArray:
        """The ``length`` samples that play from ``start_s``; zeros where nothing did or it is forgotten."""
        start = round(start_s * SAMPLE_RATE_HZ)
        sound = np.zeros(length, np.float32)
        with self._lock:
            size = len(self._ring)
            first = max(start, self._end - size, 0)
            last = min(start + length, self._end)
            if first < last:
                indices = np.arange(first, last) % size
                sound[first - start : last - start] = self._ring[indices]
        return sound

    def _silence(self, until: int) -> None:
        gap = min(until - self._end, len(self._ring))
        if gap > 0:
            self._put(np.zeros(gap, np.float32), until - gap)

    def _put(self, samples: FloatArray, start: int) -> None:
        size = len(self._ring)
        at = start % size
        head = min(len(samples), size - at)
        self._ring[at : at + head] = samples[:head]
        self._ring[: len(samples) - head] = samples[head:]
