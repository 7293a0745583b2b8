"""Everything that looks at finished turns, built from ``[log]``: log, metrics, traces, alerts, quality."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from carvoice.assistant import Assistant
from carvoice.assistant.brain import build_judge
from carvoice.assistant.recorder import Recorder
from carvoice.config import Config, LogConfig
from carvoice.errors import ConfigError
from carvoice.records import Turn
from carvoice.service.alerts import Alert, AlertRule, Alerts
from carvoice.service.notices import Notices
from carvoice.service.quality import QualitySampler
from carvoice.turnlog import Privacy, TurnLog

Look = Callable[[Turn], None]


class Observer:
    """Called with every finished turn; returns at once.

    Args:
        looks: everything that wants to see turns.
        notices: what alerts do beside the log; they need an assistant.
        recorder: the sound that one of the looks keeps; it needs an assistant's listener.
    """

    def __init__(self, looks: Sequence[Look], notices: Notices, recorder: Recorder | None = None) -> None:
        self._looks = tuple(looks)
        self._notices = notices
        self._recorder = recorder

    def attach(self, assistant: Assistant) -> None:
        """Let alerts be said by this assistant and shown in its car, and what it hears be kept, as far as the
        settings ask for it; before its listener is made.

        Raises:
            ConfigError: ``log.alert_path`` cannot be set in its car.
        """
        self._notices.attach(assistant)
        assistant.recorder = self._recorder

    def __call__(self, turn: Turn) -> None:
        """Look at a turn."""
        for look in self._looks:
            look(turn)


def build_observer(
    config: Config, stack: ExitStack, on_alert: Callable[[Alert], None] = lambda alert: None
) -> Observer:
    """Build what the settings ask for.

    Args:
        config: the settings.
        stack: closes everything in the end.
        on_alert: told every alert, from the thread that observes.

    Raises:
        ConfigError: something is asked for whose packages are not installed.
    """
    log = config.log
    notices = Notices(log.alert_spoken, log.alert_path)
    stack.callback(notices.close)

    def tell(alert: Alert) -> None:
        notices.tell(alert)
        on_alert(alert)

    recorder = None
    observers: list[Look] = [Alerts(_rules(log), tell).observe]
    if log.folder is not None:
        privacy = Privacy.FULL if log.transcripts else Privacy.NO_TEXT
        turn_log = TurnLog(log.folder, privacy, max_audio_bytes=round(log.audio_max_mb * 1e6))
        stack.callback(turn_log.close)
        observers.append(turn_log.write)
        if log.keep_audio and log.transcripts:
            recorder = Recorder()
            observers.append(_keep_audio(recorder, turn_log))
        is_judged = log.quality_share > 0 and log.transcripts  # a judge is told what was said
        judge = build_judge(config.llm, log.quality_model) if is_judged else None
        if judge is not None:
            stack.callback(judge.close)
            sampler = QualitySampler(judge, turn_log, log.quality_share, log.quality_model or "remotes")
            stack.callback(sampler.close)
            observers.append(sampler.observe)
    if log.prometheus_port:
        observers.append(_prometheus(log.prometheus_port, stack))
    if log.otlp_endpoint:
        observers.append(_telemetry(log, stack))
    return Observer(observers, notices, recorder)


def _keep_audio(recorder: Recorder, turn_log: TurnLog) -> Look:
    def keep(turn: Turn) -> None:
        if (sound := recorder.cut(turn)) is not None:
            turn_log.keep_audio(turn.trace_id, *sound)

    return keep


def _rules(log: LogConfig) -> list[AlertRule]:
    return [
        AlertRule("slow command", "to_frame", log.alert_p95_ms),
        AlertRule("slow answer", "ttft", log.alert_ttft_p95_ms),
        AlertRule("failures", "error_rate", log.alert_error_rate),
    ]


def _prometheus(port: int, stack: ExitStack) -> Look:
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


def _telemetry(log: LogConfig, stack: ExitStack) -> Look:
    try:
        from carvoice.service.telemetry import otlp_telemetry
    except ImportError:
        raise ConfigError("log.otlp_endpoint needs: pip install 'carvoice[telemetry]'") from None
    telemetry = otlp_telemetry(log.otlp_endpoint, with_text=log.transcripts)
    stack.callback(telemetry.close)
    return telemetry.export
