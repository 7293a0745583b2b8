"""Alerts that leave the log: said to the driver, and shown by the car."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from carvoice.assistant import Assistant
from carvoice.dialogue.events import Notice
from carvoice.errors import ConfigError
from carvoice.records import Action, ActionKind, Evidence
from carvoice.service.alerts import Alert

_log = logging.getLogger(__name__)


class Notices:
    """Tells of alerts. The car is told like it is told everything: by an action, through the gate.

    Args:
        spoken: tell the driver when an alert is raised.
        path: path of the car that is set true while an alert stands, "" for none; its rules must allow
            it to the source "service".
    """

    def __init__(self, spoken: bool, path: str) -> None:
        self._spoken = spoken
        self._path = path
        self._assistant: Assistant | None = None
        self._standing: set[str] = set()
        self._acting = ThreadPoolExecutor(1, thread_name_prefix="notices")  # in order, off the dialogue

    def attach(self, assistant: Assistant) -> None:
        """Say and show them with this assistant from now on.

        Raises:
            ConfigError: its car has no such path, or it cannot be set.
        """
        node = assistant.vehicle.car.nodes.get(self._path)
        if self._path and (node is None or node.write is None):
            raise ConfigError(
                f"log.alert_path = '{self._path}': nothing that can be set in this car; give a path "
                "that its car file writes, and allow it to the source 'service' in its rules"
            )
        self._assistant = assistant

    def tell(self, alert: Alert) -> None:
        """Pass an alert on; returns at once."""
        before = bool(self._standing)
        if alert.raised:
            self._standing.add(alert.rule.name)
        else:
            self._standing.discard(alert.rule.name)
        if self._assistant is None:
            return
        if self._spoken and alert.raised:
            self._assistant.post(Notice(f"alert_{alert.rule.name.replace(' ', '_')}"))
        if self._path and bool(self._standing) != before:
            self._acting.submit(self._show, bool(self._standing))

    def close(self) -> None:
        """Finish what is being shown."""
        self._acting.shutdown()

    def _show(self, value: bool) -> None:
        assert self._assistant is not None
        action = Action(ActionKind.SET, self._path, value, source="service", intent="Alert")
        done = self._assistant.vehicle.actuator.perform(action)
        if done.evidence is not Evidence.ACTUATED:
            _log.warning("%s = %s: %s %s", self._path, value, done.evidence.value, done.detail)
