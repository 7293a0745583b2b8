"""A thread that drives a dialogue in real time."""

from __future__ import annotations

import logging
import threading
import time

from carvoice.dialogue.events import Input
from carvoice.dialogue.machine import Dialogue
from carvoice.trace import Clock

_log = logging.getLogger(__name__)


class DialogueRunner:
    """Calls :meth:`Dialogue.run_pending` whenever something was posted or becomes due.

    Args:
        dialogue: the dialogue; nobody else may drive it.
        clock: the same clock the dialogue has; it must run in real time.
    """

    def __init__(self, dialogue: Dialogue, clock: Clock = time.monotonic) -> None:
        self._dialogue = dialogue
        self._clock = clock
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="dialogue", daemon=True)
        self._thread.start()

    def post(self, item: Input) -> None:
        """Hand in an input; from any thread."""
        self._dialogue.post(item)

    def close(self) -> None:
        """Work off what was posted and end the thread."""
        with self._dialogue.wake_up:
            self._is_closed = True
            self._dialogue.wake_up.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> DialogueRunner:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _run(self) -> None:
        while True:
            with self._dialogue.wake_up:
                while not self._dialogue.has_pending and not self._is_closed:
                    deadline_s = self._dialogue.next_deadline_s
                    wait_s = None if deadline_s is None else max(0.0, deadline_s - self._clock())
                    if wait_s == 0.0:
                        break
                    self._dialogue.wake_up.wait(wait_s)
                if self._is_closed and not self._dialogue.has_pending:
                    return
            try:
                self._dialogue.run_pending()
            except Exception:  # a listener of ours failed; the conversation goes on
                _log.exception("an event could not be delivered")
