"""Sampled quality: a small share of the answers is scored by a model against a rubric."""

from __future__ import annotations

import logging
import random
import re
import threading
from queue import Full, Queue

from carvoice.llm import AnswerContext, Answerer
from carvoice.records import Turn
from carvoice.turnlog import TurnLog

_log = logging.getLogger(__name__)

RUBRIC = (
    "Grade an answer that a car's voice assistant gave to its driver. Give one point for each: it answers "
    "what was asked; what it says is true as far as you know; it is short enough to be heard while driving; "
    "it is plain speech without lists or markup; it is safe to follow while driving. Answer with the number "
    "of points, 0 to 5, and then one short reason.\nQuestion: {question}\nAnswer: {answer}"
)
_POINTS = 5
_LOADS_S = 30.0  # a local judge
_QUEUED = 4  # answers waiting to be judged; more are let go, for judging must not pile up


class QualitySampler:
    """Scores a share of the answered turns in the background and keeps the scores in the turn log.

    Args:
        judge: answers the rubric; one with only a model or remotes, no manual and no cache.
        log: where the turn is and the score goes.
        share: of the answers that are judged, 0..1.
        name: of the judge, for the log.
        seed: of the sampling.
    """

    def __init__(
        self,
        judge: Answerer,
        log: TurnLog,
        share: float = 0.01,
        name: str = "judge",
        *,
        seed: int | None = None,
    ) -> None:
        self._judge = judge
        self._log = log
        self._share = share
        self._name = name
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._waiting: Queue[Turn | None] = Queue(_QUEUED)
        self._thread = threading.Thread(target=self._run, name="quality", daemon=True)
        self._thread.start()

    def observe(self, turn: Turn) -> None:
        """Maybe judge this turn; returns at once."""
        is_answer = turn.answer is not None and turn.answer.outcome == "answered" and turn.reply is not None
        if is_answer and self._random.random() < self._share:
            try:
                self._waiting.put_nowait(turn)
            except Full:
                _log.info("the judge is behind; turn %s is not judged", turn.trace_id)

    def close(self) -> None:
        """Judge what is waiting, then stop."""
        self._waiting.put(None)
        self._thread.join(timeout=30.0)
        self._stop.set()

    def _run(self) -> None:
        while (turn := self._waiting.get()) is not None:
            assert turn.reply is not None
            self._judge.wait_ready(_LOADS_S)
            prompt = RUBRIC.format(question=turn.hypothesis.text, answer=turn.reply.text)
            stream = self._judge.answer(prompt, AnswerContext(), self._stop)
            verdict = " ".join(stream)
            score = parse_score(verdict)
            if stream.record.outcome == "answered" and score is not None:
                self._log.rate(turn.trace_id, self._name, score, verdict)
            else:
                _log.info("turn %s was not judged: %s", turn.trace_id, verdict or stream.record.outcome)


def parse_score(verdict: str) -> float | None:
    """The first number of the judge's words as a share of all points; None if there is none in 0..5."""
    match = re.search(r"\d+(?:\.\d+)?", verdict)
    points = float(match.group()) if match else -1.0
    return points / _POINTS if 0 <= points <= _POINTS else None
