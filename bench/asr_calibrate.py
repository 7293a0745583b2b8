"""Fit the embedded recognizer's confidence, and show what it is worth.

    PYTHONPATH=. python bench/asr_calibrate.py COMMANDS --chatter SPEECH --grammar grammars/en [--write]

COMMANDS is a folder of audio shards with orders by voices held out of training (``python -m
training.held_out``); SPEECH a folder with ``manifest.tsv`` and recordings that hold no order. Each is
heard clean and in a simulated cabin, through the recognizer as it runs in the car. Writes the
reliability curve and the rates of wrong orders to ``bench/results/asr-confidence.md``; with
``--write`` the weights to ``models/asr-en/tuning.toml``. Nothing is fitted on real orders.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np
import soundfile

from carvoice.asr.confidence import Fit
from carvoice.asr.evaluate import Condition
from carvoice.asr.grammar_recognizer import GrammarRecognizer, settings_of
from carvoice.asr.models import load_model
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.nlu.understander import Understander, UnderstanderSettings
from training import noise
from training.shards import Shard, tables

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "models" / "asr-en"
RESULT = ROOT / "bench" / "results" / "asr-confidence.md"
NAMES = [field.name for field in fields(Fit)]
SIGNS = np.array([1, 1, -1, 1, -1, -1, 1])  # more of it speaks for (1) or against (-1) the words
RIDGE = 1e-2


def cabin(n, rng):
    return noise.cabin(n, float(rng.choice([60, 100, 130])), rng, rng.random() < 0.2)


CONDITIONS = [Condition("clean")] + [Condition(f"{snr} dB", cabin, snr) for snr in (15, 5, 0)]


def orders(folder: Path, limit: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """(voice, text, sound) of held-out orders, the voices in turn."""
    shards = [list(Shard.load(table).items()) for table in tables(folder)]
    rounds = zip(*shards, strict=False)
    pad = np.zeros(8_000, np.float32)
    flat = [item for turn in rounds for item in turn]
    for entry, data in flat[:limit]:
        sound = np.asarray(data, np.float32) / 32768
        yield entry.voice, entry.text, np.concatenate([pad, sound, pad])


def chatter(folder: Path, limit: int, part: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """(corpus, text, sound) of speech that holds no order."""
    rows = [line.split("\t") for line in (folder / "manifest.tsv").read_text(encoding="utf-8").splitlines()]
    wanted = [row for row in rows if re.match(part, row[0])]
    for row in wanted[:: max(1, len(wanted) // limit)][:limit]:
        sound, _ = soundfile.read(folder / row[0], dtype="float32")
        yield row[0].split("/")[0], "", sound[: 16_000 * 12]


class Ear:
    """Recognizer and parser of one process."""

    def __init__(self, grammar: Path, model: Path, settings: dict) -> None:
        automaton = compile_grammar(load_grammar(grammar))
        words = sorted(automaton.vocabulary, key=automaton.vocabulary.__getitem__)
        manners = [" ".join(words[word] for word in phrase) for phrase in automaton.skip_phrases]
        loaded = load_model(model)
        self.recognizer = GrammarRecognizer(
            build_acceptor(automaton),
            loaded,
            settings=replace(settings_of(loaded.decoding), **settings),
            skip_phrases=manners,
        )
        self.parser = Understander(automaton, None, UnderstanderSettings(near_misses=False))

    def meaning(self, text: str) -> list:
        parsed = self.parser.parse(text) if text else ()
        return [(item.intent, sorted(item.values.items(), key=str)) for item in parsed if not item.rejected]

    def hear(self, kind: str, text: str, sound: np.ndarray, condition: int, seed: int) -> dict:
        noisy = CONDITIONS[condition].apply(sound, (seed, condition))
        stream = self.recognizer.create_stream()
        began = time.process_time()
        for start in range(0, len(noisy), 1600):
            stream.accept(noisy[start : start + 1600])
        hypothesis = stream.finish()
        cpu_s = time.process_time() - began
        heard, wanted = self.meaning(hypothesis.text), self.meaning(text)
        return {
            "kind": kind,
            "condition": CONDITIONS[condition].name,
            "said": text,
            "heard": hypothesis.text,
            "command": bool(heard),
            "right": bool(wanted) and heard == wanted,
            "fit": astuple(stream.fit) if stream.fit else None,
            "sound_s": len(noisy) / 16_000,
            "cpu_s": cpu_s,
        }


_ear: Ear | None = None


def start(grammar: Path, model: Path, settings: dict) -> None:
    global _ear
    _ear = Ear(grammar, model, settings)


def job(item: tuple) -> dict:
    assert _ear is not None
    return _ear.hear(*item)


def fit_logistic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Logistic regression with a ridge on standardized measures; the last weight is the bias.

    A measure whose weight comes out with the sign that makes no sense is left out: better fit must
    not lower confidence just because the sample is small.
    """
    used = np.ones(x.shape[1], bool)
    while True:
        w = np.zeros(x.shape[1] + 1)
        mean, scale = x[:, used].mean(0), x[:, used].std(0) + 1e-6
        standard = newton((x[:, used] - mean) / scale, y)
        w[:-1][used] = standard[:-1] / scale
        w[-1] = standard[-1] - float((standard[:-1] * mean / scale).sum())
        senseless = used & (w[:-1] * SIGNS < 0)
        if not senseless.any():
            return w
        used &= ~senseless


def newton(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge-regularized logistic regression by Newton's method; the last weight is the bias."""
    x = np.column_stack([x, np.ones(len(x))])
    w = np.zeros(x.shape[1])
    ridge = RIDGE * len(x) * np.eye(x.shape[1]) / 10
    ridge[-1, -1] = 0
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (p - y) + ridge @ w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + ridge + 1e-9 * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        w -= step
        if np.abs(step).max() < 1e-6:
            break
    return w


def probabilities(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-(np.column_stack([x, np.ones(len(x))]) @ w)))


