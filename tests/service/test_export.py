"""Turns as a collector and a Prometheus server get them: over HTTP, from the settings alone."""

from __future__ import annotations

import gzip
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from carvoice.config import Config, LogConfig
from carvoice.records import AnswerRecord, Hypothesis, Reply, Span, Turn
from carvoice.service.observe import build_observer

TURN = Turn(
    "aa11",
    Hypothesis("what is rain"),
    reply=Reply("Water.", "answer"),
    spans=(Span("asr", 100.0, 20.0), Span("answer", 100.02, 900.0)),
    tier="remote",
    answer=AnswerRecord(
        "answered", "remote", "m@host", ttft_ms=300.0, total_ms=900.0, prompt_tokens=40, tokens=12
    ),
)


class Collector(ThreadingHTTPServer):
    """Takes what an OpenTelemetry collector takes, by path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.taken: dict[str, list[bytes]] = {}
        self.answer = 200
        threading.Thread(target=lambda: self.serve_forever(0.01), daemon=True).start()


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.taken.setdefault(self.path, []).append(body)
        self.send_response(self.server.answer)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    yield server
    server.shutdown()
    server.server_close()


def observe(log: LogConfig, *turns: Turn) -> None:
    with ExitStack() as stack:
        look = build_observer(Config(log=log), stack)
        for turn in turns:
            look(turn)


def test_a_collector_gets_traces_and_metrics(collector: Collector) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra 'telemetry'")
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    observe(LogConfig(otlp_endpoint=f"http://127.0.0.1:{collector.server_port}", transcripts=False), TURN)
    assert set(collector.taken) == {"/v1/traces", "/v1/metrics"}
    traces = ExportTraceServiceRequest.FromString(collector.taken["/v1/traces"][0])
    spans = {span.name: span for span in traces.resource_spans[0].scope_spans[0].spans}
    assert set(spans) == {"turn", "asr", "answer", "chat m@host"}
    chat = spans["chat m@host"]
    assert chat.parent_span_id == spans["turn"].span_id
    assert chat.start_time_unix_nano == pytest.approx(spans["answer"].start_time_unix_nano, abs=1_000_000)
    attributes = {a.key: a.value for a in chat.attributes}
    assert attributes["gen_ai.operation.name"].string_value == "chat"
    assert attributes["gen_ai.usage.output_tokens"].int_value == 12
    metrics = ExportMetricsServiceRequest.FromString(collector.taken["/v1/metrics"][-1])
    names = {m.name for m in metrics.resource_metrics[0].scope_metrics[0].metrics}
    assert "gen_ai.client.operation.duration" in names
    assert b"what is rain" not in b"".join(body for bodies in collector.taken.values() for body in bodies)


def test_words_reach_the_collector_with_the_transcripts(collector: Collector) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs the extra 'telemetry'")
    observe(LogConfig(otlp_endpoint=f"http://127.0.0.1:{collector.server_port}"), TURN)
    assert b"what is rain" in collector.taken["/v1/traces"][0]


def test_prometheus_scrapes_while_turns_go_on() -> None:
    pytest.importorskip("prometheus_client", reason="needs the extra 'telemetry'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with ExitStack() as stack:
        look = build_observer(Config(log=LogConfig(prometheus_port=port)), stack)
        look(TURN)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    assert 'carvoice_answers_total{model="m@host",outcome="answered",tier="remote"} 1.0' in text
    assert "what is rain" not in text


def test_without_transcripts_nobody_judges(tmp_path: Path) -> None:
    """A judge is told the words: with the privacy switch on there is none, and no remote is needed."""
    log = LogConfig(folder=tmp_path, transcripts=False, quality_share=1.0, quality_model="nobody")
    observe(log, TURN)
