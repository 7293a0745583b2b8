"""The frozen records that flow through the house, in the order in which they come into being.

    AudioBlock -> Hypothesis -> Interpretation -> Action -> Verdict -> Actuation -> Reply

A :class:`Turn` holds one walk. All times called ``*_s`` are seconds on the *stream clock* (sample
count of the microphone divided by 16 000), unless a docstring says that they are wall or monotonic time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
FRAME_SAMPLES = 160  # 10 ms

FloatArray: TypeAlias = NDArray[np.float32]
Value: TypeAlias = bool | int | float | str


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """A stretch of microphone sound, with the loudspeaker's reference beside it.

    Attributes:
        near: float32 in ±1, shape (n,) or (channels, n), 16 kHz.
        far: what the loudspeaker played in the same stretch, float32, shape (n,) or (channels, n);
            None when nothing is known to play.
        start_s: stream time of the first sample.
    """

    near: FloatArray
    start_s: float
    far: FloatArray | None = None


class PrefixState(Enum):
    """What a word prefix is to the grammar; drives the early endpoint."""

    DEAD = "dead"  # no sentence starts like this
    VIABLE = "viable"  # a sentence could still come of it
    COMPLETE = "complete"  # a sentence, and a longer one starts with it
    FINAL = "final"  # a sentence that no longer one extends


@dataclass(frozen=True, slots=True)
class Word:
    """A recognized word or token. ``score`` is a probability in 0..1, or None if the model gives none."""

    text: str
    start_s: float
    end_s: float
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What the recognizer believes was said so far.

    Attributes:
        text: words in lower case, separated by single spaces; "" when nothing was heard.
        words: the words with their times.
        phones: ARPAbet phones in lower case ("ah", "dh") heard by the model, () if it has none.
        is_final: False for a partial, which later ones may change.
        stability: 0..1, the share of the text that has stood unchanged over the last partials.
        confidence: calibrated acoustic probability that the text is what was said, None if unknown.
        order_confidence: calibrated acoustic probability that it was an order of the grammar at all,
            whichever, None if unknown.
        speech_end_s: stream time at which speech ended, for finals.
        alternatives: n-best texts, best first, without this one.
        alternative_costs: nats by which each alternative is behind; () when unknown.
        source: which recognizer this came from ("grammar", "open", "text").
        open_text: what is heard without the grammar, for questions; "" for what is probably an order, and
            where nothing can hear that.
    """

    text: str
    words: tuple[Word, ...] = ()
    phones: tuple[str, ...] = ()
    is_final: bool = False
    stability: float = 0.0
    confidence: float | None = None
    order_confidence: float | None = None
    speech_end_s: float | None = None
    alternatives: tuple[str, ...] = ()
    alternative_costs: tuple[float, ...] = ()
    source: str = "text"
    open_text: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A filled slot: its value, and the text it came from with its character span."""

    value: Value
    text: str = ""
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What the words mean.

    Attributes:
        intent: name of the intent, "" when rejected.
        slots: slot name to :class:`Slot`.
        confidence: calibrated probability (0..1) that intent and slots are right.
        template: the sentence template that matched.
        text: the words interpreted.
        rejected: why this is not a command ("out of domain", "low confidence", "out of range", ...); None if
            accepted. Out of range, ``slots`` has the "min" and "max" that would have been right.
        alternatives: other readings that were close, best first.
        source: who read it, "grammar" or "llm"; what a language model proposes is always confirmed.
    """

    intent: str
    slots: Mapping[str, Slot] = field(default_factory=dict)
    confidence: float = 1.0
    template: str = ""
    text: str = ""
    rejected: str | None = None
    alternatives: tuple[Interpretation, ...] = ()
    source: str = "grammar"

    @property
    def values(self) -> dict[str, Value]:
        """The slots' bare values."""
        return {name: slot.value for name, slot in self.slots.items()}


class Zone(Enum):
    """Where in the cabin a talker sits or an action applies."""

    DRIVER = "driver"
    PASSENGER = "passenger"
    REAR_LEFT = "rear_left"
    REAR_RIGHT = "rear_right"
    UNKNOWN = "unknown"


class ActionKind(Enum):
    """SET writes a value to the car; GET reads one back to be spoken."""

    SET = "set"
    GET = "get"