def cross_validated(x: np.ndarray, y: np.ndarray, folds: int = 5) -> np.ndarray:
    """Each sample's probability from weights fitted without its fold."""
    p = np.zeros(len(y))
    fold = np.random.default_rng(0).permutation(len(y)) % folds
    for k in range(folds):
        p[fold == k] = probabilities(fit_logistic(x[fold != k], y[fold != k]), x[fold == k])
    return p


def report(rows: list[dict], p: np.ndarray, scored: list[int]) -> str:
    by_row = {index: p[k] for k, index in enumerate(scored)}
    lines = ["# Confidence of the embedded recognizer\n"]
    lines.append("Made by `bench/asr_calibrate.py`; exact parse of what was heard, no repair by sound.\n")
    lines.append(
        "| condition | orders | right % | wrong % | rejected % | right at ≥ 0.5 % | wrong at ≥ 0.5 % |"
    )
    lines.append("|---|---|---|---|---|---|---|")
    for condition in CONDITIONS:
        some = [
            (i, row)
            for i, row in enumerate(rows)
            if row["kind"] == "order" and row["condition"] == condition.name
        ]
        if not some:
            continue
        n = len(some)
        right = sum(row["right"] for _, row in some)
        wrong = sum(row["command"] and not row["right"] for _, row in some)
        sure = [(i, row) for i, row in some if by_row.get(i, 0) >= 0.5]
        sure_right = sum(row["right"] for _, row in sure)
        sure_wrong = sum(row["command"] and not row["right"] for _, row in sure)
        shares = [100 * k / n for k in (right, wrong, n - right - wrong, sure_right, sure_wrong)]
        lines.append(f"| {condition.name} | {n} | " + " | ".join(f"{share:.1f}" for share in shares) + " |")
    lines.append("\n| speech that holds no order | hours | commands heard | at ≥ 0.5 | per hour at ≥ 0.5 |")
    lines.append("|---|---|---|---|---|")
    for kind in dict.fromkeys(row["kind"] for row in rows if row["kind"] != "order"):
        some = [(i, row) for i, row in enumerate(rows) if row["kind"] == kind]
        hours = sum(row["sound_s"] for _, row in some) / 3600
        heard = sum(row["command"] for _, row in some)
        sure = sum(row["command"] and by_row.get(i, 0) >= 0.5 for i, row in some)
        lines.append(f"| {kind} | {hours:.2f} | {heard} | {sure} | {sure / hours:.1f} |")
    y = np.array([rows[i]["right"] for i in scored], float)
    lines.append("\n| confidence | commands | share right |")
    lines.append("|---|---|---|")
    for low in np.arange(0, 1, 0.1):
        inside = (p >= low) & (p < low + 0.1 if low < 0.89 else p <= 1)
        if inside.any():
            lines.append(f"| {p[inside].mean():.2f} | {inside.sum()} | {y[inside].mean():.2f} |")
    brier = float(np.mean((p - y) ** 2))
    cpu = sum(row["cpu_s"] for row in rows) / sum(row["sound_s"] for row in rows)
    lines.append(f"\nBrier score {brier:.3f} (always the mean: {float(np.var(y)):.3f}); RTF {cpu:.3f}.\n")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("commands", type=Path)
    parser.add_argument("--chatter", type=Path)
    parser.add_argument("--chatter-part", default="ljspeech", help="pattern of the recordings to take")
    parser.add_argument("--grammar", type=Path, default=ROOT / "grammars" / "en")
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--orders", type=int, default=100)
    parser.add_argument("--others", type=int, default=60)
    parser.add_argument("--noise-minutes", type=float, default=5.0)
    parser.add_argument("--settings", default="{}", help="decoding settings to try, JSON")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rows", type=Path, help="keep what was heard, as JSON")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()

    jobs = []
    for n, (_, text, sound) in enumerate(orders(args.commands, args.orders)):
        jobs += [("order", text, sound, condition, n) for condition in range(len(CONDITIONS))]
    if args.chatter:
        for n, (kind, text, sound) in enumerate(chatter(args.chatter, args.others, args.chatter_part)):
            jobs.append((kind, text, sound, n % 3, 10_000 + n))
    rng = np.random.default_rng(5)
    jobs += [
        ("cabin noise", "", 0.03 * cabin(16_000 * 10, rng), 0, 0) for _ in range(int(args.noise_minutes * 6))
    ]

    settings = json.loads(args.settings)
    with ProcessPoolExecutor(args.processes, None, start, (args.grammar, args.model, settings)) as pool:
        rows = list(pool.map(job, jobs, chunksize=4))
    if args.rows:
        args.rows.write_text(json.dumps(rows))
    scored = [i for i, row in enumerate(rows) if row["fit"] and (row["command"] or row["kind"] != "order")]
    x = np.array([rows[i]["fit"] for i in scored])
    y = np.array([rows[i]["right"] for i in scored], float)
    text = report(rows, cross_validated(x, y), scored)
    print(settings, text, sep="\n")
    if args.write:
        w = fit_logistic(x, y)
        weights = ", ".join(f"{name} = {value:.4f}" for name, value in zip(NAMES, w, strict=False))
        lines = ["# Measured by bench/asr_calibrate.py.", "[decoding]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        lines += ["", "[confidence]", f"bias = {w[-1]:.4f}", f"weights = {{ {weights} }}", ""]
        (args.model / "tuning.toml").write_text("\n".join(lines))
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(text)


if __name__ == "__main__":
    main()
