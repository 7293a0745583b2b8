"""Turns as OpenTelemetry traces and metrics (optional extra ``telemetry``).

Names follow the semantic conventions for generative AI (``gen_ai.*``). Anything that takes OTLP understands
them: a collector, Langfuse, Datadog. Words are exported only if asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from carvoice import __version__
from carvoice.records import Turn

_SCOPE = "carvoice"


class TurnTelemetry:
    """Exports turns.

    Args:
        span_exporter: where traces go; see :func:`otlp_telemetry`.
        metric_reader: where metrics go; None for no metrics.
        with_text: export transcripts and replies too.
        clock: Unix seconds.
        monotonic: the clock that spans were measured with.
    """

    def __init__(
        self,
        span_exporter: SpanExporter,
        metric_reader: MetricReader | None = None,
        *,
        with_text: bool = False,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        resource = Resource.create({"service.name": "carvoice", "service.version": __version__})
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(span_exporter))
        self._tracer = self._traces.get_tracer(_SCOPE, __version__)
        self._metrics = MeterProvider([metric_reader] if metric_reader else [], resource=resource)
        meter = self._metrics.get_meter(_SCOPE, __version__)
        self._duration = meter.create_histogram("gen_ai.client.operation.duration", "s")
        self._first_chunk = meter.create_histogram("gen_ai.client.operation.time_to_first_chunk", "s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")
        self._stages = meter.create_histogram("carvoice.stage.duration", "s")
        self._with_text = with_text
        self._clock = clock
        self._monotonic = monotonic

    def export(self, turn: Turn) -> None:
        """Queue a turn for export; a collector that is away costs nothing but the queue's memory."""
        offset_s = self._clock() - self._monotonic()
        starts = [span.start_s for span in turn.spans]
        ends = [span.start_s + span.duration_ms / 1e3 for span in turn.spans]
        end_s = max(ends, default=self._monotonic())
        start_s = min(starts, default=end_s)
        root = self._tracer.start_span(
            "turn", start_time=_ns(start_s + offset_s), attributes=self._turn_attributes(turn)
        )
        inside = set_span_in_context(root)
        for span in turn.spans:
            child = self._tracer.start_span(span.name, inside, start_time=_ns(span.start_s + offset_s))
            child.end(_ns(span.start_s + span.duration_ms / 1e3 + offset_s))
            self._stages.record(span.duration_ms / 1e3, {"carvoice.stage": span.name})
        if turn.answer is not None:
            ends_s = [s.start_s + s.duration_ms / 1e3 for s in turn.spans if s.name == "answer"] or [end_s]
            self._export_answer(turn, inside, ends_s[0] + offset_s)
        if turn.reply is not None and turn.reply.kind == "failed":
            root.set_status(Status(StatusCode.ERROR, turn.reply.kind))
        root.end(_ns(end_s + offset_s))

    def close(self) -> None:
        """Send what is queued and stop."""
        self._traces.shutdown()
        self._metrics.shutdown()

    def _turn_attributes(self, turn: Turn) -> dict[str, str | bool]:
        attributes: dict[str, str | bool] = {
            "carvoice.trace_id": turn.trace_id,
            "carvoice.tier": turn.tier,
            "carvoice.intents": " ".join(i.intent for i in turn.interpretations if i.intent),
            "carvoice.interrupted": turn.interrupted,
            "carvoice.reply.kind": turn.reply.kind if turn.reply else "",
            "carvoice.evidence": " ".join(a.evidence.value for a in turn.actuations),
            "carvoice.rules": " ".join(v.rule for v in turn.verdicts),
        }
        if self._with_text:
            attributes["carvoice.transcript"] = turn.hypothesis.text
            attributes["carvoice.reply.text"] = turn.reply.text if turn.reply else ""
        return attributes

    def _export_answer(self, turn: Turn, inside: Context, end_unix_s: float) -> None:
        answer = turn.answer
        assert answer is not None
        names = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": f"carvoice.{answer.tier}",
            "gen_ai.response.model": answer.model,
        }
        span = self._tracer.start_span(
            f"chat {answer.model}".strip(),
            inside,
            start_time=_ns(end_unix_s - answer.total_ms / 1e3),
            attributes={
                **names,
                "gen_ai.usage.input_tokens": answer.prompt_tokens,
                "gen_ai.usage.output_tokens": answer.tokens,
                "carvoice.answer.outcome": answer.outcome,
                "carvoice.answer.cache_hit": answer.cache_hit,
                "carvoice.answer.cost_usd": answer.cost_usd,
                "carvoice.answer.fallbacks": len(answer.fallbacks),
                **({"carvoice.answer.ttft_ms": answer.ttft_ms} if answer.ttft_ms is not None else {}),
            },
        )
        if answer.outcome == "failed":
            span.set_status(Status(StatusCode.ERROR, "no tier could answer"))
        span.end(_ns(end_unix_s))
        self._duration.record(answer.total_ms / 1e3, names)
        if answer.ttft_ms is not None:
            self._first_chunk.record(answer.ttft_ms / 1e3, names)
        self._tokens.record(answer.prompt_tokens, {**names, "gen_ai.token.type": "input"})
        self._tokens.record(answer.tokens, {**names, "gen_ai.token.type": "output"})


def otlp_telemetry(endpoint: str, *, with_text: bool = False, every_s: float = 30.0) -> TurnTelemetry:
    """Export to an OTLP/HTTP endpoint, e.g. ``http://localhost:4318``; headers come from ``OTEL_*``.

    Args:
        endpoint: base URL; ``/v1/traces`` and ``/v1/metrics`` are added.
        with_text: export transcripts and replies too.
        every_s: period of metrics.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    base = endpoint.rstrip("/")
    return TurnTelemetry(
        OTLPSpanExporter(f"{base}/v1/traces"),
        PeriodicExportingMetricReader(OTLPMetricExporter(f"{base}/v1/metrics"), every_s * 1e3),
        with_text=with_text,
    )


def _ns(unix_s: float) -> int:
    return int(unix_s * 1e9)
