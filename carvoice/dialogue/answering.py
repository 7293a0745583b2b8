"""Open questions: an answer is streamed in a thread of its own and comes back as inputs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from carvoice.dialogue.deadlines import Deadlines
from carvoice.dialogue.events import AnswerEnded, AnswerPart, Input
from carvoice.dialogue.settings import DialogueSettings
from carvoice.llm.answer import AnswerContext, Answerer
from carvoice.records import AnswerRecord, Interpretation

_log = logging.getLogger(__name__)


class AnswerRun:
    """One answer being made.

    Args:
        answer_id: given back with every part.
        answerer: makes it.
        question: what was asked.
        context: what a model may know.
        post: takes the parts, from the worker's thread.
    """

    def __init__(
        self,
        answer_id: int,
        answerer: Answerer,
        question: str,
        context: AnswerContext,
        post: Callable[[Input], None],
    ) -> None:
        self.answer_id = answer_id
        self.question = question
        self.sentences: list[str] = []
        self.record = AnswerRecord(outcome="cancelled")  # so far
        self._answerer = answerer
        self._context = context
        self._post = post
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin in a new thread."""
        threading.Thread(target=self.run, name=f"answer-{self.answer_id}", daemon=True).start()

    def cancel(self) -> None:
        """Not wanted any more; what still comes carries a stale id."""
        self._stop.set()

    def run(self) -> None:
        """Make the whole answer in this thread."""
        record = AnswerRecord(outcome="failed")
        proposals: tuple[Interpretation, ...] = ()
        try:
            stream = self._answerer.answer(self.question, self._context, self._stop)
            for sentence in stream:
                self.record = stream.record
                if self._stop.is_set():
                    break
                self._post(AnswerPart(self.answer_id, sentence))
            record, proposals = stream.record, stream.proposals
        except Exception:  # a broken tier must not leave the driver waiting
            _log.exception("the answerer failed")
        self._post(AnswerEnded(self.answer_id, record, proposals))


class Questions:
    """The open question that is being answered, if there is one.

    Its deadlines are "thinking" (say that it takes a moment) and "answer" (give it up).

    Args:
        answerer: makes answers; None when there is none.
        deadlines: armed and dropped here.
        settings: patience.
        post: takes the parts of an answer.
        start: runs an answer; by default in a thread.
    """

    def __init__(
        self,
        answerer: Answerer | None,
        deadlines: Deadlines,
        settings: DialogueSettings,
        post: Callable[[Input], None],
        start: Callable[[AnswerRun], None] = AnswerRun.start,
    ) -> None:
        self._answerer = answerer
        self._deadlines = deadlines
        self._settings = settings
        self._post = post
        self._start = start
        self._count = 0
        self._run: AnswerRun | None = None

    @property
    def is_possible(self) -> bool:
        """Whether there is an answerer."""
        return self._answerer is not None

    @property
    def is_open(self) -> bool:
        """Whether an answer is being made."""
        return self._run is not None

    def ask(self, question: str, context: AnswerContext) -> None:
        """Have a question answered."""
        assert self._answerer is not None
        self._count += 1
        self._run = AnswerRun(self._count, self._answerer, question, context, self._post)
        self._deadlines.arm("answer", self._settings.answer_s)
        if self._settings.thinking_s > 0:
            self._deadlines.arm("thinking", self._settings.thinking_s)
        self._start(self._run)

    def take(self, part: AnswerPart) -> bool:
        """Keep a part; returns whether it belongs to this question."""
        if self._run is None or part.answer_id != self._run.answer_id:
            return False
        self._deadlines.drop("thinking")
        self._run.sentences.append(part.text)
        return True

    def close(self, end: AnswerEnded) -> AnswerRun | None:
        """The answer is complete; returns it if it belongs to this question."""
        run = self._run
        if run is None or end.answer_id != run.answer_id:
            return None
        self._run = None
        self._deadlines.drop("answer", "thinking")
        return run

    def give_up(self) -> AnswerEnded | None:
        """It takes too long; returns the end of what there is."""
        if self._run is None:
            return None
        self._run.cancel()
        outcome = "answered" if self._run.sentences else "failed"
        return AnswerEnded(self._run.answer_id, AnswerRecord(outcome))

    def cancel(self) -> AnswerRecord | None:
        """The answer is not wanted any more; returns how it came about so far, None if there was none."""
        run, self._run = self._run, None
        self._deadlines.drop("answer", "thinking")
        if run is None:
            return None
        run.cancel()
        return run.record
