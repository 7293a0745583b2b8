"""PortAudio, through PyAudio (the ``mic`` extra): which devices there are, and how to get at them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from carvoice.errors import AudioError
from carvoice.records import SAMPLE_RATE_HZ

RING_S = 2.0
LOST_AFTER_S = 1.0  # a running device that gives or takes nothing for so long is gone
RETRY_S = 1.0  # between two tries to get it back
LOOK_S = 0.1  # how long a reader or writer waits before it looks whether the device is gone


def pyaudio_module() -> Any:
    """PyAudio; raises AudioError if it is not installed."""
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


def open_host() -> Any:
    """PortAudio, initialized; to be terminated by the caller."""
    pyaudio = pyaudio_module()
    with _without_chatter():
        return pyaudio.PyAudio()


def list_devices() -> list[tuple[int, str, int, int]]:
    """Index, name, input channels and output channels of every device.

    Raises:
        AudioError: PyAudio is not installed.
    """
    host = open_host()
    try:
        infos = [host.get_device_info_by_index(i) for i in range(host.get_device_count())]
    finally:
        host.terminate()
    return [
        (int(i["index"]), str(i["name"]), int(i["maxInputChannels"]), int(i["maxOutputChannels"]))
        for i in infos
    ]


def find_device(host: Any, device: int | str | None, direction: str) -> dict[str, Any]:
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


def choose_rate(host: Any, info: dict[str, Any], direction: str, channels: int) -> int:
    """16 kHz if the device takes it, else its own rate."""
    where = direction.lower()
    try:
        host.is_format_supported(
            SAMPLE_RATE_HZ,
            **{
                f"{where}_device": info["index"],
                f"{where}_channels": channels,
                f"{where}_format": pyaudio_module().paFloat32,
            },
        )
    except ValueError:
        return int(info["defaultSampleRate"])
    return SAMPLE_RATE_HZ


class HostStream:
    """One running stream of a sound card, mono or interleaved float32 in buffers of 10 ms.

    Args:
        device: index or part of the name, None for the default.
        direction: "Input" or "Output".
        channels: of the stream.
        prepare: takes the rate chosen, Hz, before the sound card first calls back.
        callback: PortAudio's (data, frames, times, status) -> (data, flag).

    Attributes:
        rate_hz: 16 kHz if the device takes it, else its own rate.

    Raises:
        AudioError: no such device, too few channels, it cannot be opened, or PyAudio is missing.
    """

    def __init__(
        self,
        device: int | str | None,
        direction: str,
        channels: int,
        prepare: Callable[[int], None],
        callback: Callable[..., tuple[bytes | None, int]],
    ) -> None:
        where = direction.lower()
        self._host: Any = open_host()
        self._stream: Any = None
        try:
            info = find_device(self._host, device, direction)
            offered = info[f"max{direction}Channels"]
            if offered < channels:
                raise AudioError(f"{where} device {info['name']!r} has {offered} channels, not {channels}")
            self.rate_hz = choose_rate(self._host, info, direction, channels)
            prepare(self.rate_hz)
            self._stream = self._host.open(
                rate=self.rate_hz,
                channels=channels,
                format=pyaudio_module().paFloat32,
                frames_per_buffer=self.rate_hz // 100,
                stream_callback=callback,
                **{where: True, f"{where}_device_index": info["index"]},
            )
        except OSError as error:
            self.close()
            if isinstance(error, AudioError):
                raise
            raise AudioError(f"{where} device {device!r} cannot be opened: {error}") from error

    def close(self) -> None:
        """Stop the stream and let the host go."""
        stream, host, self._stream, self._host = self._stream, self._host, None, None
        try:
            if stream is not None:
                stream.close()
        except OSError:
            pass  # a device pulled out cannot be closed in good order
        finally:
            if host is not None:
                host.terminate()