@dataclass(frozen=True, slots=True)
class Action:
    """What the car should do, in car terms.

    Attributes:
        kind: write or read.
        path: COVESA VSS path, e.g. ``Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature``.
        value: the value wanted, in the VSS unit of the path; None for GET.
        zone: the zone the talker sits in.
        source: "grammar", "llm" or "service" (the assistant's own notices): who asked.
        intent: intent it came from.
    """

    kind: ActionKind
    path: str
    value: Value | None = None
    zone: Zone = Zone.UNKNOWN
    source: str = "grammar"
    intent: str = ""


class Decision(Enum):
    """The gate's answer."""

    ALLOW = "allow"
    CONFIRM = "confirm"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The policy's decision on one action: which rule decided, and the reason the driver can hear."""

    decision: Decision
    rule: str
    reason: str = ""


class Evidence(Enum):
    """How far an actuation got; a reply never claims more than this."""

    REQUESTED = "requested"  # handed to the driver
    TRANSMITTED = "transmitted"  # TX confirmed on the bus
    MOVING = "moving"  # the ECU's status goes towards the wanted value
    ACTUATED = "actuated"  # the ECU's status shows the wanted value
    REFUSED = "refused"  # the ECU answered and said no, or shows another value
    TIMED_OUT = "timed_out"  # no status came
    FAILED = "failed"  # the bus did not take it


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """A CAN frame as a bench engineer wants it.

    Attributes:
        timestamp_s: monotonic time of sending or receipt.
        arbitration_id: 11 or 29 bits.
        is_extended: 29-bit ID.
        data: payload bytes.
        is_tx: sent by us.
        name: DBC message name, "" if unknown.
        signals: decoded signals.
        trace_id: the turn it belongs to, "" if none.
    """

    timestamp_s: float
    arbitration_id: int
    data: bytes
    is_extended: bool = False
    is_fd: bool = False
    is_tx: bool = False
    name: str = ""
    signals: Mapping[str, Any] = field(default_factory=dict)
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Actuation:
    """How an action ended, with the frames that prove it.

    Attributes:
        action: what was asked.
        evidence: how far it got.
        frames: request frames sent and status frames received.
        value: the value read back from the car, None if none came.
        detail: what went wrong, for logs.
        latency_s: monotonic seconds from the call to the request frame handed to the bus.
    """

    action: Action
    evidence: Evidence
    frames: tuple[FrameRecord, ...] = ()
    value: Value | None = None
    detail: str = ""
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said back.

    Attributes:
        text: the sentence spoken, in plain words.
        kind: "done", "sent", "refused", "answer", "question", "rejected", "failed", ...
        evidence: what the claim rests on, None when nothing was asked of the car.
        expects: what the dialogue waits for after it ("confirmation", "slot"), "" for nothing.
    """

    text: str
    kind: str = "done"
    evidence: Evidence | None = None
    expects: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stage of a turn: monotonic start and length in milliseconds."""

    name: str
    start_s: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """How an open question was answered, for the turn log.

    Attributes:
        outcome: "answered", "unavailable" (no tier can), "failed" (all tried and failed) or "cancelled".
        tier: "manual", "cache", "local", "remote"; "none" when none answered.
        model: model or deployment that gave the last token, "" if none.
        source: where a quoted passage stands ("Tyres > Pressure"), "" if none.
        ttft_ms: from the question to the first token of the tier that answered, None if none came.
        total_ms: from the question to the end of the answer.
        prompt_tokens: tokens of the prompt, as counted by the model's server; 0 if unknown.
        tokens: tokens generated; 0 if unknown.
        cost_usd: by the prices configured for the deployment.
        cache_hit: the answer came from the semantic cache.
        fallbacks: what was tried before, in order, as "tier/model: reason".
        untrusted: text not written by us (manual passages) was in the prompt.
    """

    outcome: str
    tier: str = "none"
    model: str = ""
    source: str = ""
    ttft_ms: float | None = None
    total_ms: float = 0.0
    prompt_tokens: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    cache_hit: bool = False
    fallbacks: tuple[str, ...] = ()
    untrusted: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """One walk through the house."""

    trace_id: str
    hypothesis: Hypothesis
    interpretations: tuple[Interpretation, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    actuations: tuple[Actuation, ...] = ()
    reply: Reply | None = None
    spans: tuple[Span, ...] = ()
    tier: str = "grammar"
    interrupted: bool = False
    answer: AnswerRecord | None = None
