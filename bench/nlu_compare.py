"""Understanding side by side: this parser, hassil, rapidfuzz over sampled sentences.

padacioso was tried with 600 sampled sentences as its intents and took more than 20 s of wall time for one
sentence on a busy two-core machine, so it is not in the table.

All get the shipped English grammar and its test sentences: as they are, through the simulated recognizer
at 5, 10 and 20 % word error, and the sentences that must be rejected. Latency is CPU time of the calling
thread, so that a busy machine does not count.

    python bench/nlu_compare.py [sentences per condition]      writes bench/results/nlu_compare.md
"""

from __future__ import annotations

import math
import random
import statistics
import sys
import time
from pathlib import Path

import yaml
from hassil.intents import Intents
from hassil.recognize import recognize_best
from hassil.util import merge_dict
from nlu_channel import Channel
from rapidfuzz import fuzz, process

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.grammar.sample import sample
from carvoice.nlu import Understander
from carvoice.nlu.trial import load_tests
from carvoice.resources import data_path

GRAMMAR = data_path("grammars", "en")
RESULT = Path(__file__).parent / "results" / "nlu_compare.md"
SAMPLES = 20_000
FUZZ_CUTOFF = 85


class Ours:
    name = "carvoice"

    def __init__(self, grammar, lexicon):
        self.parser = Understander(compile_grammar(grammar), lexicon)

    def parse(self, text):
        found = self.parser.parse(text)
        return [(item.intent, item.values) for item in found if not item.rejected]


class OursExact(Ours):
    name = "carvoice, exact part only"

    def parse(self, text):
        readings = self.parser.exact.parse(text)
        return [(r.intent, {n: s.value for n, s in r.slots.items()}) for r in readings[:1]]


class Hassil:
    name = "hassil 3.12"

    def __init__(self, grammar):
        merged: dict = {}
        for path in grammar.paths:
            merge_dict(merged, yaml.safe_load(path.read_text(encoding="utf-8")))
        self.intents = Intents.from_dict(merged)

    def parse(self, text):
        result = recognize_best(text, self.intents)
        if result is None:
            return []
        return [(result.intent.name, {name: entity.value for name, entity in result.entities.items()})]


class Fuzzy:
    name = f"rapidfuzz, {SAMPLES} sampled sentences"

    def __init__(self, grammar, ours):
        self.sentences = sorted({item.sentence for item in sample(grammar, SAMPLES, seed=5)})
        self.ours = ours

    def parse(self, text):
        best = process.extractOne(text, self.sentences, scorer=fuzz.ratio, score_cutoff=FUZZ_CUTOFF)
        return self.ours.parse(best[0]) if best else []


def measure(peer, cases):
    """Shares of intent right, all right, wrong action, rejected; CPU milliseconds per sentence."""
    intent = right = wrong = rejected = 0
    spent: list[float] = []
    for text, expected in cases:
        start = time.thread_time()
        found = peer.parse(text)
        spent.append((time.thread_time() - start) * 1e3)
        wanted = [(name, dict(slots)) for name, slots in expected]
        intent += bool(found) and [name for name, _ in found] == [name for name, _ in wanted]
        right += found == wanted
        rejected += not found
        wrong += bool(found) and found != wanted
    count = len(cases)
    return [100 * part / count for part in (intent, right, wrong, rejected)], spent


def latency(spent):
    ordered = sorted(spent)
    points = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.95, 0.99)]
    return [*points, ordered[-1]]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    grammar, lexicon = load_grammar(GRAMMAR), Lexicon.load()
    cases = load_tests(GRAMMAR)
    rng = random.Random(7)
    commands = [(case.sentence, case.expected) for case in cases if len(case.expected) == 1]
    commands = rng.sample(commands, min(count, len(commands)))
    conditions = {"clean": commands}
    for percent in (5, 10, 20):
        channel = Channel(lexicon, percent)
        conditions[f"{percent} % word error"] = [
            (channel.corrupt(text, percent / 100), expected) for text, expected in commands
        ]
    conditions["no commands"] = [(case.sentence, ()) for case in cases if not case.expected]
    exact = OursExact(grammar, lexicon)
    peers = [Ours(grammar, lexicon), exact, Hassil(grammar), Fuzzy(grammar, exact)]
    lines = [
        "# Understanding, side by side\n",
        f"{len(commands)} commands drawn from the shipped tests, {len(conditions['no commands'])} that are "
        "none. Per cent of sentences; *wrong* is a command understood as another one, or anything "
        "understood that is none. Latency is CPU time of one thread.\n",
        "| condition | parser | intent | intent+slots | wrong | rejected | p50 ms | p95 | p99 | max |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for condition, texts in conditions.items():
        for peer in peers:
            shares, spent = measure(peer, texts)
            times = " | ".join(f"{value:.3f}" for value in latency(spent))
            if condition == "no commands":
                shares[0] = shares[1] = float("nan")
            cells = " | ".join("-" if math.isnan(value) else f"{value:.1f}" for value in shares)
            lines.append(f"| {condition} | {peer.name} | {cells} | {times} |")
            print(lines[-1], flush=True)
    means = [statistics.mean(measure(peer, commands[:200])[1]) for peer in (exact, peers[2])]
    lines.append(
        f"\nMean CPU time on clean commands: exact part {means[0]:.4f} ms, hassil {means[1]:.2f} ms: "
        f"{means[1] / means[0]:.0f} times."
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(lines[-1])


if __name__ == "__main__":
    main()
