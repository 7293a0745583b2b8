"""Fit the confidence of near misses and draw its reliability.

Right and wrong readings come from the shipped test sentences passed through the simulated recognizer
(``nlu_channel``), readings of what is no command from made traps: a content word swapped for any other,
the end cut off, a story told, words at random. The shipped rejected sentences are only measured.

    python bench/nlu_calibration.py [--fit]     writes bench/results/nlu_calibration.md
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
from nlu_channel import Channel
from scipy.optimize import minimize

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander
from carvoice.nlu.confidence import NAMES, features, probability
from carvoice.nlu.trial import load_tests
from carvoice.resources import data_path

RESULT = Path(__file__).parent / "results" / "nlu_calibration.md"
TELLERS = ("i", "he", "she", "they", "we", "my wife", "you", "the man", "did you", "she said", "he will")
NOISY, TRAPS = 2500, 2500


def traps(commands: list[str], common: list[str], rng: random.Random) -> list[str]:
    """Sentences that are no commands though they look like some."""
    made: list[str] = []
    while len(made) < TRAPS:
        words = rng.choice(commands).split()
        kind = rng.random()
        if kind < 0.4 and len(words) > 1:
            places = [i for i, word in enumerate(words) if len(word) > 3]
            if places:
                words[rng.choice(places)] = rng.choice(common)
        elif kind < 0.55 and len(words) > 2:
            words = words[: -rng.randint(1, 2)]
        elif kind < 0.7:
            words = [*rng.choice(TELLERS).split(), *words]
        elif kind < 0.8:
            words = [*words, *rng.choices(common, k=rng.randint(2, 5))]
        else:
            words = rng.choices(common[:2000], k=rng.randint(2, 8))
        made.append(" ".join(words))
    return made


def examples(understander, lexicon, seed):
    """(features, is right, stated probability) of noisy commands and of traps."""
    rng = random.Random(seed)
    cases = [case for case in load_tests(data_path("grammars", "en")) if len(case.expected) == 1]
    held_out = [case.sentence for case in load_tests(data_path("grammars", "en")) if not case.expected]
    channel = Channel(lexicon, seed)
    sound, exact = understander.sound, understander.exact
    rows, labels, stated = [], [], []

    def add(text, expected):
        if exact.parse(text):
            return
        near = sound.nearest(text, {})
        if near is None:
            return
        values = {name: slot.value for name, slot in near.slots.items()}
        rows.append(features(near.evidence))
        meaning = (near.reading.intent, values)
        labels.append(expected is not None and meaning == (expected[0], dict(expected[1])))
        stated.append(probability(near.evidence))

    for _ in range(NOISY):
        case = rng.choice(cases)
        add(channel.corrupt(case.sentence, rng.choice((0.1, 0.2, 0.3))), case.expected[0])
    noisy = len(rows)
    common = [word for word in lexicon.frequent_words(6000) if len(word) > 2]
    for text in traps([case.sentence for case in cases], common, rng):
        add(text, None)
    made = len(rows)
    for text in held_out:
        add(text, None)
    return np.array(rows), np.array(labels, float), np.array(stated), noisy, made


def fit(rows, labels):
    """Bias and weights of a logistic regression with a small ridge."""
    scale = rows.std(axis=0) + 1e-9
    x = np.hstack([np.ones((len(rows), 1)), rows / scale])

    def loss(w):
        score = np.clip(x @ w, -30, 30)
        return np.mean(np.logaddexp(0, score) - labels * score) + 1e-4 * np.sum(w[1:] ** 2)

    # What speaks against a reading must never speak for it: only bias and margin may be positive.
    bounds = [(None, None), *((0, None) if name == "margin" else (None, 0) for name in NAMES)]
    w = minimize(loss, np.zeros(x.shape[1]), method="L-BFGS-B", bounds=bounds).x
    return [w[0], *(w[1:] / scale)]


def reliability(stated, labels):
    """Rows of (low, high, count, mean stated, share right) and the expected calibration error."""
    rows, error = [], 0.0
    for low in np.arange(0.0, 1.0, 0.1):
        inside = (stated >= low) & ((stated < low + 0.1) | (low > 0.85))
        if inside.any():
            mean, share = stated[inside].mean(), labels[inside].mean()
            rows.append((low, low + 0.1, int(inside.sum()), mean, share))
            error += inside.mean() * abs(mean - share)
    return rows, error


def main() -> None:
    lexicon = Lexicon.load()
    understander = Understander(compile_grammar(load_grammar(data_path("grammars", "en"))), lexicon)
    if "--fit" in sys.argv:
        rows, labels, _, _, made = examples(understander, lexicon, 1)
        weights = fit(rows[:made], labels[:made])
        print("BIAS =", round(float(weights[0]), 2))
        print("WEIGHTS =", tuple(round(float(w), 2) for w in weights[1:]), NAMES)
        return
    rows, labels, stated, noisy, made = examples(understander, lexicon, 2)
    table, error = reliability(stated[:made], labels[:made])
    lines = ["# Confidence of near misses\n", "| stated | n | mean stated | right |", "|---|---|---|---|"]
    lines += [f"| {lo:.1f}-{hi:.1f} | {n} | {m:.3f} | {s:.3f} |" for lo, hi, n, m, s in table]
    lines.append(f"\nExpected calibration error, 10 bins, {made} readings not used in fitting: {error:.3f}\n")
    lines.append("| accept from | noisy commands right | wrong | made traps taken | shipped rejected taken |")
    lines.append("|---|---|---|---|---|")
    for at in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        taken = stated >= at
        right = 100 * (taken & (labels > 0))[:noisy].sum() / NOISY
        wrong = 100 * (taken & (labels == 0))[:noisy].sum() / NOISY
        trap, held = 100 * taken[noisy:made].sum() / TRAPS, taken[made:].sum()
        lines.append(f"| {at:.1f} | {right:.1f} % | {wrong:.1f} % | {trap:.1f} % | {held} |")
    lines.append("\nNoisy commands are near misses only: those that stay exact are not counted.")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
