"""Talk right before an order makes it less probable."""

import pytest

from carvoice.asr.talk import TalkBefore
from carvoice.records import Hypothesis

TALK = Hypothesis("we were there", confidence=0.0, order_confidence=0.05)
NOISE = Hypothesis("")
ORDER = Hypothesis("open the window", confidence=0.9, order_confidence=0.95)


def after(before, gap_s, *, is_called=False, order=ORDER):
    talk = TalkBefore()
    talk.weigh(before, 0.0, 5.0, is_called=False)
    return talk.weigh(order, 5.0 + gap_s, 7.0 + gap_s, is_called=is_called)


def test_right_after_talk_it_must_be_clearer():
    doubted = after(TALK, 0.5)
    odds = 0.9 / 0.1
    assert doubted.confidence == pytest.approx(1 / (1 + 4.4817 / odds), abs=1e-4)
    assert doubted.order_confidence < 0.95
    clear = Hypothesis("open the window", confidence=0.99, order_confidence=0.99)
    assert after(TALK, 0.5, order=clear).confidence > 0.9


@pytest.mark.parametrize(("before", "gap_s"), [(TALK, 3.1), (NOISE, 0.5), (ORDER, 0.5)])
def test_anything_else_before_changes_nothing(before, gap_s):
    assert after(before, gap_s) == ORDER


def test_who_called_is_believed():
    assert after(TALK, 0.5, is_called=True) == ORDER


def test_no_probability_stays_none():
    heard = Hypothesis("open the window")
    assert after(TALK, 0.5, order=heard) == heard


def test_the_first_utterance():
    assert TalkBefore().weigh(ORDER, 0.0, 1.0, is_called=False) == ORDER


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_certainty_stays(sure):
    order = Hypothesis("x", confidence=sure, order_confidence=0.5)
    assert after(TALK, 0.5, order=order).confidence == pytest.approx(sure)
