"""Everything that looks at finished turns, built from ``[log]``: log, metrics, traces, alerts, quality."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from carvoice.assistant.brain import build_judge
from carvoice.config import Config, LogConfig
from carvoice.errors import ConfigError
from carvoice.records import Turn
from carvoice.service.alerts import AlertRule, Alerts
from carvoice.service.quality import QualitySampler
from carvoice.turnlog import Privacy, TurnLog

Observer = Callable[[Turn], None]


def build_observer(config: Config, stack: ExitStack) -> Observer:
    """Build what the settings ask for.

    Args:
        config: the settings.
        stack: closes everything in the end.

    Returns:
        To be called with every finished turn; returns at once.

    Raises:
        ConfigError: something is asked for whose packages are not installed.
    """
    log = config.log
    observers: list[Observer] = [Alerts(_rules(log)).observe]
    if log.folder is not None:
        turn_log = TurnLog(log.folder, Privacy.FULL if log.transcripts else Privacy.NO_TEXT)
        stack.callback(turn_log.close)
        observers.append(turn_log.write)
        judge = build_judge(config.llm) if log.quality_share > 0 else None
        if judge is not None:
            stack.callback(judge.close)
            sampler = QualitySampler(judge, turn_log, log.quality_share)
            stack.callback(sampler.close)
            observers.append(sampler.observe)
    if log.prometheus_port:
        observers.append(_prometheus(log.prometheus_port, stack))
    if log.otlp_endpoint:
        observers.append(_telemetry(log, stack))

    def observe(turn: Turn) -> None:
        for observer in observers:
            observer(turn)

    return observe


def _rules(log: LogConfig) -> list[AlertRule]:
    return [
        AlertRule("slow command", "to_frame", log.alert_p95_ms),
        AlertRule("slow answer", "ttft", log.alert_ttft_p95_ms),
        AlertRule("failures", "error_rate", log.alert_error_rate),
    ]


def _prometheus(port: int, stack: ExitStack) -> Observer:
    try:
        from prometheus_client import start_http_server

        from carvoice.service.metrics import TurnMetrics
    except ImportError:
        raise ConfigError("log.prometheus_port needs: pip install 'carvoice[telemetry]'") from None
    metrics = TurnMetrics()
    server, thread = start_http_server(port, addr="127.0.0.1", registry=metrics.registry)
    stack.callback(thread.join)
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return metrics.observe


def _telemetry(log: LogConfig, stack: ExitStack) -> Observer:
    try:
        from carvoice.service.telemetry import otlp_telemetry
    except ImportError:
        raise ConfigError("log.otlp_endpoint needs: pip install 'carvoice[telemetry]'") from None
    telemetry = otlp_telemetry(log.otlp_endpoint, with_text=log.transcripts)
    stack.callback(telemetry.close)
    return telemetry.export
