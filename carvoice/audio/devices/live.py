"""Microphone and loudspeaker of a sound card through PyAudio (the ``mic`` extra).

The sound card's thread only moves samples between its buffer and a lock-free ring; resampling and all
else happens in the thread that reads or writes.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import soxr

from carvoice.audio._ring import RingBuffer
from carvoice.audio.devices.null import block_samples
from carvoice.audio.devices.protocols import Closing, FarTap
from carvoice.errors import AudioError
from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray

RING_S = 2.0
LOST_AFTER_S = 1.0  # a running device that gives nothing for so long is gone
RETRY_S = 1.0


def _pyaudio() -> Any:
    try:
        import pyaudio
    except ImportError as error:
        raise AudioError(
            "no sound card access: PyAudio is not installed; pip install 'carvoice[mic]'"
        ) from error
    return pyaudio


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Silence what ALSA and JACK write to stderr while PortAudio looks for devices."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def _host() -> Any:
    """PortAudio, initialized; to be terminated by the caller."""
    pyaudio = _pyaudio()
    with _without_chatter():
        return pyaudio.PyAudio()


def list_devices() -> list[tuple[int, str, int, int]]:
    """Index, name, input channels and output channels of every device.

    Raises:
        AudioError: PyAudio is not installed.
    """
    host = _host()
    try:
        infos = [host.get_device_info_by_index(i) for i in range(host.get_device_count())]
    finally:
        host.terminate()
    return [
        (int(i["index"]), str(i["name"]), int(i["maxInputChannels"]), int(i["maxOutputChannels"]))
        for i in infos
    ]


def _find(host: Any, device: int | str | None, direction: str) -> dict[str, Any]:
    """Describe the device of this index or name, or the default; ``direction`` is "Input" or "Output"."""
    count = host.get_device_count()
    infos = [host.get_device_info_by_index(i) for i in range(count)]
    usable = [info for info in infos if info[f"max{direction}Channels"] > 0]
    names = ", ".join(f"{info['index']}: {info['name']}" for info in usable) or "none"
    if device is None:
        try:
            default = host.get_default_input_device_info if direction == "Input" else None
            return dict((default or host.get_default_output_device_info)())
        except OSError as error:
            raise AudioError(f"no default {direction.lower()} device; there are: {names}") from error
    for info in usable:
        if device == info["index"] or (
            isinstance(device, str) and device.lower() in str(info["name"]).lower()
        ):
            return dict(info)
    raise AudioError(f"no {direction.lower()} device {device!r}; there are: {names}")


class _Capture:
    """An input stream into a ring at the device's own rate; opens again after the device was lost."""

    def __init__(self, device: int | str | None, channels: int) -> None:
        self._module = _pyaudio()
        self._device = device
        self._channels = channels
        self.xruns = 0
        self.losses = 0
        self._host: Any = None
        self._stream: Any = None
        self.open()

    def open(self) -> None:
        """Find and start the device; raises AudioError."""
        self._host = _host()
        try:
            info = _find(self._host, self._device, "Input")
            if info["maxInputChannels"] < self._channels:
                raise AudioError(
                    f"input device {info['name']!r} has {info['maxInputChannels']} channels,"
                    f" not {self._channels}"
                )
            self.rate_hz = self._choose_rate(info)
            self.ring = RingBuffer(int(RING_S * self.rate_hz), self._channels)
            self._resampler = (
                None
                if self.rate_hz == SAMPLE_RATE_HZ
                else soxr.ResampleStream(self.rate_hz, SAMPLE_RATE_HZ, self._channels, dtype="float32")
            )
            self._stream = self._host.open(
                rate=self.rate_hz,
                channels=self._channels,
                format=self._module.paFloat32,
                input=True,
                input_device_index=info["index"],
                frames_per_buffer=self.rate_hz // 100,
                stream_callback=self._on_audio,
            )
        except OSError as error:
            self._release()
            if isinstance(error, AudioError):
                raise
            raise AudioError(f"input device {self._device!r} cannot be opened: {error}") from error
        self.heard_s = time.monotonic()

    def _choose_rate(self, info: dict[str, Any]) -> int:
        try:
            self._host.is_format_supported(
                SAMPLE_RATE_HZ,
                input_device=info["index"],
                input_channels=self._channels,
                input_format=self._module.paFloat32,
            )
        except ValueError:
            return int(info["defaultSampleRate"])
        return SAMPLE_RATE_HZ

    def _on_audio(self, data: bytes, _count: int, _times: Any, status: int) -> tuple[None, int]:
        samples = np.frombuffer(data, np.float32)
        self.ring.write(samples if self._channels == 1 else samples.reshape(-1, self._channels))
        if status:
            self.xruns += 1
        return None, self._module.paContinue

    def take(self, timeout_s: float) -> FloatArray | None:
        """About 10 ms at 16 kHz, (n, channels), or None if nothing came in time."""
        got = self.ring.read(self.rate_hz // 100, timeout_s)
        if got is None:
            return None
        self.heard_s = time.monotonic()
        frames = got.reshape(-1, self._channels)
        if self._resampler is None:
            return frames
        return np.asarray(self._resampler.resample_chunk(frames), np.float32).reshape(-1, self._channels)

    @property
    def lost(self) -> bool:
        """Whether the device seems to be gone."""
        return self._stream is None or time.monotonic() - self.heard_s > LOST_AFTER_S

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
        stream, host, self._stream, self._host = self._stream, self._host, None, None
        try:
            if stream is not None:
                stream.close()
        except OSError:
            pass  # a device pulled out cannot be closed in good order
        finally:
            if host is not None:
                host.terminate()

    def close(self) -> None:
        """Stop for good."""
        self.ring.close()
        self._release()


class LoopbackTap(Closing):
    """Far-end reference from a monitor device: what others play, music above all.

    Args:
        device: index or part of the name of the monitor input (``list_devices`` shows them).

    Raises:
        AudioError: no such device, or PyAudio is missing.
    """

    def __init__(self, device: int | str) -> None:
        self._capture = _Capture(device, 1)
        self._rest: FloatArray = np.zeros(0, np.float32)

    def take(self, count: int) -> FloatArray:
        """See :class:`FarTap`."""
        while len(self._rest) < count and (more := self._capture.take(0.0)) is not None:
            self._rest = np.concatenate([self._rest, more[:, 0]])
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
    ) -> None:
        self._block = block_samples(block_ms)
        self._channels = channels
        self._far = far
        self._capture = _Capture(device, channels)
        self._rest: FloatArray = np.zeros((0, channels), np.float32)
        self._position = 0
        self._closed = False
        self._retry_at_s = 0.0

    @property
    def xruns(self) -> int:
        """Times the sound card or the ring ran over."""
        return self._capture.xruns + int(self._capture.ring.dropped > 0)

    @property
    def losses(self) -> int:
        """Times the device was lost."""
        return self._capture.losses

    def read(self) -> AudioBlock | None:
        """Wait for the next block; None once closed."""
        while len(self._rest) < self._block:
            if self._closed:
                return None
            more = self._capture.take(0.1)
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
        now_s = time.monotonic()
        if now_s >= self._retry_at_s:
            self._retry_at_s = now_s + RETRY_S
            self._capture.retry()
        return np.zeros((SAMPLE_RATE_HZ // 10, self._channels), np.float32)

    def close(self) -> None:
        """Stop; a reader that waits gets None."""
        self._closed = True
        self._capture.close()


class SpeakerSink(Closing):
    """A loudspeaker, and the tap for the echo canceller's reference: exactly what was played, and when.

    A device that is pulled out makes :meth:`write` raise; each later one tries to open it again.

    Args:
        device: index or part of the name, None for the default.
        buffer_ms: how much ``write`` may run ahead of the sound card.

    Attributes:
        xruns: times the sound card ran empty while there was something to play, or complained.

    Raises:
        AudioError: no such device, or PyAudio is missing.
    """

    def __init__(self, device: int | str | None = None, *, buffer_ms: int = 200) -> None:
        self._module = _pyaudio()
        self._device = device
        self._buffer_ms = buffer_ms
        self.xruns = 0
        self._open = True
        self._discard = threading.Event()
        self._room = threading.Event()
        self._host: Any = None
        self._stream: Any = None
        self._start()

    def _start(self) -> None:
        """Find and start the device; raises AudioError."""
        self._host = _host()
        try:
            info = _find(self._host, self._device, "Output")
            self.rate_hz = self._choose_rate(info)
            self._queue = RingBuffer(max(1, self._buffer_ms * self.rate_hz // 1000))
            self._played = RingBuffer(int(RING_S * self.rate_hz))
            same = self.rate_hz == SAMPLE_RATE_HZ
            self._up = None if same else soxr.ResampleStream(SAMPLE_RATE_HZ, self.rate_hz, 1, dtype="float32")
            self._down = (
                None if same else soxr.ResampleStream(self.rate_hz, SAMPLE_RATE_HZ, 1, dtype="float32")
            )
            self._rest: FloatArray = np.zeros(0, np.float32)
            self._stream = self._host.open(
                rate=self.rate_hz,
                channels=1,
                format=self._module.paFloat32,
                output=True,
                output_device_index=info["index"],
                frames_per_buffer=self.rate_hz // 100,
                stream_callback=self._on_need,
            )
        except OSError as error:
            self._release()
            if isinstance(error, AudioError):
                raise
            raise AudioError(f"output device {self._device!r} cannot be opened: {error}") from error

    def _release(self) -> None:
        stream, host, self._stream, self._host = self._stream, self._host, None, None
        try:
            if stream is not None:
                stream.close()
        except OSError:
            pass  # a device pulled out cannot be closed in good order
        finally:
            if host is not None:
                host.terminate()

    def _choose_rate(self, info: dict[str, Any]) -> int:
        try:
            self._host.is_format_supported(
                SAMPLE_RATE_HZ,
                output_device=info["index"],
                output_channels=1,
                output_format=self._module.paFloat32,
            )
        except ValueError:
            return int(info["defaultSampleRate"])
        return SAMPLE_RATE_HZ

    def _on_need(self, _data: None, count: int, _times: Any, status: int) -> tuple[bytes, int]:
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
            AudioError: it is closed, or the device is gone.
        """
        if self._open and self._stream is None:
            self._start()
        out = np.clip(samples, -1.0, 1.0).astype(np.float32)
        if self._up is not None:
            out = np.asarray(self._up.resample_chunk(out), np.float32)
        done, waited_s = 0, time.monotonic()
        while done < len(out):
            if not self._open:
                raise AudioError("the loudspeaker is closed")
            self._room.clear()
            free = self._queue.capacity - len(self._queue)
            done += self._queue.write(out[done : done + free])
            if done < len(out) and not self._room.wait(0.1) and time.monotonic() - waited_s > LOST_AFTER_S:
                self._release()
                raise AudioError(f"output device {self._device!r} is gone")

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
        if not self._open:
            return
        self._open = False
        self._release()
