"""Fit the confidence of near misses and draw its reliability.

Right and wrong readings come from the shipped test sentences passed through the simulated recognizer
(``nlu_channel``), and unspoiled through a grammar of which a third of the templates is left out, as drivers
say what no template has. Readings of what is no command come from made traps: a content word swapped for any
other, the end cut off, a story told, words at random. The shipped rejected sentences are only measured.

    python -m training.gist TABLE 1 && python bench/nlu_calibration.py --fit TABLE
    python -m training.gist TABLE 0 && python bench/nlu_calibration.py TABLE

The last writes bench/results/nlu_calibration.md. What the words alone say is fitted to the test sentences,
too: each half of them is fitted and measured on with a table that does not know it.
"""

from __future__ import annotations

import random
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from nlu_channel import Channel
from nlu_traps import traps
from scipy.optimize import minimize

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.grammar.words import tokenize
from carvoice.nlu import Understander
from carvoice.nlu.confidence import GIST_NAMES, features, probability
from carvoice.nlu.gist import load_gist
from carvoice.nlu.trial import load_tests
from carvoice.resources import data_path

RESULT = Path(__file__).parent / "results" / "nlu_calibration.md"
NOISY, TRAPS = 4000, 2000
TALK = Path(__file__).parent / "grammars" / "talk_dev.yaml"
LEFT_OUT = 1 / 3  # of the templates of the thin grammar
# How much an example counts: there are more noisy ones than drivers' own wordings, and talk is scarce.
WEIGHTS = {"noisy": 1.0, "free": 2.0, "trap": 1.5, "talk": 4.5}
WORD_ERRORS = (0.05, 0.1, 0.2, 0.3)


def in_half(text: str, half: int) -> bool:
    """Sentences are split for good: what was fitted on one half is measured on the other."""
    return zlib.crc32(text.encode()) & 1 == half


def thinned(grammar, rng):
    """The grammar without a third of its templates."""
    blocks = []
    for block in grammar.blocks:
        kept = tuple(template for template in block.sentences if rng.random() >= LEFT_OUT)
        if kept:
            blocks.append(replace(block, sentences=kept))
    return replace(grammar, blocks=tuple(blocks))


def examples(understander, thin, lexicon, half, table):
    """Features, is right, stated probability and kind of near misses.

    Kinds are noisy commands, commands a thin grammar has not, made traps, talk or the shipped rejected.
    """
    gist = load_gist(table)
    seed = 1 + half
    rng = random.Random(seed)
    shipped = load_tests(data_path("grammars", "en"))
    cases = [
        case
        for case in shipped
        if len(case.expected) == 1 and not case.context and in_half(case.sentence, half)
    ]
    held_out = [case.sentence for case in shipped if not case.expected]
    talk = [case.sentence for case in load_tests(TALK) if in_half(case.sentence, half)]
    channel = Channel(lexicon, seed)
    rows, labels, stated, kinds = [], [], [], []

    def add(kind, text, expected, parser=understander):
        if parser.exact.parse(text):
            return
        opinion = gist.opinion([token.text for token in tokenize(text)], parser.sound.number_words)
        near = parser.sound.nearest(text, {}, (), opinion)
        if near is None or near.evidence.gist is None:
            return
        values = {name: slot.value for name, slot in near.slots.items()}
        rows.append(features(near.evidence))
        meaning = (near.reading.intent, values)
        labels.append(expected is not None and meaning == (expected[0], dict(expected[1])))
        stated.append(probability(near.evidence))
        kinds.append(kind)

    for _ in range(NOISY):
        case = rng.choice(cases)
        add("noisy", channel.corrupt(case.sentence, rng.choice(WORD_ERRORS)), case.expected[0])
    for case in cases:
        add("free", case.sentence, case.expected[0], thin)
    for text in traps([case.sentence for case in cases], lexicon, TRAPS, rng):
        add("trap", text, None)
    for text in talk if half == 0 else held_out:
        add("talk" if half == 0 else "rejected", text, None)
    return np.array(rows), np.array(labels, float), np.array(stated), np.array(kinds)


