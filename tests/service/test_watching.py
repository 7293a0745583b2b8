from __future__ import annotations

import pytest

from carvoice.records import (
    Action,
    ActionKind,
    Actuation,
    AnswerRecord,
    Decision,
    Evidence,
    Hypothesis,
    Interpretation,
    Reply,
    Span,
    Turn,
    Verdict,
)
from carvoice.service.alerts import Alert, AlertRule, Alerts, is_failure

ACTION = Action(ActionKind.SET, "Vehicle.Body.Trunk.Rear.IsOpen", True)


def turn(asr_ms: float = 20.0, evidence: Evidence = Evidence.ACTUATED, **fields) -> Turn:
    return Turn(
        "aa11",
        Hypothesis("open the trunk"),
        interpretations=(Interpretation("OpenTrunk"),),
        verdicts=(Verdict(Decision.ALLOW, "trunk-standstill"),),
        actuations=(Actuation(ACTION, evidence),),
        spans=(Span("asr", 100.0, asr_ms), Span("policy", 100.05, 0.5)),
        **{"reply": Reply("The trunk is open."), **fields},
    )


def answered(outcome: str = "answered", ttft_ms: float | None = 300.0) -> Turn:
    record = AnswerRecord(
        outcome,
        "remote",
        "m@host",
        ttft_ms=ttft_ms,
        total_ms=900.0,
        prompt_tokens=40,
        tokens=12,
        cost_usd=0.25,
        fallbacks=("local: dead",),
    )
    return Turn(
        "bb22", Hypothesis("what is rain"), reply=Reply("Water.", "answer"), answer=record, tier="llm"
    )


class TestAlerts:
    def test_an_alert_is_raised_once_and_cleared_once(self) -> None:
        heard: list[Alert] = []
        alerts = Alerts([AlertRule("slow", "asr", 40.0, percentile=50, window=4, least=4)], heard.append)
        for asr_ms in (90, 90, 90):
            alerts.observe(turn(asr_ms))
        assert heard == []
        for asr_ms in (90, 90, 10, 10, 10, 10):
            alerts.observe(turn(asr_ms))
        assert [alert.raised for alert in heard] == [True, False]
        assert heard[0].text == "slow: asr 90 ms is above 40 ms"
        assert alerts.raised == ()

    def test_error_rate(self) -> None:
        heard: list[Alert] = []
        alerts = Alerts([AlertRule("errors", "error_rate", 0.3, window=10, least=10)], heard.append)
        for n in range(10):
            alerts.observe(turn(evidence=Evidence.TIMED_OUT if n < 4 else Evidence.ACTUATED))
        assert heard[0].value == pytest.approx(0.4)
        assert alerts.raised[0].name == "errors"

    def test_ttft(self) -> None:
        heard: list[Alert] = []
        alerts = Alerts([AlertRule("first token", "ttft", 200.0, least=2)], heard.append)
        for fields in ({}, {"ttft_ms": None}, {"ttft_ms": None}):
            alerts.observe(answered(**fields))
        assert heard == []
        alerts.observe(answered())
        assert heard[0].raised

    @pytest.mark.parametrize(
        ("a_turn", "failed"),
        [
            (turn(), False),
            (turn(evidence=Evidence.REFUSED), False),
            (turn(evidence=Evidence.FAILED), True),
            (turn(reply=Reply("No.", "refused")), False),
            (turn(reply=Reply("Oh.", "failed")), True),
            (answered(), False),
            (answered("failed"), True),
            (answered("unavailable"), False),
        ],
    )
    def test_what_counts_as_an_error(self, a_turn: Turn, failed: bool) -> None:
        assert is_failure(a_turn) is failed


class TestPrometheus:
    def test_counts(self) -> None:
        pytest.importorskip("prometheus_client", reason="needs the extra 'telemetry'")
        from carvoice.service.metrics import TurnMetrics

        metrics = TurnMetrics()
        metrics.observe(turn())
        metrics.observe(turn(interrupted=True))
        metrics.observe(answered())
        sample = metrics.registry.get_sample_value
        assert sample("carvoice_turns_total", {"tier": "grammar", "kind": "done"}) == 2
        assert sample("carvoice_stage_seconds_count", {"stage": "asr"}) == 2
        assert sample("carvoice_stage_seconds_sum", {"stage": "asr"}) == pytest.approx(0.04)
        assert sample("carvoice_stage_seconds_bucket", {"stage": "policy", "le": "0.0005"}) == 2
        assert sample("carvoice_actuations_total", {"evidence": "actuated"}) == 2
        assert sample("carvoice_verdicts_total", {"decision": "allow", "rule": "trunk-standstill"}) == 2
        assert sample("carvoice_interruptions_total") == 1
        model = {"tier": "remote", "model": "m@host"}
        assert sample("carvoice_answers_total", {**model, "outcome": "answered"}) == 1
        assert sample("carvoice_ttft_seconds_sum", model) == pytest.approx(0.3)
        assert sample("carvoice_tokens_total", model) == 12
        assert sample("carvoice_cost_usd_total", model) == 0.25
        assert sample("carvoice_fallbacks_total") == 1
        assert b"carvoice_turns_total" in metrics.text()
        assert b"trunk is open" not in metrics.text()


class TestOpenTelemetry:
    def test_a_turn_becomes_a_trace_and_metrics(self) -> None:
        pytest.importorskip("opentelemetry.sdk", reason="needs the extra 'telemetry'")
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from carvoice.service.telemetry import TurnTelemetry

        spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
        telemetry = TurnTelemetry(spans, reader, clock=lambda: 1_000_200.0, monotonic=lambda: 200.0)
        telemetry.export(turn())
        telemetry.export(answered())
        telemetry._traces.force_flush()
        by_name = {span.name: span for span in spans.get_finished_spans()}
        assert set(by_name) == {"asr", "policy", "turn", "chat m@host"}
        asr = by_name["asr"]
        assert (asr.start_time, asr.end_time) == (1_000_100_000_000_000, 1_000_100_020_000_000)
        first = next(s for s in spans.get_finished_spans() if s.attributes.get("carvoice.trace_id") == "aa11")
        assert asr.parent.span_id == first.context.span_id
        assert first.attributes["carvoice.intents"] == "OpenTrunk"
        assert "carvoice.transcript" not in first.attributes
        chat = by_name["chat m@host"].attributes
        assert chat["gen_ai.operation.name"] == "chat"
        assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == (40, 12)
        data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        assert {metric.name for metric in data} == {
            "gen_ai.client.operation.duration",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.client.token.usage",
            "carvoice.stage.duration",
        }
        telemetry.close()

    def test_words_go_out_only_if_asked_for(self) -> None:
        pytest.importorskip("opentelemetry.sdk", reason="needs the extra 'telemetry'")
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        from carvoice.service.telemetry import TurnTelemetry

        spans = InMemorySpanExporter()
        telemetry = TurnTelemetry(spans, with_text=True)
        telemetry.export(turn())
        telemetry.close()
        root = next(span for span in spans.get_finished_spans() if span.name == "turn")
        assert root.attributes["carvoice.transcript"] == "open the trunk"
