"""A loudspeaker that may come later: until it is there, what is played is heard by nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import numpy as np

from carvoice.audio.devices import NullSink, SpeakerSink
from carvoice.records import FloatArray

_log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LONGEST_RETRY_S = 1.0, 30.0


class Loudspeaker:
    """Takes sound for a device that is opened as soon as it is there; also the far end of the echo canceller.

    A device that is lost later is opened again by :class:`~carvoice.audio.devices.SpeakerSink` itself.

    Args:
        open_sink: opens the device; raises OSError while there is none.
    """

    def __init__(self, open_sink: Callable[[], SpeakerSink | NullSink]) -> None:
        self._open_sink = open_sink
        self._sink: SpeakerSink | NullSink | None = None
        self._problem = ""
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        if not self._open():
            self._thread = threading.Thread(
                target=self._wait_for_it, name="carvoice-loudspeaker", daemon=True
            )
            self._thread.start()

    @property
    def problem(self) -> str:
        """What is wrong with it, "" if nothing is."""
        is_lost = isinstance(self._sink, SpeakerSink) and self._sink.is_lost
        return "the device is gone" if is_lost else self._problem

    def write(self, samples: FloatArray) -> None:
        """Play mono samples, if they can be heard."""
        if self._sink is not None:
            self._sink.write(samples)

    def take(self, count: int) -> FloatArray:
        """What was played, see :class:`~carvoice.audio.devices.FarTap`."""
        sink = self._sink
        return sink.take(count) if isinstance(sink, SpeakerSink) else np.zeros(count, np.float32)

    def close(self) -> None:
        """Stop waiting for the device, or release it."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        if self._sink is not None:
            self._sink.close()

    def _open(self) -> bool:
        try:
            self._sink = self._open_sink()
        except OSError as error:  # AudioError among them
            if self._problem != str(error):
                _log.error("no loudspeaker: %s; waiting for it", error)
            self._problem = str(error)
            return False
        if self._problem:
            _log.warning("the loudspeaker is there")
        self._problem = ""
        return True

    def _wait_for_it(self) -> None:
        retry_s = _FIRST_RETRY_S
        while not self._closing.wait(retry_s) and not self._open():
            retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
