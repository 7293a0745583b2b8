"""The latency budget: how long each stage of a turn may take.

The figures are p95 on one core of a two-core x86 server VM. The demo's summary shows turns against
them, ``bench/test_budget.py`` fails when a stage overruns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from carvoice.records import Span, Turn


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a turn: name of its span, what it covers, and its budget in milliseconds."""

    name: str
    meaning: str
    budget_ms: float


STAGES = (
    Stage("front_end", "front end, per 10 ms frame", 0.15),
    Stage("endpoint", "end of speech to its detection, for a command", 300.0),
    Stage("asr", "recognizer, once speech has ended", 40.0),
    Stage("understanding", "words to meaning", 0.05),
    Stage("act", "plan, policy, encode and send", 1.0),
    Stage("to_frame", "end of speech to CAN frame", 450.0),
    Stage("readback", "CAN frame to the car's status", 250.0),
    Stage("speech", "decision to the first sample of the reply", 250.0),
)


def with_stages(turn: Turn) -> Turn:
    """The turn with the spans that only its end shows: ``act``, ``to_frame`` and ``readback``."""
    took = {span.name: span.duration_ms for span in turn.spans}
    sent = next((a for a in turn.actuations if a.frames and a.frames[0].is_tx), None)
    if sent is None:
        return turn
    sent_s = sent.frames[0].timestamp_s
    act_ms = took.get("plan", 0.0) + took.get("policy", 0.0) + sent.latency_s * 1e3
    spans = [*turn.spans, Span("act", sent_s - act_ms / 1e3, act_ms)]
    if "endpoint" in took:
        whole_ms = act_ms + sum(took.get(name, 0.0) for name in ("endpoint", "asr", "understanding"))
        spans.append(Span("to_frame", sent_s - whole_ms / 1e3, whole_ms))
    if not sent.frames[-1].is_tx:
        spans.append(Span("readback", sent_s, (sent.frames[-1].timestamp_s - sent_s) * 1e3))
    return replace(turn, spans=tuple(spans))


def stage_times(turn: Turn) -> dict[str, float]:
    """How long each stage of the budget took in a turn, in milliseconds; what it had none of is left out."""
    took = {span.name: span.duration_ms for span in turn.spans}
    if not any(reading.rejected is None for reading in turn.interpretations):
        took.pop("endpoint", None)  # only what is a command can safely be cut short
    return {stage.name: took[stage.name] for stage in STAGES if stage.name in took}


@dataclass(frozen=True, slots=True)
class Percentiles:
    """p50, p95, p99 and maximum of a set of durations, in the unit given."""

    count: int
    p50: float
    p95: float
    p99: float
    maximum: float


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """Summarize durations; None when there are none."""
    array = np.fromiter(values, dtype=np.float64)
    if array.size == 0:
        return None
    p50, p95, p99 = np.percentile(array, (50, 95, 99))
    return Percentiles(int(array.size), float(p50), float(p95), float(p99), float(array.max()))
