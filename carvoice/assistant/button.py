"""Push-to-talk: what a talk button means, wherever it is (on the steering wheel, a key, the API)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from carvoice.dialogue.events import Activated, Cancelled, Input, PartFailed
from carvoice.records import Zone
from carvoice.trace import Clock

HOLD_S = 0.4  # a button held longer is let go when its holder has finished


class Utterance(Protocol):
    """What is being said (:class:`~carvoice.assistant.listener.Listener`)."""

    def hold(self, on: bool) -> None:
        """While it is held no pause ends the utterance; letting go does not end it either."""
        ...

    def end_utterance(self) -> None:
        """The talker says that this was all."""
        ...


class TalkButton:
    """Press and speak; or press, speak and let go. Both are understood, as on any car's steering wheel.

    A press is listened to at once. During a reply it is an interruption. A short press leaves the end of the
    command to the endpoint decision; a button that is held keeps the floor through any pause, and letting it
    go ends the command.

    Thread-safe.

    Args:
        post: takes the inputs for the dialogue.
        utterance: ended by letting go; None when there is no microphone.
        is_deaf: whether the microphone is gone; then the driver is told instead of listened to.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        post: Callable[[Input], None],
        utterance: Utterance | None,
        is_deaf: Callable[[], bool] = lambda: False,
        clock: Clock = time.monotonic,
    ) -> None:
        self._post = post
        self._utterance = utterance
        self._is_deaf = is_deaf
        self._clock = clock
        self._lock = threading.Lock()
        self._pressed_s: float | None = None

    @property
    def is_pressed(self) -> bool:
        """Whether it is down now."""
        return self._pressed_s is not None

    def press(self, source: str = "push", zone: Zone = Zone.DRIVER) -> None:
        """It went down; a repetition while it is down means nothing."""
        with self._lock:
            if self._pressed_s is not None:
                return
            self._pressed_s = self._clock()
            self._post(PartFailed("microphone") if self._is_deaf() else Activated(source, zone))
            if self._utterance is not None:
                self._utterance.hold(True)

    def release(self) -> None:
        """It went up."""
        with self._lock:
            if self._pressed_s is None:
                return
            held_s = self._clock() - self._pressed_s
            self._pressed_s = None
            if self._utterance is None:
                return
            self._utterance.hold(False)
            if held_s >= HOLD_S:
                self._utterance.end_utterance()

    def cancel(self) -> None:
        """Stop whatever is being done and said, and forget what was about to be done."""
        self._post(Cancelled())
