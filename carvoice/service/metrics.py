"""Prometheus metrics of turns (optional extra ``telemetry``).

Only numbers and names of stages, tiers and models are counted; no words.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from carvoice.records import Turn

# From a front-end frame (0.1 ms) to a slow answer (20 s).
_BUCKETS_S = (
    0.0001,
    0.0005,
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.2,
    0.3,
    0.45,
    0.7,
    1.0,
    1.5,
    2.5,
    5.0,
    10.0,
    20.0,
)


class TurnMetrics:
    """Counts turns.

    Args:
        registry: where the metrics live; a new one if None.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self._turns = Counter(
            "carvoice_turns", "Turns by tier and kind of reply.", ("tier", "kind"), registry=registry
        )
        self._stages = Histogram(
            "carvoice_stage_seconds",
            "Time spent in a stage.",
            ("stage",),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._evidence = Counter(
            "carvoice_actuations", "How far actuations got.", ("evidence",), registry=registry
        )
        self._verdicts = Counter(
            "carvoice_verdicts", "Decisions of the policy.", ("decision", "rule"), registry=registry
        )
        self._interrupted = Counter(
            "carvoice_interruptions", "Turns the driver broke off.", registry=registry
        )
        labels = ("tier", "model")
        self._answers = Counter(
            "carvoice_answers", "Answers to open questions.", (*labels, "outcome"), registry=registry
        )
        self._ttft = Histogram(
            "carvoice_ttft_seconds", "Time to first token.", labels, buckets=_BUCKETS_S, registry=registry
        )
        self._answer_time = Histogram(
            "carvoice_answer_seconds",
            "Time to the end of an answer.",
            labels,
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._tokens = Counter("carvoice_tokens", "Tokens generated.", labels, registry=registry)
        self._cost = Counter("carvoice_cost_usd", "Cost of answers.", labels, registry=registry)
        self._fallbacks = Counter("carvoice_fallbacks", "Tiers or models passed over.", registry=registry)
        self._cache_hits = Counter(
            "carvoice_cache_hits", "Answers from the semantic cache.", registry=registry
        )

    def observe(self, turn: Turn) -> None:
        """Count one turn."""
        self._turns.labels(
            turn.answer.tier if turn.answer else turn.tier, turn.reply.kind if turn.reply else ""
        ).inc()
        for span in turn.spans:
            self._stages.labels(span.name).observe(span.duration_ms / 1e3)
        for actuation in turn.actuations:
            self._evidence.labels(actuation.evidence.value).inc()
        for verdict in turn.verdicts:
            self._verdicts.labels(verdict.decision.value, verdict.rule).inc()
        if turn.interrupted:
            self._interrupted.inc()
        answer = turn.answer
        if answer is None:
            return
        self._answers.labels(answer.tier, answer.model, answer.outcome).inc()
        if answer.ttft_ms is not None:
            self._ttft.labels(answer.tier, answer.model).observe(answer.ttft_ms / 1e3)
        self._answer_time.labels(answer.tier, answer.model).observe(answer.total_ms / 1e3)
        self._tokens.labels(answer.tier, answer.model).inc(answer.tokens)
        self._cost.labels(answer.tier, answer.model).inc(answer.cost_usd)
        self._fallbacks.inc(len(answer.fallbacks))
        if answer.cache_hit:
            self._cache_hits.inc()

    def text(self) -> bytes:
        """The metrics in Prometheus' text format, what ``GET /metrics`` gives."""
        return generate_latest(self.registry)
