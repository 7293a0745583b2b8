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
        skipped: share of heard words left out.
        dropped: words of the sentence that were not heard.
    """

    cost: float
    phones: int
    margin: float
    skipped: float = 0.0
    dropped: int = 0


BIAS = 5.0
COST_PER_PHONE = -11.0
MARGIN = 0.9
SKIPPED = -4.0
DROPPED = -0.6
SHORT = -4.0
MAX_MARGIN = 3.0


def features(evidence: Evidence) -> tuple[float, ...]:
    """The inputs of the regression, without the bias."""
    phones = max(1, evidence.phones)
    return (
        evidence.cost / phones,
        min(evidence.margin, MAX_MARGIN),
        evidence.skipped,
        float(evidence.dropped),
        1.0 / phones,
    )


def probability(evidence: Evidence) -> float:
    """Probability that intent and slots are right."""
    weights = (COST_PER_PHONE, MARGIN, SKIPPED, DROPPED, SHORT)
    score = BIAS + sum(weight * value for weight, value in zip(weights, features(evidence), strict=True))
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))
