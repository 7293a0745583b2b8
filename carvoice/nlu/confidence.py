"""How sure an interpretation is: a probability from what distinguishes right readings from wrong ones.

A logistic regression over a few plain features; its weights were fitted on simulated recognizer errors
(``bench/nlu_calibration.py``, which also draws the reliability diagram).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for and against a reading.

    Attributes:
        cost: distance from what was heard to the sentence.
        phones: phones heard.
        margin: how much further the nearest sentence with another meaning is.
        skipped: share of the phones left out.
        skipped_words: words left out that mean something.
        told: words heard and left out that belong to people's talk.
        dropped: words of the sentence that were not heard at all.
        worst: highest cost per phone of a word heard as another.
        number_cost: the same of its number words.
    """

    cost: float
    phones: int
    margin: float
    skipped: float = 0.0
    skipped_words: int = 0
    told: int = 0
    dropped: int = 0
    worst: float = 0.0
    number_cost: float = 0.0


MAX_MARGIN = 4.0
MAX_WORST = 3.0
NAMES = (
    "cost per phone", "cost per root of phones", "margin", "skipped", "skipped words", "told", "dropped",
    "worst word", "number",
)  # fmt: skip
BIAS = 1.818
WEIGHTS = (-2.766, -0.814, 0.472, -3.75, -0.086, -1.103, -1.3, -0.294, -0.142)


def features(evidence: Evidence) -> tuple[float, ...]:
    """The inputs of the regression, without the bias, in the order of ``NAMES``."""
    phones = max(1, evidence.phones)
    return (
        evidence.cost / phones,
        evidence.cost / math.sqrt(phones),
        min(evidence.margin, MAX_MARGIN),
        evidence.skipped,
        float(evidence.skipped_words),
        float(evidence.told),
        float(evidence.dropped),
        min(evidence.worst, MAX_WORST),
        min(evidence.number_cost, MAX_WORST),
    )


def probability(evidence: Evidence) -> float:
    """Probability that intent and slots are right."""
    score = BIAS + sum(weight * value for weight, value in zip(WEIGHTS, features(evidence), strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))
