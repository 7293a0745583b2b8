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
NAMES = ("cost per phone", "cost per root of phones", "margin", "skipped", "told")
BIAS = 1.67
WEIGHTS = (-1.1, -1.28, 0.42, -2.35, -3.35)


def features(evidence: Evidence) -> tuple[float, ...]:
    """The inputs of the regression, without the bias, in the order of ``NAMES``."""
    phones = max(1, evidence.phones)
    return (
        evidence.cost / phones,
        evidence.cost / math.sqrt(phones),
        min(evidence.margin, MAX_MARGIN),
        evidence.skipped,
        float(evidence.told),
    )


def probability(evidence: Evidence) -> float:
    """Probability that intent and slots are right."""
    score = BIAS + sum(weight * value for weight, value in zip(WEIGHTS, features(evidence), strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))
