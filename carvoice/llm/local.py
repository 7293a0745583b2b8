"""The local model as a tier: a worker process with limits, cancellation and restart with back-off."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from carvoice.errors import AnswerError, ModelError
from carvoice.llm.answer import AnswerContext, Cancel, Draft, IntentTool
from carvoice.llm.engine import EngineReport, EngineSettings
from carvoice.llm.prompt import build_messages
from carvoice.llm.sentences import CutShort, sound_sentences
from carvoice.llm.tools import call_schema, proposal

_log = logging.getLogger(__name__)

_POLL_S = 0.02
_FIRST_BACK_OFF_S = 1.0
_LONGEST_BACK_OFF_S = 60.0
_MEMORY_MARGIN = 1.15  # weights are mapped as they are; context and compute buffers come on top


@dataclass(frozen=True, slots=True)
class LocalLimits:
    """Limits of one answer and of loading.

    Attributes:
        load_s: a question waits at most this long for a model that is still loading.
        first_token_s: from the question to the first token.
        stall_s: between tokens; a worker silent for longer is killed.
        total_s: for the whole answer.
        max_tokens: tokens generated.
    """

    load_s: float = 2.0
    first_token_s: float = 4.0
    stall_s: float = 3.0
    total_s: float = 20.0
    max_tokens: int = 160


class LocalTier:
    """Answers with a GGUF run by llama.cpp in another process, which starts loading at once.

    Args:
        settings: model, context and threads.
        system: system prompt; evaluated once, also for later starts if ``settings.state_folder`` is set.
        tools: intents that the model may propose; they lengthen the system prompt.
        limits: see :class:`LocalLimits`.
        clock: monotonic seconds.
    """

    name = "local"

    def __init__(
        self,
        settings: EngineSettings,
        system: str,
        tools: Sequence[IntentTool] = (),
        limits: LocalLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._tools = tuple(tools)
        self._system = system + _tool_prompt(self._tools)
        self._limits = limits or LocalLimits()
        self._clock = clock
        self._lock = threading.Lock()  # one answer at a time: there is one context
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._report: EngineReport | None = None
        self._failure = ""
        self._restarts = 0
        self._back_off_s = _FIRST_BACK_OFF_S
        self._restart_timer: threading.Timer | None = None
        self._closed = False
        self._number = 0
        self._start()

    @property
    def report(self) -> EngineReport | None:
        """What the worker said of the model, its threads and its memory; None while it is not loaded."""
        return self._report if self._ready.is_set() else None

    @property
    def restarts(self) -> int:
        """How often the worker was started again after it died."""
        return self._restarts

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the model is loaded and warm."""
        return self._ready.wait(timeout_s)

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """Stream the model's answer; a call of a tool becomes a proposal.

        Raises:
            AnswerError: not loaded, busy, crashed, stalled, too slow, or it talks rubbish.
        """
        if not self._wait(self._ready.is_set, self._limits.load_s, cancel):
            raise AnswerError(self._failure or "the local model is still loading")
        if not self._lock.acquire(timeout=self._limits.load_s):
            raise AnswerError("the local model is busy with another answer")
        try:
            draft.model = self._report.model if self._report else ""
            pieces = self._pieces(question, context, cancel, draft)
            yield from (sentence + "\n" for sentence in sound_sentences(pieces, draft.spoken))
            self._back_off_s = _FIRST_BACK_OFF_S
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the worker."""
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

    def _pieces(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        self._number += 1
        offered = self._tools if context.tools else ()
        self._send(
            op="generate",
            id=self._number,
            messages=build_messages(self._system, question, context, draft.passages, draft.spoken),
            max_tokens=self._limits.max_tokens,
            time_s=self._limits.total_s,
            call_schema=json.dumps(call_schema(offered)) if offered else None,
        )
        started_s = self._clock()
        deadline_s = started_s + self._limits.first_token_s
        call = ""
        first = True
        ended = False
        try:
            while not cancel.is_set():
                if self._clock() > deadline_s:
                    self._kill()
                    raise AnswerError("no token in time" if first else "the local model stalled")
                try:
                    event = self._events.get(timeout=_POLL_S)
                except queue.Empty:
                    continue
                if event["event"] == "died":
                    ended = True
                    raise AnswerError(self._failure)
                if event.get("id") != self._number:
                    continue  # the end of an answer that was cancelled
                if event["event"] == "error":
                    ended = True
                    raise AnswerError(event["message"])
                if event["event"] == "end":
                    ended = True
                    draft.prompt_tokens, draft.tokens = event["prompt_tokens"], event["tokens"]
                    if call:
                        draft.proposals.append(_proposal(call, offered))
                    elif event["reason"] == "time":
                        raise AnswerError(f"not finished after {self._limits.total_s:g} s")
                    elif event["reason"] == "length":
                        raise CutShort("token limit")
                    return
                deadline_s = self._clock() + self._limits.stall_s
                if draft.first_token_s is None:
                    draft.first_token_s = self._clock()
                text = event["text"]
                if call or (first and offered and text.lstrip().startswith("{")):
                    call += text
                else:
                    yield text
                first = False
        finally:
            if not ended:
                self._send(op="cancel", id=self._number)

    def _wait(self, condition: Callable[[], bool], timeout_s: float, cancel: Cancel) -> bool:
        until_s = self._clock() + timeout_s
        while not condition() and not cancel.is_set() and not self._failure and self._clock() < until_s:
            self._ready.wait(_POLL_S)
        return condition()

    def _send(self, **request: Any) -> None:
        with suppress(OSError, ValueError):  # a worker that has just died is noticed by its reader
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _start(self) -> None:
        if self._closed:
            return
        try:
            _check(self._settings)
        except ModelError as error:
            self._failure = str(error)
            _log.error("%s", error)
            return
        settings = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self._settings).items()
        }
        self._failure = ""
        self._events = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "carvoice.llm.worker",
                json.dumps({"settings": settings, "system": self._system}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        threading.Thread(
            target=self._read, args=(self._process, self._events), name="llama-reader", daemon=True
        ).start()

    def _read(self, process: subprocess.Popen[str], events: queue.SimpleQueue[dict[str, Any]]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                self._report = EngineReport(**{k: v for k, v in event.items() if k != "event"})
                self._ready.set()
            elif event["event"] == "failed":
                # The file or the installation is at fault; starting again would not help.
                self._failure = event["message"]
                _log.error("local model: %s", self._failure)
                return
            else:
                events.put(event)
        self._ready.clear()
        if self._closed:
            return
        self._failure = f"the local model's process ended with status {process.wait()}"
        _log.warning("%s; starting it again in %g s", self._failure, self._back_off_s)
        events.put({"event": "died"})
        self._restart_timer = threading.Timer(self._back_off_s, self._restart)
        self._restart_timer.daemon = True
        self._back_off_s = min(2 * self._back_off_s, _LONGEST_BACK_OFF_S)
        self._restart_timer.start()

    def _restart(self) -> None:
        self._restarts += 1
        self._start()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _proposal(call: str, offered: Sequence[IntentTool]) -> Any:
    try:
        wish = json.loads(call)
        return proposal(wish["name"], wish["arguments"], offered)
    except (ValueError, KeyError, TypeError) as error:
        raise AnswerError(f"the model's call is not whole: {call[:60]!r}") from error


def _tool_prompt(tools: Sequence[IntentTool]) -> str:
    if not tools:
        return ""
    lines = [
        f"- {tool.name}: {tool.description} {json.dumps(tool.parameters.get('properties', {}))}"
        for tool in tools
    ]
    return (
        " Only if the driver asks for one of these, answer with nothing but "
        '{"name": ..., "arguments": {...}}; the driver will be asked to confirm it:\n' + "\n".join(lines)
    )


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
