"""Talk just before: who has been talking to somebody else mostly goes on doing so."""

from __future__ import annotations

import math
from dataclasses import replace

from carvoice.records import Hypothesis

_NO_ORDER = 0.2  # below it, what was heard was talk
_WITHIN_S = 3.0
_LOG_ODDS = 1.5  # by which an order is less probable then; an order that is clear stands it


class TalkBefore:
    """Makes a recognizer less sure of an order that nobody asked for right after talk. Of one stream."""

    def __init__(self) -> None:
        self._until_s = -math.inf

    def weigh(self, final: Hypothesis, begin_s: float, end_s: float, *, is_called: bool) -> Hypothesis:
        """The final with the probabilities it has after what was heard before.

        Args:
            final: with its own probabilities.
            begin_s: when its speech began.
            end_s: when it ended.
            is_called: the talker called or pressed the button: whatever was before, this is for us.
        """
        follows_talk = begin_s - self._until_s < _WITHIN_S and not is_called
        if final.order_confidence is not None and final.order_confidence < _NO_ORDER:
            self._until_s = end_s
        if not follows_talk:
            return final
        return replace(
            final,
            confidence=_less(final.confidence),
            order_confidence=_less(final.order_confidence),
        )


def _less(probability: float | None) -> float | None:
    """The probability at odds that are lower."""
    if probability is None:
        return None
    odds = math.exp(-_LOG_ODDS) * probability
    return odds / (odds + 1.0 - probability)
