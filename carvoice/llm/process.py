"""A worker process that holds a model: JSON lines both ways, started again with back-off when it dies.

``worker.py`` is its other end.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carvoice.errors import ModelError
from carvoice.llm.answer import Cancel
from carvoice.llm.engine import EngineSettings

_log = logging.getLogger(__name__)

POLL_S = 0.02
_FIRST_BACK_OFF_S = 1.0
_LONGEST_BACK_OFF_S = 60.0
_GRACE_S = 1.0  # a worker that is told to stop and says nothing for so long hangs
_MEMORY_MARGIN = 1.15  # weights are mapped as they are; context and compute buffers come on top


class WorkerProcess:
    """A model in another process, which starts loading at once.

    Args:
        settings: model, context and threads.
        start: what else the worker is told at its start.
        clock: monotonic seconds.

    Attributes:
        failure: why there is no worker, "" while nothing is wrong.
        restarts: how often it was started again after it died.
        report: what it said once it was ready.
    """

    def __init__(
        self, settings: EngineSettings, start: Mapping[str, Any], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._start_with = dict(start)
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._back_off_s = _FIRST_BACK_OFF_S
        self._restart_timer: threading.Timer | None = None
        self._closed = False
        self._finished = 0  # number of the last request that it ended
        self._is_hopeless = False  # the file or the installation is at fault
        self.failure = ""
        self.restarts = 0
        self.report: dict[str, Any] = {}
        self._start()

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded."""
        return self._ready.is_set()

    @property
    def pid(self) -> int | None:
        """Process id, None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the model is loaded, also through restarts; not for one that cannot be loaded."""
        until_s = self._clock() + timeout_s
        while not self._ready.wait(POLL_S) and not self._is_hopeless and self._clock() < until_s:
            pass
        return self._ready.is_set()

    def is_usable(self, timeout_s: float, cancel: Cancel) -> bool:
        """Whether the model is loaded; a load under way is waited for, a failure or ``cancel`` is not."""
        until_s = self._clock() + timeout_s
        while not self._ready.is_set() and not self.failure and self._clock() < until_s:
            if cancel.is_set():
                break
            self._ready.wait(POLL_S)
        return self._ready.is_set()

    def send(self, **request: Any) -> None:
        """Send a request."""
        with suppress(OSError, ValueError):  # a worker that has just died is noticed by its reader
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def next_event(self, timeout_s: float) -> dict[str, Any] | None:
        """What it said next, ``{"event": "died"}`` when it ended; None if nothing in time."""
        try:
            return self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def is_well(self) -> None:
        """It has done its work: the next restart needs no long pause."""
        self._back_off_s = _FIRST_BACK_OFF_S

    def give_up(self, number: int) -> None:
        """Cancel a request that takes too long; a worker that does not even hear that is killed.

        A slow one is left alive: loading its model again would cost more than the answer did.
        """
        self.send(op="cancel", id=number)
        process = self._process

        def look() -> None:
            if self._finished < number and process is not None and process.poll() is None:
                _log.warning("the local model's process hangs; killing it")
                process.kill()

        watch = threading.Timer(_GRACE_S, look)
        watch.daemon = True
        watch.start()

    def close(self) -> None:
        """End it for good."""
        self._closed = True
        if self._restart_timer is not None:
            self._restart_timer.cancel()
        if self._process is not None:
            with suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            try:
                self._process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _start(self) -> None:
        if self._closed:
            return
        try:
            _check(self._settings)
        except ModelError as error:
            self.failure, self._is_hopeless = str(error), True
            _log.error("%s", error)
            return
        settings = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self._settings).items()
        }
        self.failure = ""
        self._events = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "carvoice.llm.worker",
                json.dumps({"settings": settings, **self._start_with}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                # A crash must be over at once: ggml would call a debugger for a backtrace first.
                "GGML_NO_BACKTRACE": "1",
                # Threads that wait for each other must sleep: where other work wants the cores, spinning
                # ones took 60 s for an answer of 4 s.
                "OMP_WAIT_POLICY": "passive",
            },
        )
        threading.Thread(
            target=self._read, args=(self._process, self._events), name="llama-reader", daemon=True
        ).start()

    def _read(self, process: subprocess.Popen[str], events: queue.SimpleQueue[dict[str, Any]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self.report = {name: value for name, value in event.items() if name != "event"}
                self._ready.set()
                _log.info("%s is ready: %s", self._settings.model_path.name, self.report)
            elif event["event"] == "failed":
                # Starting again would not help.
                self.failure, self._is_hopeless = event["message"], True
                _log.error("local model: %s", self.failure)
                return
            else:
                if event["event"] != "piece":
                    self._finished = event["id"]
                events.put(event)
        if not self._closed:
            self.failure = f"the local model's process ended with status {process.wait()}"
        self._ready.clear()
        if self._closed:
            return
        _log.warning("%s; starting it again in %g s", self.failure, self._back_off_s)
        events.put({"event": "died"})
        self._restart_timer = threading.Timer(self._back_off_s, self._restart)
        self._restart_timer.daemon = True
        self._back_off_s = min(2 * self._back_off_s, _LONGEST_BACK_OFF_S)
        self._restart_timer.start()

    def _restart(self) -> None:
        self.restarts += 1
        self._start()


def _check(settings: EngineSettings) -> None:
    """Refuse a model that is not there, or that would push the car's other software out of memory."""
    if not settings.model_path.is_file():
        raise ModelError(f"no model file {settings.model_path}")
    needed = settings.model_path.stat().st_size * _MEMORY_MARGIN
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return  # not Linux: nothing known, nothing refused
    if needed > free:
        raise ModelError(
            f"{settings.model_path} needs about {needed / 1e6:.0f} MB of memory, {free / 1e6:.0f} are free; "
            "use a smaller model"
        )
