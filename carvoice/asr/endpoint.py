"""When has the driver finished? Decided from speech activity and from what the words so far mean.

A fixed pause is either slow or cuts people off. A command that is complete and that no longer one
extends may be acted on after a short pause; "set the temperature to ..." deserves patience.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from carvoice.errors import ConfigError
from carvoice.records import FloatArray, PrefixState

FRAME_MS = 10


class EndReason(Enum):
    """Why an utterance ended."""

    COMPLETE = "complete"  # a command, followed by a short pause
    PAUSE = "pause"  # a long pause
    NO_SPEECH = "no_speech"  # nobody spoke
    TOO_LONG = "too_long"  # nobody stopped
    RELEASED = "released"  # the talk button was let go


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """How long to wait, in milliseconds after speech ends unless it says otherwise.

    Attributes:
        final_ms: when the words are a command that no longer one extends.
        extendable_ms: when they are a command that could go on.
        incomplete_ms: when they are not (yet) a command.
        no_speech_ms: from the start of listening, when nobody speaks.
        too_long_ms: from the start of speech.
        speech_ms: speech shorter than this in a row is a click.
        threshold: probability from which a frame counts as speech.
    """

    final_ms: int = 200
    extendable_ms: int = 300
    incomplete_ms: int = 500
    no_speech_ms: int = 5_000
    too_long_ms: int = 15_000
    speech_ms: int = 60
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.final_ms <= self.extendable_ms <= self.incomplete_ms:
            raise ConfigError(
                "endpoint times must satisfy 0 < final_ms <= extendable_ms <= incomplete_ms, got "
                f"{self.final_ms}, {self.extendable_ms}, {self.incomplete_ms}"
            )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The end of an utterance.

    Attributes:
        reason: why it ended.
        speech_end_s: stream time at which the last speech ended, None if there was none.
        decided_s: stream time of the decision.
    """

    reason: EndReason
    speech_end_s: float | None
    decided_s: float


class Endpointer:
    """Watches speech activity, frame by frame, for the end of an utterance.

    Attributes:
        is_held: the talk button is held down: no pause ends words that are not a command yet.
    """

    def __init__(self, settings: EndpointSettings | None = None) -> None:
        self.settings = settings or EndpointSettings()
        self.is_held = False
        self.reset()

    def reset(self, start_s: float = 0.0) -> None:
        """Listen for a new utterance; the next frame is at ``start_s`` on the stream clock."""
        self._start_s = start_s
        self._frames = 0
        self._run = 0  # frames of speech in a row
        self._speech_start: int | None = None
        self._speech_end = 0  # frame after the last one with speech
        self._state: PrefixState | None = None  # asked once per pause

    @property
    def speaking(self) -> bool:
        """Whether someone speaks at this moment."""
        return self._speech_start is not None and self._speech_end == self._frames

    @property
    def speech_start_s(self) -> float | None:
        """Stream time at which speech began, None before."""
        return None if self._speech_start is None else self._time_s(self._speech_start)

    def update(self, speech: FloatArray, prefix: Callable[[], PrefixState]) -> Endpoint | None:
        """Take the speech probabilities of the next 10 ms frames, shape (n,).

        Args:
            speech: probabilities 0..1.
            prefix: what the words so far are to the grammar. Asked only when the answer counts, at
                most once per pause, for it makes the recognizer decode to the end of the sound.

        Returns:
            The end of the utterance, once; then call :meth:`reset`.
        """
        for probability in speech:
            found = self._frame(float(probability), prefix)
            if found is not None:
                return found
        return None

    def _frame(self, probability: float, prefix: Callable[[], PrefixState]) -> Endpoint | None:
        settings = self.settings
        self._frames += 1
        if probability >= settings.threshold:
            self._run += 1
            if self._run * FRAME_MS >= settings.speech_ms:
                if self._speech_start is None:
                    self._speech_start = self._frames - self._run
                self._speech_end = self._frames
                self._state = None
        else:
            self._run = 0

        if self._speech_start is None:
            if self._frames * FRAME_MS >= settings.no_speech_ms:
                return self._end(EndReason.NO_SPEECH)
            return None
        if (self._frames - self._speech_start) * FRAME_MS >= settings.too_long_ms:
            return self._end(EndReason.TOO_LONG)
        pause_ms = (self._frames - self._speech_end) * FRAME_MS
        if pause_ms < settings.final_ms:
            return None
        if self._state is None:
            self._state = prefix()
        if self._state is PrefixState.FINAL:
            return self._end(EndReason.COMPLETE)
        if self._state is PrefixState.COMPLETE and pause_ms >= settings.extendable_ms:
            return self._end(EndReason.COMPLETE)
        is_over = pause_ms >= settings.incomplete_ms and not self.is_held
        return self._end(EndReason.PAUSE) if is_over else None

    def end(self) -> Endpoint:
        """End the utterance now, because the talker says so."""
        return self._end(EndReason.RELEASED)

    def _end(self, reason: EndReason) -> Endpoint:
        spoken = self._speech_start is not None
        return Endpoint(
            reason, self._time_s(self._speech_end) if spoken else None, self._time_s(self._frames)
        )

    def _time_s(self, frame: int) -> float:
        return self._start_s + frame * FRAME_MS / 1000
