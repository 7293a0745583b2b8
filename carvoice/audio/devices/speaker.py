"""A sound card's output, and the far-end reference taken from it.

The sound card's thread only moves samples between its buffer and a lock-free ring; resampling and all
else happens in the thread that writes or takes.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np
import soxr

from carvoice.audio._ring import RingBuffer
from carvoice.audio.devices.host import LOOK_S, LOST_AFTER_S, RETRY_S, RING_S, HostStream, pyaudio_module
from carvoice.audio.devices.protocols import Closing
from carvoice.errors import AudioError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from carvoice.trace import Clock


class SpeakerSink(Closing):
    """A loudspeaker, and the tap for the echo canceller's reference: exactly what was played, and when.

    While a device that was pulled out is gone, what is written is thrown away in real time.

    Args:
        device: index or part of the name, None for the default.
        buffer_ms: how much ``write`` may run ahead of the sound card.
        clock: monotonic seconds.

    Attributes:
        xruns: times the sound card complained that it ran empty.
        losses: times the device was lost.

    Raises:
        AudioError: no such device, or PyAudio is missing.
    """

    def __init__(
        self, device: int | str | None = None, *, buffer_ms: int = 200, clock: Clock = time.monotonic
    ) -> None:
        self._module = pyaudio_module()
        self._device = device
        self._buffer_ms = buffer_ms
        self._clock = clock
        self.xruns = 0
        self.losses = 0
        self._is_open = True
        self._discard = threading.Event()
        self._room = threading.Event()
        self._stream: HostStream | None = None
        self._retry_at_s = 0.0
        self._start()

    def _start(self) -> None:
        """Find and start the device; raises AudioError."""
        self._stream = HostStream(self._device, "Output", 1, self._prepare, self._on_need)

    def _prepare(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        same = rate_hz == SAMPLE_RATE_HZ
        self._up = None if same else soxr.ResampleStream(SAMPLE_RATE_HZ, rate_hz, 1, dtype="float32")
        self._down = None if same else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
        self._queue = RingBuffer(max(1, self._buffer_ms * rate_hz // 1000))
        self._played = RingBuffer(int(RING_S * rate_hz))
        self._rest: FloatArray = np.zeros(0, np.float32)
        self._asked_s = self._clock()

    def _release(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _on_need(self, _data: None, count: int, _times: Any, status: int) -> tuple[bytes, int]:
        self._asked_s = self._clock()
        if self._discard.is_set():
            self._queue.read(len(self._queue))
            self._discard.clear()
        samples = np.zeros(count, np.float32)
        ready = min(count, len(self._queue))
        if ready:
            samples[:ready] = self._queue.read(ready)
        if status:
            self.xruns += 1
        self._played.write(samples)
        self._room.set()
        return samples.tobytes(), self._module.paContinue

    def write(self, samples: FloatArray) -> None:
        """Queue mono samples; waits while the queue is full.

        Raises:
            AudioError: the loudspeaker was closed.
        """
        clipped = np.clip(samples, -1.0, 1.0).astype(np.float32)
        out = clipped if self._up is None else np.asarray(self._up.resample_chunk(clipped), np.float32)
        done = 0
        while done < len(out):
            if not self._is_open:
                raise AudioError("the loudspeaker is closed")
            self._room.clear()
            free = self._queue.capacity - len(self._queue)
            done += self._queue.write(out[done : done + free])
            if done < len(out) and not self._room.wait(LOOK_S) and self.is_lost:
                self._retry()
                done += round(LOOK_S * self.rate_hz)  # heard by nobody

    @property
    def is_lost(self) -> bool:
        """Whether the device is gone."""
        return self._stream is None or self._clock() - self._asked_s > LOST_AFTER_S

    def _retry(self) -> None:
        """Try to open the device again, not too often."""
        if self._clock() < self._retry_at_s:
            return
        self._retry_at_s = self._clock() + RETRY_S
        if self._stream is not None:
            self.losses += 1
        self._release()
        with contextlib.suppress(AudioError):  # still gone
            self._start()

    def take(self, count: int) -> FloatArray:
        """See :class:`FarTap`. Keeps at most half a second of lead, so that a late reader catches up."""
        while len(self._rest) < count:
            got = self._played.read(min(len(self._played), self.rate_hz // 100))
            if got is None or len(got) == 0:
                break
            if self._down is not None:
                got = np.asarray(self._down.resample_chunk(got), np.float32)
            self._rest = np.concatenate([self._rest, got])
        excess = len(self._played) - self.rate_hz // 2
        if excess > 0:
            self._played.read(excess)
        out, self._rest = self._rest[:count], self._rest[count:]
        return np.pad(out, (0, count - len(out)))

    def cancel(self) -> None:
        """Be silent at once: what is queued is thrown away when the sound card next asks."""
        self._discard.set()

    def close(self) -> None:
        """Stop the sound card."""
        if self._is_open:
            self._is_open = False
            self._release()
