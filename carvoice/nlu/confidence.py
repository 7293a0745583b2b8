"""How sure an interpretation is: a probability from what distinguishes right readings from wrong ones.

A logistic regression over a few plain features, one for readings whose meaning :mod:`carvoice.nlu.gist` knows
and one for the rest; the weights were fitted on simulated recognizer errors and on free wordings
(``bench/nlu_calibration.py``, which also draws the reliability diagram).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


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
        gist: probability of the meaning by the words alone; None if nothing is known of it.
        gist_of_nothing: the same of meaning nothing.
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
    gist: float | None = None
    gist_of_nothing: float = 0.0


MAX_MARGIN = 4.0
MAX_WORST = 3.0
NAMES = (
    "cost per phone", "cost per root of phones", "margin", "skipped", "skipped words", "told", "dropped",
    "worst word", "number",
)  # fmt: skip
BIAS = 1.818
WEIGHTS = (-2.766, -0.814, 0.472, -3.75, -0.086, -1.103, -1.3, -0.294, -0.142)

GIST_NAMES = (*NAMES, "gist", "another by gist")
GIST_BIAS = 0.998
GIST_WEIGHTS = (-0.824, -0.787, 0.343, -0.769, -0.297, -1.021, 0.0, -0.162, -0.74, 1.209, -1.509)
MOST_INCOMPLETE = 0.84  # below the confidence from which a command is done unasked
UNLIKE = 1.2  # cost per phone of a word heard as another


def features(evidence: Evidence) -> tuple[float, ...]:
    """The inputs of the regression, without the bias, in the order of ``NAMES`` or ``GIST_NAMES``."""
    phones = max(1, evidence.phones)
    by_sound = (
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
    if evidence.gist is None:
        return by_sound
    return (*by_sound, evidence.gist, 1.0 - evidence.gist_of_nothing - evidence.gist)


def probability(evidence: Evidence) -> float:
    """Probability that intent and slots are right.

    It is no more than ``MOST_INCOMPLETE`` if a word was not heard at all, or as one that sounds quite unlike,
    or a word that means something was left out ("the fish tank"): what was said may have been another thing,
    so that it is asked for, however likely.
    """
    values = features(evidence)
    bias, weights = (BIAS, WEIGHTS) if len(values) == len(WEIGHTS) else (GIST_BIAS, GIST_WEIGHTS)
    score = bias + sum(weight * value for weight, value in zip(weights, values, strict=True))
    found = 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, score))))
    is_whole = not evidence.dropped and not evidence.skipped_words and evidence.worst < UNLIKE
    return found if is_whole else min(found, MOST_INCOMPLETE)


def most_probable(evidence: Evidence, gist: float | None) -> float:
    """What :func:`probability` is at most when it is not known yet what the sentence means.

    Args:
        evidence: all but margin and gist.
        gist: the highest probability that the words alone give any meaning; None if nothing is known of them.
    """
    far = replace(evidence, margin=MAX_MARGIN, gist=None)
    by_sound = probability(far)
    return by_sound if gist is None else max(by_sound, probability(replace(far, gist=gist)))


def most_cost(phones: int, at_least: float, gist: float | None = None, nothing: float = 0.0) -> float:
    """The cost beyond which no reading of so many phones can be so probable, whatever else speaks for it.

    Args:
        phones: phones heard.
        at_least: the probability.
        gist: the highest probability that the words alone give any meaning; None if nothing is known of them.
        nothing: the probability that they give to meaning nothing.
    """
    if at_least <= 0.0:
        return math.inf
    if at_least >= 1.0:
        return 0.0
    wanted = math.log(at_least / (1.0 - at_least))
    best = BIAS + WEIGHTS[2] * MAX_MARGIN
    most = (wanted - best) / (WEIGHTS[0] / phones + WEIGHTS[1] / math.sqrt(phones))
    if gist is not None:
        best = GIST_BIAS + GIST_WEIGHTS[2] * MAX_MARGIN + GIST_WEIGHTS[9] * gist
        best += GIST_WEIGHTS[10] * (1.0 - nothing - gist)
        most = max(most, (wanted - best) / (GIST_WEIGHTS[0] / phones + GIST_WEIGHTS[1] / math.sqrt(phones)))
    return most