def fit(rows, labels, kinds):
    """Bias and weights of a logistic regression with a small ridge."""
    weight = np.array([WEIGHTS[kind] for kind in kinds])
    scale = rows.std(axis=0) + 1e-9
    x = np.hstack([np.ones((len(rows), 1)), rows / scale])

    def loss(w):
        score = np.clip(x @ w, -30, 30)
        return np.average(np.logaddexp(0, score) - labels * score, weights=weight) + 1e-4 * np.sum(w[1:] ** 2)

    # What speaks against a reading must never speak for it, and the other way round.
    for_it = ("margin", "gist")
    bounds = [(None, None), *((0, None) if name in for_it else (None, 0) for name in GIST_NAMES)]
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


def picture(table, error, path):
    """The reliability diagram."""
    figure = Figure(figsize=(4.2, 4.2))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1)
    axes.plot([row[3] for row in table], [row[4] for row in table], "o-", color="#06c")
    for _, _, count, mean, share in table:
        axes.annotate(str(count), (mean, share), (6, -10), textcoords="offset points", fontsize=7)
    axes.set(xlabel="stated confidence", ylabel="share right", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"Near misses, ECE {error:.3f}", fontsize=10)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    lexicon = Lexicon.load()
    grammar = load_grammar(data_path("grammars", "en"))
    understander = Understander(compile_grammar(grammar), lexicon)
    thin = Understander(compile_grammar(thinned(grammar, random.Random(7))), lexicon)
    if "--fit" in sys.argv:
        rows, labels, _, kinds = examples(understander, thin, lexicon, 0, Path(sys.argv[2]))
        weights = fit(rows, labels, kinds)
        print("BIAS =", round(float(weights[0]), 3))
        print("WEIGHTS = (")
        for name, weight in zip(GIST_NAMES, weights[1:], strict=True):
            print(f"    {weight:.3f},  # {name}")
        print(")")
        return
    rows, labels, stated, kinds = examples(understander, thin, lexicon, 1, Path(sys.argv[1]))
    table, error = reliability(stated, labels)
    picture(table, error, RESULT.with_suffix(".svg"))
    lines = ["# Confidence of near misses\n", "![reliability](nlu_calibration.svg)\n"]
    lines += ["| stated | n | mean stated | right |", "|---|---|---|---|"]
    lines += [f"| {lo:.1f}-{hi:.1f} | {n} | {m:.3f} | {s:.3f} |" for lo, hi, n, m, s in table]
    lines.append(
        f"\nExpected calibration error, 10 bins: {error:.3f}, over {len(labels)} near misses: commands of "
        "one half of the shipped tests through the simulated recognizer at 5 to 30 % word error, or without "
        "a third of the templates, traps made of them, and half of the shipped rejected sentences. The "
        "weights were fitted on the other half, with other seeds.\n"
    )
    noisy, free, trap, held = (kinds == kind for kind in ("noisy", "free", "trap", "rejected"))
    lines.append(
        "| accept from | noisy commands right | wrong | wordings left out right | wrong | made traps taken "
        "| shipped rejected taken |"
    )
    lines.append("|---|---|---|---|---|---|---|")
    for at in (0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9):
        taken = stated >= at
        right = 100 * (taken & (labels > 0))[noisy].sum() / NOISY
        wrong = 100 * (taken & (labels == 0))[noisy].sum() / NOISY
        made = 100 * taken[trap].sum() / TRAPS
        own = 100 * (taken & (labels > 0))[free].sum() / free.sum()
        bad = 100 * (taken & (labels == 0))[free].sum() / free.sum()
        lines.append(
            f"| {at:.2f} | {right:.1f} % | {wrong:.2f} % | {own:.1f} % | {bad:.1f} % | {made:.1f} % "
            f"| {taken[held].sum()} |"
        )
    lines.append("\nNoisy commands are near misses only: those that stay exact are not counted.")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
