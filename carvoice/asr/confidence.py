"""How sure the ear is: from measures of fit to a calibrated probability.

The measures of one final go through logistic functions (Platt, 1999) whose weights were fitted on
recordings whose transcript is known; they lie in the model's ``tuning.toml``. A command is no
surer than how it fits (``[confidence.command]``, all measures), and no surer than that, an order having
been said, it was this one and no other (``[confidence.words]``): the lesser of both. In one sum, words that
fit the sound well would outweigh that another order fits as well. ``[confidence.order]`` is the probability
that an order was said, whichever, and whatever was understood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any

from carvoice.errors import ModelError


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a final fits the sound, compared with what else it could have been.

    How well it fits by itself says as much about the talker's accent as about the words, so it is compared
    with other readings and with free phones, which had the same talker.

    Attributes:
        outside: share of the phones that are filler or open words.
        shortness: 1 / number of phones of the words.
        unfinished: 1 when the path ends within a word, by the cut.
        odds: log odds of the meaning against all others found (:func:`carvoice.asr.nbest.log_odds`).
        contested: what the odds lack of 3; from there on, more of them say less.
        free: by how much free phones fit better (:mod:`carvoice.asr.free_phones`), nats by root of the number
            of phones (40 at most), as chance would have it; negative where the words do. So a long order of
            a talker unlike those of the training counts as much as a short one that fits better.
        words: the same for free words (:mod:`carvoice.asr.free_words`), whose own costs count: where talk was
            taken for an order, its own words fit better.
        unheard: share of the words that free words do not have in their place; rare names, which they could
            not have, are left out.
        poorest: how far the worst of the words that free words do not have in their place is behind the best
            labels of its frames, nats per phone: "light" where "quiet" was said, more than a slurred "the".
        blurred: how undecided the networks are about the phones of its frames, whatever these are: entropy in
            nats, times the root of the number of phones (40 at most). A talker unlike those of the training
            is heard clearly, if wrongly; the voices of a babble are not.
        surplus: how many more phones are heard in its frames, free to follow each other, than it has, as a
            share of them: those of several talkers, or of other words.

    ``unheard`` and ``poorest`` count in full where free words fit as well as the order, and not at all where
    the order fits clearly better: of a talker unlike those of the training, free words get most wrong.
    """

    outside: float
    shortness: float
    unfinished: float
    odds: float
    contested: float
    free: float
    words: float
    unheard: float
    poorest: float
    blurred: float
    surplus: float


LEAST_OF = ("command", "words")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logistic regression from :class:`Fit` to a probability."""

    weights: tuple[float, ...]
    bias: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Calibration | None:
        """The calibration in a table of ``tuning.toml``, None when it is empty.

        Raises:
            ModelError: the table does not fit this version.
        """
        if not settings:
            return None
        names = [field.name for field in fields(Fit)]
        weights = settings.get("weights", {})
        if not isinstance(weights, Mapping) or set(weights) != set(names):
            raise ModelError(f"[confidence] weights must name exactly {', '.join(names)}; calibrate again")
        return cls(tuple(float(weights[name]) for name in names), float(settings.get("bias", 0.0)))

    @classmethod
    def of_words(cls, settings: Mapping[str, Any]) -> tuple[Calibration, ...]:
        """Those of which the least is the confidence, from ``[confidence]``; none when it is empty.

        Raises:
            ModelError: a table does not fit this version.
        """
        found = (cls.of(settings.get(name, {})) for name in LEAST_OF)
        return tuple(calibration for calibration in found if calibration)

    def probability(self, fit: Fit) -> float:
        """Probability, 0..1."""
        logit = self.bias + sum(w * x for w, x in zip(self.weights, astuple(fit), strict=True))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))
