"""The latency budget: how long each stage of a turn may take.

The figures are p95 on one core of a two-core x86 server VM. The demo's summary shows turns against
them, ``bench/test_budget.py`` fails when a stage overruns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from carvoice.records import Turn


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
    Stage("reply", "decision to the first sample of the reply", 250.0),
)


def stage_times(turn: Turn) -> dict[str, float]:
    """How long each stage of a turn took, in milliseconds; stages that it had none of are left out."""
    spans = {span.name: span for span in turn.spans}
    took = {name: span.duration_ms for name, span in spans.items()}
    before = ("front_end", "endpoint", "asr", "understanding")
    times: dict[str, float] = {name: took[name] for name in before if name in took}
    if not any(reading.rejected is None for reading in turn.interpretations):
        times.pop("endpoint", None)  # only a command can be cut short with safety
    if "speech" in took:
        times["reply"] = took["speech"]
    sent = next((a for a in turn.actuations if a.frames and a.frames[0].is_tx), None)
    if sent is not None:
        times["act"] = took.get("plan", 0.0) + took.get("policy", 0.0) + sent.latency_s * 1e3
        if "endpoint" in times:
            times["to_frame"] = sum(times[name] for name in ("endpoint", "asr", "understanding", "act"))
        if not sent.frames[-1].is_tx:
            times["readback"] = (sent.frames[-1].timestamp_s - sent.frames[0].timestamp_s) * 1e3
    return times


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
