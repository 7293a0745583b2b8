"""What goes into the conversation and what comes out of it.

Inputs are posted to :class:`~carvoice.dialogue.Dialogue` from any thread; events are handed to its
``on_event`` callback, in order, from the thread that drives the dialogue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from carvoice.records import (
    Action,
    Actuation,
    AnswerRecord,
    Hypothesis,
    Interpretation,
    Reply,
    Span,
    Turn,
    Verdict,
    Zone,
)


class State(Enum):
    """What the assistant is doing, in the words of voice-agent frameworks."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


# ---- Inputs ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Activated:
    """The wake phrase was heard or the talk button pressed. During a reply this interrupts it.

    Attributes:
        source: "wake", "push" or "api".
        zone: who did it, as far as known; then only that talker is listened to.
    """

    source: str = "push"
    zone: Zone = Zone.UNKNOWN


@dataclass(frozen=True, slots=True)
class SpeechSuspected:
    """The front end heard a first sign of speech, which may turn out to be nothing."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """The front end hears someone speak (or something that sounds like it)."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The front end hears no speech any more; a final result may or may not follow."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A partial or final result of the recognizer.

    Attributes:
        hypothesis: ``is_final`` tells which.
        zone: where the talker sits, as far as known.
        spans: stages measured before the dialogue (front end, recognition, endpoint), for the turn.
        trace_id: the turn's id if one was given out with the first microphone frame.
    """

    hypothesis: Hypothesis
    zone: Zone = Zone.UNKNOWN
    spans: tuple[Span, ...] = ()
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class PlaybackBegan:
    """The first sample of an utterance plays."""

    utterance_id: int


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """An utterance was played to its end, was cancelled or could not be spoken."""

    utterance_id: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A sentence of a streaming answer; posted by the dialogue's own worker."""

    answer_id: int
    text: str


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """A streaming answer is complete; posted by the dialogue's own worker."""

    answer_id: int
    record: AnswerRecord
    proposals: tuple[Interpretation, ...] = ()


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A button or the API says: stop whatever you do and say, and forget what you were about to do."""


@dataclass(frozen=True, slots=True)
class PartFailed:
    """A part outside of the dialogue has failed while somebody relied on it.

    Attributes:
        part: "microphone" (it is gone) or "recognizer" (what was being said is lost).
    """

    part: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the driver should know; said when nobody speaks and nothing is asked.

    Attributes:
        key: of the sentence among the ``system`` replies.
        text: the sentence itself, where it is somebody else's.
    """

    key: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """Is the dialogue's thread alive? It calls ``answer`` when it comes to this input."""

    answer: Callable[[], object]


Input: TypeAlias = (
    Activated
    | SpeechSuspected
    | SpeechBegan
    | SpeechEnded
    | Heard
    | PlaybackBegan
    | PlaybackEnded
    | AnswerPart
    | AnswerEnded
    | Cancelled
    | PartFailed
    | Notice
    | Probe
)


# ---- Events ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The assistant does something else now. ``at_s`` is on the dialogue's clock."""

    state: State
    previous: State
    at_s: float


@dataclass(frozen=True, slots=True)
class Partial:
    """The transcript so far."""

    hypothesis: Hypothesis


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """A final result is being worked on."""

    trace_id: str
    hypothesis: Hypothesis


@dataclass(frozen=True, slots=True)
class Understood:
    """What the words were taken to mean."""

    interpretations: tuple[Interpretation, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """The policy's verdict on an action."""

    action: Action
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Acted:
    """How an action ended."""

    actuation: Actuation


@dataclass(frozen=True, slots=True)
class Replied:
    """Something is being said; ``utterance_id`` is 0 without a loudspeaker. Empty text is silence."""

    reply: Reply
    utterance_id: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The driver spoke over the reply. ``is_false`` when it was nothing and the reply goes on."""

    utterance_id: int
    is_false: bool


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over: everything that was heard, decided, done and said."""

    turn: Turn


Event: TypeAlias = (
    StateChanged | Partial | TurnBegan | Understood | Decided | Acted | Replied | Interrupted | TurnEnded
)
