"""A sound card's inputs: the microphone, and the loopback of what others play.

The sound card's thread only moves samples into a lock-free ring; resampling and all else happens in the
thread that reads.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import soxr

from carvoice.audio._ring import RingBuffer
from carvoice.audio.devices.host import LOOK_S, LOST_AFTER_S, RETRY_S, RING_S, HostStream, pyaudio_module
from carvoice.audio.devices.null import block_samples
from carvoice.audio.devices.protocols import Closing, FarTap
from carvoice.errors import AudioError
from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray
from carvoice.trace import Clock


class _Capture:
    """An input stream into a ring at the device's own rate; opens again after the device was lost."""

    def __init__(self, device: int | str | None, channels: int, clock: Clock) -> None:
        self._module = pyaudio_module()
        self._device = device
        self._channels = channels
        self._clock = clock
        self.xruns = 0
        self.losses = 0
        self._stream: HostStream | None = None
        self.open()

    def open(self) -> None:
        """Find and start the device; raises AudioError."""
        self._stream = HostStream(self._device, "Input", self._channels, self._prepare, self._on_audio)
        self.heard_s = self._clock()

    def _prepare(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.ring = RingBuffer(int(RING_S * rate_hz), self._channels)
        self._resampler = (
            None
            if rate_hz == SAMPLE_RATE_HZ
            else soxr.ResampleStream(rate_hz, SAMPLE_RATE_HZ, self._channels, dtype="float32")
        )

    def _on_audio(self, data: bytes, _count: int, _times: Any, status: int) -> tuple[None, int]:
        samples = np.frombuffer(data, np.float32)
        frames = samples if self._channels == 1 else samples.reshape(-1, self._channels)
        if self.ring.write(frames) < len(frames) or status:
            self.xruns += 1
        return None, self._module.paContinue

    def take(self, timeout_s: float) -> FloatArray | None:
        """About 10 ms at 16 kHz, (n, channels), or None if nothing came in time."""
        got = self.ring.read(self.rate_hz // 100, timeout_s)
        if got is None:
            return None
        self.heard_s = self._clock()
        frames = got.reshape(-1, self._channels)
        if self._resampler is None:
            return frames
        return np.asarray(self._resampler.resample_chunk(frames), np.float32).reshape(-1, self._channels)

    @property
    def lost(self) -> bool:
        """Whether the device seems to be gone."""
        return self._stream is None or self._clock() - self.heard_s > LOST_AFTER_S

    def retry(self) -> bool:
        """Try once to open the device again."""
        if self._stream is not None:
            self.losses += 1
        self._release()
        try:
            self.open()
        except AudioError:
            return False
        return True

    def _release(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def close(self) -> None:
        """Stop for good."""
        self.ring.close()
        self._release()


class LoopbackTap(Closing):
    """Far-end reference from a monitor device: what others play, music above all.

    Args:
        device: index or part of the name of the monitor input (``list_devices`` shows them).
        clock: monotonic seconds.

    Raises:
        AudioError: no such device, or PyAudio is missing.
    """

    def __init__(self, device: int | str, *, clock: Clock = time.monotonic) -> None:
        self._capture = _Capture(device, 1, clock)
        self._clock = clock
        self._retry_at_s = 0.0
        self._rest: FloatArray = np.zeros(0, np.float32)

    def take(self, count: int) -> FloatArray:
        """See :class:`FarTap`."""
        while len(self._rest) < count and (more := self._capture.take(0.0)) is not None:
            self._rest = np.concatenate([self._rest, more[:, 0]])
        if len(self._rest) < count and self._capture.lost and self._clock() >= self._retry_at_s:
            self._retry_at_s = self._clock() + RETRY_S
            self._capture.retry()
        out, self._rest = self._rest[:count], self._rest[count:]
        return np.pad(out, (0, count - len(out)))

    def close(self) -> None:
        """Stop listening."""
        self._capture.close()


class MicrophoneSource(Closing):
    """A microphone.

    A device that is pulled out gives silence, in real time, until it is back.

    Args:
        device: index or part of the name, None for the default.
        channels: microphones to read.
        far: where to take the loudspeaker's signal from (a SpeakerSink or a LoopbackTap).
        block_ms: length of a block, a multiple of 10.
        clock: monotonic seconds.

    Attributes:
        xruns: times the sound card or the ring ran over.
        losses: times the device was lost.

    Raises:
        AudioError: no such device, or PyAudio is missing.
    """

    def __init__(
        self,
        device: int | str | None = None,
        *,
        channels: int = 1,
        far: FarTap | None = None,
        block_ms: int = 10,
        clock: Clock = time.monotonic,
    ) -> None:
        self._block = block_samples(block_ms)
        self._channels = channels
        self._far = far
        self._capture = _Capture(device, channels, clock)
        self._clock = clock
        self._rest: FloatArray = np.zeros((0, channels), np.float32)
        self._position = 0
        self._closed = False
        self._retry_at_s = 0.0

    @property
    def xruns(self) -> int:
        """Times the sound card or the ring ran over."""
        return self._capture.xruns

    @property
    def losses(self) -> int:
        """Times the device was lost."""
        return self._capture.losses

    @property
    def is_lost(self) -> bool:
        """Whether the device is gone now and silence comes in its place."""
        return self._capture.lost

    def read(self) -> AudioBlock | None:
        """Wait for the next block; None once closed."""
        while len(self._rest) < self._block:
            if self._closed:
                return None
            more = self._capture.take(LOOK_S)
            if more is None:
                more = self._without_device()
            self._rest = np.concatenate([self._rest, more])
        near, self._rest = self._rest[: self._block], self._rest[self._block :]
        start_s = self._position / SAMPLE_RATE_HZ
        self._position += self._block
        block = near[:, 0] if self._channels == 1 else near.T
        far = None if self._far is None else self._far.take(self._block)
        return AudioBlock(np.ascontiguousarray(block), start_s, far)

    def _without_device(self) -> FloatArray:
        """Nothing came for 100 ms: if the device is lost, try to get it back and give silence."""
        if not self._capture.lost:
            return np.zeros((0, self._channels), np.float32)
        now_s = self._clock()
        if now_s >= self._retry_at_s:
            self._retry_at_s = now_s + RETRY_S
            self._capture.retry()
        return np.zeros((round(LOOK_S * SAMPLE_RATE_HZ), self._channels), np.float32)

    def close(self) -> None:
        """Stop; a reader that waits gets None."""
        self._closed = True
        self._capture.close()
