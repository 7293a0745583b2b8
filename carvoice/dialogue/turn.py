"""A turn while it is being made."""

from __future__ import annotations

import time
from dataclasses import replace

from carvoice.dialogue.events import Heard
from carvoice.dialogue.response import SILENCE, Response
from carvoice.records import Actuation, AnswerRecord, Interpretation, Reply, Turn, Verdict
from carvoice.trace import Clock, Trace


class TurnDraft:
    """Collects what happens from the final words to the end of the reply.

    Args:
        heard: what started it.
        clock: monotonic seconds, for the spans.
    """

    def __init__(self, heard: Heard, clock: Clock = time.monotonic) -> None:
        self.trace = Trace(clock)
        if heard.trace_id:
            self.trace.trace_id = heard.trace_id
        for span in heard.spans:
            self.trace.add(span.name, span.start_s, span.duration_ms)
        self.heard = heard
        self.interpretations: tuple[Interpretation, ...] = ()
        self.verdicts: list[Verdict] = []
        self.actuations: list[Actuation] = []
        self.reply: Reply = SILENCE
        self.tier = "grammar"
        self.answer: AnswerRecord | None = None
        self.is_interrupted = False
        self.has_acted = False  # something was asked of the car
        self._clock = clock
        self._replied_s: float | None = None
        self._asked_s = clock()

    def take(self, response: Response) -> None:
        """Keep what a response did; its reply is added to what was said before in this turn."""
        self.verdicts += response.verdicts
        self.actuations += response.actuations
        self.say(response.reply)

    def say(self, reply: Reply) -> None:
        """Keep what is said; parts of one turn are joined."""
        if self._replied_s is None and reply.text:
            self._replied_s = self._clock()
        if self.reply.text and reply.text:
            text = f"{self.reply.text} {reply.text}"
            self.reply = Reply(text, reply.kind, reply.evidence, reply.expects)
        elif reply.text or not self.reply.text:
            self.reply = reply

    def asked(self) -> None:
        """An open question goes to the answerer."""
        self.tier = "llm"
        self._asked_s = self._clock()

    def answered(self, record: AnswerRecord) -> None:
        """How the answer came about, also of one that was broken off: the spans "ttft" and "answer"."""
        self.answer, self.tier = record, record.tier or self.tier
        if record.ttft_ms is not None:
            self.trace.add("ttft", self._asked_s, record.ttft_ms)
        if record.total_ms:
            self.trace.add("answer", self._asked_s, record.total_ms)
        if record.outcome == "failed" and self.reply.kind == "answer":
            self.reply = replace(self.reply, kind="failed")  # what was said was that there is none

    def playback_began(self) -> None:
        """The first sample of the reply plays: the span "speech" ends."""
        if self._replied_s is not None:
            self.trace.add("speech", self._replied_s, (self._clock() - self._replied_s) * 1e3)
            self._replied_s = None

    def finish(self) -> Turn:
        """The record."""
        return Turn(
            trace_id=self.trace.trace_id,
            hypothesis=self.heard.hypothesis,
            interpretations=self.interpretations,
            verdicts=tuple(self.verdicts),
            actuations=tuple(self.actuations),
            reply=self.reply,
            spans=self.trace.spans,
            tier=self.tier,
            interrupted=self.is_interrupted,
            answer=self.answer,
        )
