"""Alerts on latency and error rate over the last turns: to the log, a callback, a spoken or CAN notice.

An alert is raised once when a threshold is crossed and cleared once when it is kept again; in between it is
silent.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np

from carvoice.records import Evidence, Turn

_log = logging.getLogger(__name__)

#: Replies and evidence that mean that the assistant, not the driver or the policy, is at fault.
_FAILED_KINDS = frozenset({"failed"})
_FAILED_EVIDENCE = frozenset({Evidence.FAILED, Evidence.TIMED_OUT})


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A threshold.

    Attributes:
        name: for logs.
        metric: name of a span ("asr", "to_frame", ...), "ttft" or "error_rate".
        threshold: milliseconds, or a share 0..1 for "error_rate".
        percentile: of the span's duration; not used for "error_rate".
        window: number of last values looked at.
        least: values needed before anything is said.
    """

    name: str
    metric: str
    threshold: float
    percentile: float = 95.0
    window: int = 50
    least: int = 10


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold crossed (``raised``) or kept again."""

    rule: AlertRule
    value: float
    raised: bool

    @property
    def text(self) -> str:
        """One line for the log."""
        unit = "" if self.rule.metric == "error_rate" else " ms"
        state = "is above" if self.raised else "is back under"
        rule = self.rule
        return f"{rule.name}: {rule.metric} {self.value:.3g}{unit} {state} {rule.threshold:g}{unit}"


@dataclass(slots=True)
class _Watch:
    rule: AlertRule
    values: deque[float] = field(default_factory=deque)
    raised: bool = False


class Alerts:
    """Watches turns.

    Args:
        rules: the thresholds.
        notify: called with every alert beside the log; from the thread that observes.
    """

    def __init__(self, rules: Sequence[AlertRule], notify: Callable[[Alert], None] | None = None) -> None:
        self._watches = [_Watch(rule, deque(maxlen=rule.window)) for rule in rules]
        self._notify = notify
        self._lock = Lock()

    def observe(self, turn: Turn) -> None:
        """Look at one turn."""
        changed: list[Alert] = []
        with self._lock:
            for watch in self._watches:
                values = _values(turn, watch.rule.metric)
                watch.values.extend(values)
                if values and len(watch.values) >= watch.rule.least and (alert := _judge(watch)) is not None:
                    changed.append(alert)
        for alert in changed:
            _log.log(logging.WARNING if alert.raised else logging.INFO, "%s", alert.text)
            if self._notify is not None:
                self._notify(alert)

    @property
    def raised(self) -> tuple[AlertRule, ...]:
        """Rules whose threshold is crossed now."""
        with self._lock:
            return tuple(watch.rule for watch in self._watches if watch.raised)


def is_failure(turn: Turn) -> bool:
    """Whether the assistant failed the driver; a denied, refused or rejected command is no failure."""
    return (
        (turn.reply is not None and turn.reply.kind in _FAILED_KINDS)
        or (turn.answer is not None and turn.answer.outcome == "failed")
        or any(actuation.evidence in _FAILED_EVIDENCE for actuation in turn.actuations)
    )


def _values(turn: Turn, metric: str) -> list[float]:
    if metric == "error_rate":
        return [float(is_failure(turn))]
    if metric == "ttft":
        return [turn.answer.ttft_ms] if turn.answer is not None and turn.answer.ttft_ms is not None else []
    return [span.duration_ms for span in turn.spans if span.name == metric]


def _judge(watch: _Watch) -> Alert | None:
    rule = watch.rule
    values = list(watch.values)
    value = float(np.mean(values) if rule.metric == "error_rate" else np.percentile(values, rule.percentile))
    above = value > rule.threshold
    if above == watch.raised:
        return None
    watch.raised = above
    return Alert(rule, value, above)
