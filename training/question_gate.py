"""Fits the gate that tells open questions from cabin talk: a logistic regression over word patterns.

Run ``python -m training.question_gate``; it writes ``carvoice/data/question-gate.tsv``. The sentences are the
templates of ``question_sentences.tsv`` (kind, language, ``{a|b}`` for alternatives), which we wrote, and the
odd lines of ``bench/llm_data/questions.tsv``; the figures come from its even lines and from German ones.
Every template weighs the same, however many sentences it has. The strength of the penalty is chosen by
leaving templates out.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from carvoice.llm.gate import features

_SENTENCES = Path(__file__).with_name("question_sentences.tsv")
_WEIGHTS = Path(__file__).parents[1] / "carvoice" / "data" / "question-gate.tsv"
_IN_VIEW = Path(__file__).parents[1] / "bench" / "llm_data" / "questions.tsv"
_PER_TEMPLATE = 30
_LEAST_TEMPLATES = 2  # a feature that one template alone has says nothing of other sentences
_PENALTIES = (0.01, 0.03, 0.1, 0.3)
_FOLDS = 5


def expand(template: str, rng: random.Random) -> set[str]:
    """Some of the sentences of a template."""
    found = set()
    for _ in range(3 * _PER_TEMPLATE):
        text = re.sub(r"\{([^}]*)\}", lambda match: rng.choice(match.group(1).split("|")), template)
        found.add(" ".join(text.split()))
    return (
        set(sorted(found)[:_PER_TEMPLATE])
        if len(found) <= _PER_TEMPLATE
        else set(rng.sample(sorted(found), _PER_TEMPLATE))
    )


def fit(samples: list[tuple[tuple[str, ...], bool, int]], penalty: float) -> tuple[dict[str, float], float]:
    """Weights of the features and the bias; samples are (features, is a question, template)."""
    in_templates: dict[str, set[int]] = {}
    for found, _, template in samples:
        for name in found:
            in_templates.setdefault(name, set()).add(template)
    names = sorted(name for name, where in in_templates.items() if len(where) >= _LEAST_TEMPLATES)
    column = {name: i for i, name in enumerate(names)}
    size = Counter(template for _, _, template in samples)
    rows = [[column[name] for name in found if name in column] for found, _, _ in samples]
    flat = np.concatenate([np.asarray(row, np.intp) for row in rows])
    row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    target = np.array([question for _, question, _ in samples], np.float64)
    weight = np.array([1.0 / size[template] for _, _, template in samples])
    for kind in (0.0, 1.0):  # both kinds weigh the same
        weight[target == kind] *= 0.5 * len(size) / weight[target == kind].sum()

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        theta, bias = parameters[:-1], parameters[-1]
        logit = bias + np.bincount(row_of, theta[flat], minlength=len(rows))
        value = weight @ (np.logaddexp(0.0, logit) - target * logit) + 0.5 * penalty * theta @ theta
        slope = weight * (expit(logit) - target)
        gradient = np.bincount(flat, slope[row_of], minlength=len(names)) + penalty * theta
        return float(value), np.append(gradient, slope.sum())

    best = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    return dict(zip(names, best[:-1], strict=True)), float(best[-1])


def main() -> None:
    """Choose the penalty, fit, write the weights."""
    rng = random.Random(0)
    samples: list[tuple[tuple[str, ...], bool, int]] = []
    for number, line in enumerate(_SENTENCES.read_text(encoding="utf-8").splitlines()):
        kind, _, template = line.split("\t")
        samples += [(tuple(features(s)), kind == "q", number) for s in sorted(expand(template, rng))]
    in_view = _IN_VIEW.read_text(encoding="utf-8").splitlines()[0::2]
    for number, line in enumerate(in_view, start=samples[-1][2] + 1):
        kind, sentence = line.split("\t")
        samples.append((tuple(features(sentence)), kind == "q", number))
    templates = sorted({template for _, _, template in samples})
    rng.shuffle(templates)
    fold = {template: i % _FOLDS for i, template in enumerate(templates)}
    wrong: dict[float, float] = {}
    for penalty in _PENALTIES:
        misses = []
        for left_out in range(_FOLDS):
            weights, bias = fit([s for s in samples if fold[s[2]] != left_out], penalty)
            for found, question, template in samples:
                if fold[template] == left_out:
                    logit = bias + sum(weights.get(name, 0.0) for name in found)
                    misses.append((logit >= 0) != question)
        wrong[penalty] = float(np.mean(misses))
        print(f"penalty {penalty}: {wrong[penalty]:.1%} of left-out sentences wrong")
    weights, bias = fit(samples, min(wrong, key=lambda penalty: wrong[penalty]))
    lines = [f"bias\t{bias:.2f}"]
    lines += [f"{name}\t{w:.2f}" for name, w in sorted(weights.items()) if abs(w) >= 0.02]
    _WEIGHTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(samples)} sentences of {len(templates)} templates, {len(lines)} weights in {_WEIGHTS}")


if __name__ == "__main__":
    main()
