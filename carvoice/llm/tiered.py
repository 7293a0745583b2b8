"""Every tier in order behind one protocol: manual, cache, local model, remotes.

The first tier that says something answers. One that fails before its first sentence is passed over; one
that breaks off later is continued by the next from the last whole sentence, so the driver hears no error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from threading import Event

from carvoice.errors import AnswerError
from carvoice.llm.answer import AnswerContext, Cancel, Draft, IntentTool, Loading, Tier
from carvoice.llm.sentences import whole_sentences
from carvoice.llm.timeless import is_timeless
from carvoice.records import AnswerRecord, Interpretation

_log = logging.getLogger(__name__)

UNAVAILABLE = "I can't answer that here."
FAILED = "I couldn't get an answer to that."

#: Called with question, context and the finished record when an answer ended whole: the cache learns here.
Learner = Callable[[str, AnswerContext, str, AnswerRecord], None]


class TieredAnswerer:
    """An :class:`~carvoice.llm.answer.Answerer` over any number of tiers, also none.

    Args:
        tiers: asked in this order.
        learn: called after an answer that a model gave whole and without proposing actions.
        unavailable: said when no tier knows an answer.
        failed: said when tiers tried and all broke down.
        tools: offered with every question whose context offers none of its own.
        tags: demanded of remotes for every question, beside those of its context.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        tiers: Sequence[Tier] = (),
        learn: Learner | None = None,
        unavailable: str = UNAVAILABLE,
        failed: str = FAILED,
        tools: Sequence[IntentTool] = (),
        tags: frozenset[str] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tiers = tuple(tiers)
        self._learn = learn
        self._unavailable = unavailable
        self._failed = failed
        self._tools = tuple(tools)
        self._tags = tags
        self._clock = clock

    @property
    def tiers(self) -> tuple[str, ...]:
        """Names of the tiers, in the order in which they are asked."""
        return tuple(tier.name for tier in self._tiers)

    def tier(self, name: str) -> Tier | None:
        """The tier of this name, if there is one."""
        return next((tier for tier in self._tiers if tier.name == name), None)

    def answer(
        self, question: str, context: AnswerContext | None = None, cancel: Cancel | None = None
    ) -> TieredStream:
        """Begin an answer; the work is done in the thread that iterates the stream."""
        context = context or AnswerContext()
        if not context.tools:
            context = replace(context, tools=self._tools)
        if self._tags:
            context = replace(context, tags=context.tags | self._tags)
        if context.car_state and is_timeless(question, context):
            # What does not depend on the car is answered without it: shorter, and fit to be kept.
            context = replace(context, car_state={})
        return TieredStream(self, question, context, cancel or Event())

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the local model, if there is one, is loaded; False if that took too long."""
        loading = [tier for tier in self._tiers if isinstance(tier, Loading)]
        return all(tier.wait_ready(timeout_s) for tier in loading)

    def close(self) -> None:
        """Close every tier."""
        for tier in self._tiers:
            tier.close()

    def _run(self, stream: TieredStream) -> Iterator[str]:
        question, context, cancel, draft = stream.question, stream.context, stream.cancel, stream.draft
        broke = False
        for tier in self._tiers:
            if cancel.is_set():
                break
            draft.first_token_s = draft.first_token_s if draft.spoken else None
            draft.source, draft.model = "", ""
            before = len(draft.spoken)
            try:
                for sentence in whole_sentences(tier.answer(question, context, cancel, draft)):
                    if cancel.is_set():
                        break
                    if draft.first_token_s is None:
                        draft.first_token_s = self._clock()
                    draft.spoken.append(sentence)
                    stream.finish("cancelled", tier.name)  # the truth if the listener leaves now
                    yield sentence
            except Exception as error:  # a fault in one tier must not cost the driver the others
                if not isinstance(error, AnswerError):
                    _log.exception("tier %s has a fault", tier.name)
                broke = True
                draft.fallbacks.append(f"{tier.name}: {error}")
                _log.warning("tier %s failed: %s", tier.name, error)
                continue
            if cancel.is_set():
                break
            if len(draft.spoken) > before or draft.proposals:
                stream.finish("answered", tier.name)
                if self._learn is not None and not draft.proposals and tier.name in ("local", "remote"):
                    self._learn(question, context, " ".join(draft.spoken), stream.record)
                return
        if cancel.is_set():
            stream.finish("cancelled", stream.record.tier)
        elif draft.spoken:
            # Broke off after whole sentences and nobody could go on: what was said stands.
            stream.finish("failed", stream.record.tier)
        else:
            stream.finish("failed" if broke else "unavailable", "none")
            yield self._failed if broke else self._unavailable


class TieredStream:
    """The :class:`~carvoice.llm.answer.AnswerStream` of a :class:`TieredAnswerer`."""

    def __init__(
        self, answerer: TieredAnswerer, question: str, context: AnswerContext, cancel: Cancel
    ) -> None:
        self.question = question
        self.context = context
        self.cancel = cancel
        self.draft = Draft()
        self._clock = answerer._clock
        self._started_s = self._clock()
        self._record = AnswerRecord(outcome="cancelled")
        self._sentences = answerer._run(self)

    def __iter__(self) -> Iterator[str]:
        """Itself."""
        return self

    def __next__(self) -> str:
        """The next whole sentence."""
        return next(self._sentences)

    @property
    def record(self) -> AnswerRecord:
        """How the answer came about; says "cancelled" as long as the stream has not been read to its end."""
        return self._record

    @property
    def proposals(self) -> tuple[Interpretation, ...]:
        """Actions a model asked for; nothing has been done about them."""
        return tuple(self.draft.proposals)

    def finish(self, outcome: str, tier: str) -> None:
        """Fix the record as things stand."""
        draft = self.draft
        first_s = draft.first_token_s
        self._record = AnswerRecord(
            outcome=outcome,
            tier=tier,
            model=draft.model,
            source=draft.source,
            ttft_ms=None if first_s is None else (first_s - self._started_s) * 1e3,
            total_ms=(self._clock() - self._started_s) * 1e3,
            prompt_tokens=draft.prompt_tokens,
            tokens=draft.tokens,
            cost_usd=draft.cost_usd,
            cache_hit=draft.cache_hit,
            fallbacks=tuple(draft.fallbacks),
            untrusted=bool(draft.passages),
        )
