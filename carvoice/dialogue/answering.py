"""Open questions: an answer is streamed in a thread of its own and comes back as inputs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from carvoice.dialogue.events import AnswerEnded, AnswerPart, Input
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
                if self._stop.is_set():
                    break
                self._post(AnswerPart(self.answer_id, sentence))
            record, proposals = stream.record, stream.proposals
        except Exception:  # a broken tier must not leave the driver waiting
            _log.exception("the answerer failed")
        self._post(AnswerEnded(self.answer_id, record, proposals))
