"""The local model as a tier: a worker process with limits, cancellation and restart with back-off."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from carvoice.errors import AnswerError
from carvoice.llm.answer import AnswerContext, Cancel, Draft, IntentTool
from carvoice.llm.engine import EngineReport, EngineSettings
from carvoice.llm.process import POLL_S, WorkerProcess
from carvoice.llm.prompt import build_messages
from carvoice.llm.sentences import CutShort, sound_sentences
from carvoice.llm.tools import call_schema, proposal


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
        self._tools = tuple(tools)
        self._system = system + _tool_prompt(self._tools)
        self._limits = limits or LocalLimits()
        self._clock = clock
        self._lock = threading.Lock()  # one answer at a time: there is one context
        self._number = 0
        self._worker = WorkerProcess(settings, {"system": self._system}, clock)

    @property
    def report(self) -> EngineReport | None:
        """What the worker said of the model, its threads and its memory; None while it is not loaded."""
        return EngineReport(**self._worker.report) if self._worker.is_ready else None

    @property
    def restarts(self) -> int:
        """How often the worker was started again after it died."""
        return self._worker.restarts

    @property
    def pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return self._worker.pid

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the model is loaded and warm."""
        return self._worker.wait_ready(timeout_s)

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """Stream the model's answer; a call of a tool becomes a proposal.

        Raises:
            AnswerError: not loaded, busy, crashed, stalled, too slow, or it talks rubbish.
        """
        if not self._worker.is_usable(self._limits.load_s, cancel):
            raise AnswerError(self._worker.failure or "the local model is still loading")
        if not self._lock.acquire(timeout=self._limits.load_s):
            raise AnswerError("the local model is busy with another answer")
        try:
            draft.model = str(self._worker.report["model"])
            pieces = self._pieces(question, context, cancel, draft)
            yield from (sentence + "\n" for sentence in sound_sentences(pieces, draft.spoken))
            self._worker.is_well()
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _pieces(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        self._number += 1
        offered = self._tools if context.tools else ()
        self._worker.send(
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
                    ended = True
                    self._worker.give_up(self._number)
                    raise AnswerError("no token in time" if first else "the local model stalled")
                event = self._worker.next_event(POLL_S)
                if event is None:
                    continue
                if event["event"] == "died":
                    ended = True
                    raise AnswerError(self._worker.failure)
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
                self._worker.send(op="cancel", id=self._number)


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
