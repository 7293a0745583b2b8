"""Keeps the microphone of a running assistant open, and says so when it is gone."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from carvoice.assistant.capture import Capture
from carvoice.audio.devices import Source
from carvoice.dialogue.events import Input, PartFailed
from carvoice.records import AudioBlock
from carvoice.trace import Clock

_log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0
_SILENT_S = 10.0  # zeros and nothing else: no microphone is that quiet
_STALLED_S = 2.0


@dataclass(frozen=True, slots=True)
class MicrophoneStatus:
    """How the microphone does.

    Attributes:
        is_well: sound comes in.
        detail: what is wrong, "" if nothing is.
        heard_s: stream seconds heard since it was opened last.
        dropped_samples: lost because the listener did not keep up, since then.
        failures: times it was gone.
    """

    is_well: bool
    detail: str
    heard_s: float
    dropped_samples: int
    failures: int


class Microphone:
    """Opens a microphone, hands its blocks on, and opens it again after a failure.

    The driver is told once when it goes; that it is missing from the start is only logged, until somebody
    presses the talk button. Close it to end.

    Args:
        open_source: opens the device.
        hear: takes each block, on a thread of its own.
        post: takes :class:`PartFailed` for the dialogue.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        hear: Callable[[AudioBlock], None],
        post: Callable[[Input], None],
        clock: Clock = time.monotonic,
    ) -> None:
        self._open_source = open_source
        self._hear = hear
        self._post = post
        self._clock = clock
        self._source: Source | None = None
        self._capture: Capture | None = None
        self._detail = "not opened yet"
        self._failures = 0
        self._heard_at_s = self._loud_at_s = clock()
        self._heard_s = 0.0
        self._broken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="carvoice-microphone", daemon=True)

    def start(self) -> None:
        """Begin to listen; returns at once, also without a device."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; returns when the device is released."""
        self._closing.set()
        self._broken.set()
        self._thread.join()

    @property
    def status(self) -> MicrophoneStatus:
        """How it does now."""
        detail, now_s = self._detail, self._clock()
        if not detail and now_s - self._heard_at_s > _STALLED_S:
            detail = f"no sound for {now_s - self._heard_at_s:.0f} s"
        elif not detail and now_s - self._loud_at_s > _SILENT_S:
            detail = f"only zeros for {now_s - self._loud_at_s:.0f} s; is it muted?"
        dropped = self._capture.dropped_samples if self._capture is not None else 0
        return MicrophoneStatus(not detail, detail, self._heard_s, dropped, self._failures)

    def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        while not self._closing.is_set():
            try:
                self._source = self._open_source()
            except OSError as error:  # AudioError among them
                if self._detail != str(error):
                    _log.error("the microphone cannot be opened: %s", error)
                self._detail = str(error)
                self._closing.wait(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
            self._broken.clear()
            self._heard_at_s = self._loud_at_s = self._clock()
            self._detail = ""
            self._capture = Capture(self._source, self._take, on_end=self._ended, on_error=self._failed)
            self._capture.start()
            self._broken.wait()
            self._source.close()  # so that whoever waits for sound gets none
            self._capture.stop()
            if not self._closing.is_set():
                self._closing.wait(_FIRST_RETRY_S)

    def _take(self, block: AudioBlock) -> None:
        self._heard_at_s = self._clock()
        self._heard_s = block.start_s
        if block.near.any():
            self._loud_at_s = self._heard_at_s
        # Files and virtual cabins have no device that could be lost.
        is_lost = getattr(self._source, "is_lost", False)
        if is_lost and not self._detail:
            self._report("the device is gone")
        elif not is_lost and self._detail:
            _log.warning("the microphone is back")
            self._detail = ""
        self._hear(block)

    def _ended(self) -> None:
        self._failed(EOFError("the stream has ended"))

    def _failed(self, error: Exception) -> None:
        if not self._broken.is_set():  # an error is followed by the end of the stream
            self._report(str(error) or type(error).__name__)
            self._broken.set()

    def _report(self, detail: str) -> None:
        self._detail = detail
        self._failures += 1
        _log.error("the microphone failed: %s", detail)
        self._post(PartFailed("microphone"))
