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
        told: words heard and left out that belong to people's talk.
    """

    cost: float
    phones: int
    margin: float
    skipped: float = 0.0
    told: int = 0


MAX_MARGIN = 4.0
NAMES = ("cost per phone", "cost", "margin", "skipped", "told", "short")
BIAS = 1.79
WEIGHTS = (-2.99, -0.2, 0.41, -2.07, -3.49, -0.35)


def features(evidence: Evidence) -> tuple[float, ...]:
    """The inputs of the regression, without the bias, in the order of ``NAMES``."""
    phones = max(1, evidence.phones)
    return (
        evidence.cost / phones,
        evidence.cost,
        min(evidence.margin, MAX_MARGIN),
        evidence.skipped,
        float(evidence.told),
        1.0 / phones,
    )


def probability(evidence: Evidence) -> float:
    """Probability that intent and slots are right."""
    score = BIAS + sum(weight * value for weight, value in zip(WEIGHTS, features(evidence), strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))
