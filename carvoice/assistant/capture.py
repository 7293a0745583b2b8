"""From the microphone's thread to the listener's, through the ring buffer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from carvoice.audio import RingBuffer
from carvoice.audio.devices import Source
from carvoice.records import FRAME_SAMPLES, SAMPLE_RATE_HZ, AudioBlock, FloatArray

RING_S = 2.0
_READ_TIMEOUT_S = 0.25


class Capture:
    """Two threads with a lock-free ring between them.

    The *pump* reads the source and only writes to the ring, so that a slow recognizer never makes a
    device overrun; the *listener* thread reads whole blocks off it and hands them on.

    Args:
        source: microphone, recording or virtual cabin.
        hear: called on the listener thread with each block.
        block_samples: samples per block handed on.
        speed: a source that is not a device is read at this multiple of real time; 0 for as fast as
            the listener follows; None for a device, which keeps time itself.
        on_end: called on the listener thread once the source has ended and all was heard.
        on_error: called on the thread that failed, with the error; capture has ended then.
    """

    def __init__(
        self,
        source: Source,
        hear: Callable[[AudioBlock], None],
        *,
        block_samples: int = 2 * FRAME_SAMPLES,
        speed: float | None = None,
        on_end: Callable[[], None] = lambda: None,
        on_error: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._source = source
        self._hear = hear
        self._block_samples = block_samples
        self._speed = speed
        self._on_end = on_end
        self._on_error = on_error
        self._ring: RingBuffer | None = None
        self._stopping = threading.Event()
        self._pump_done = threading.Event()
        self._threads = (
            threading.Thread(target=self._pump, name="carvoice-pump", daemon=True),
            threading.Thread(target=self._listen, name="carvoice-listener", daemon=True),
        )
        self._ring_ready = threading.Event()
        self.dropped_samples = 0

    def start(self) -> None:
        """Start both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads and close the source; returns when they have ended."""
        self._stopping.set()
        for thread in self._threads:
            if thread.is_alive() and thread is not threading.current_thread():
                thread.join()
        self._source.close()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the source has ended and all of it was heard."""
        self._threads[1].join(timeout_s)
        return not self._threads[1].is_alive()

    def _pump(self) -> None:
        try:
            started_s = time.monotonic()
            read = 0
            while not self._stopping.is_set():
                block = self._source.read()
                if block is None:
                    break
                frames = _interleave(block)
                if self._ring is None:
                    self._ring = RingBuffer(int(RING_S * SAMPLE_RATE_HZ), channels=frames.shape[1])
                    self._ring_ready.set()
                self._write(frames)
                read += len(frames)
                if self._speed:
                    due_s = started_s + read / SAMPLE_RATE_HZ / self._speed
                    self._stopping.wait(max(0.0, due_s - time.monotonic()))
        except Exception as error:
            self._on_error(error)
        finally:
            self._pump_done.set()
            self._ring_ready.set()
            if self._ring is not None:
                self._ring.close()

    def _write(self, frames: FloatArray) -> None:
        assert self._ring is not None
        written = self._ring.write(frames)
        if self._speed is None:  # a device does not wait: what does not fit is lost, and counted
            self.dropped_samples += len(frames) - written
            return
        while written < len(frames) and not self._stopping.wait(0.001):
            written += self._ring.write(frames[written:])

    def _listen(self) -> None:
        try:
            self._ring_ready.wait()
            position = 0
            while self._ring is not None and not self._stopping.is_set():
                frames = self._ring.read(self._block_samples, timeout_s=_READ_TIMEOUT_S)
                if frames is None:
                    if self._pump_done.is_set():
                        break
                    continue
                channels = np.ascontiguousarray(frames.T)
                near = channels[0] if len(channels) == 2 else channels[:-1]
                self._hear(AudioBlock(near, position / SAMPLE_RATE_HZ, channels[-1]))
                position += len(frames)
            self._on_end()
        except Exception as error:
            self._stopping.set()
            self._on_error(error)


def _interleave(block: AudioBlock) -> FloatArray:
    """Put the microphones' samples and one far-end sample side by side: float32, shape (n, channels + 1)."""
    near = np.atleast_2d(block.near)
    far = np.zeros(near.shape[1], np.float32) if block.far is None else np.atleast_2d(block.far).mean(axis=0)
    return np.ascontiguousarray(np.vstack([near, far[None]]).T, dtype=np.float32)
