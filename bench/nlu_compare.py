"""Understanding side by side: this parser, hassil, rapidfuzz over sampled sentences, padacioso.

All get the shipped English grammar and its test sentences: as they are, through the simulated recognizer
at 5, 10 and 20 % word error, drivers' free wordings that no template was written from, and the sentences
that must be rejected. Latency is CPU time of the process, so that a busy machine does not count. padacioso
gets sampled sentences as its samples; it starts a pool of processes for each sentence, which takes 0.1 s of
CPU time and is left out here, in its favour.

    python bench/nlu_compare.py [sentences per condition]      writes bench/results/nlu_compare.md
"""

from __future__ import annotations

import ctypes
import gc
import math
import os
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
from padacioso import IntentContainer
from rapidfuzz import fuzz, process

from carvoice.config import NluConfig
from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.grammar.sample import sample
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.nlu.exact import ExactParser
from carvoice.nlu.trial import load_tests
from carvoice.resources import data_path

GRAMMAR = data_path("grammars", "en")
RESULT = Path(__file__).parent / "results" / "nlu_compare.md"
SAMPLES = 20_000
FUZZ_CUTOFF = 85
PADACIOSO_SAMPLES = 20_000
HELD_OUT = Path(__file__).parent / "grammars" / "wordings_held.yaml"


class Ours:
    """As the assistant runs it: less sure readings are asked back ("did you mean ...?"), not done."""

    name = "carvoice"

    def __init__(self, grammar, lexicon):
        config = NluConfig()
        self.sure = config.sure_confidence
        settings = UnderstanderSettings(reject_below=config.min_confidence)
        self.parser = Understander(compile_grammar(grammar), lexicon, settings)

    def parse(self, text):
        found = self.parser.parse(text)
        readings = [(item.intent, item.values) for item in found if not item.rejected]
        return Asked(readings) if min(item.confidence for item in found) < self.sure else readings


class Asked(list):
    """Readings that are asked back."""


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


class Padacioso:
    name = f"padacioso, {PADACIOSO_SAMPLES} sampled sentences"

    def __init__(self, grammar, ours):
        self.container = IntentContainer()
        self.ours = ours
        sentences: dict[str, list[str]] = {}
        for item in sample(grammar, PADACIOSO_SAMPLES, seed=5):
            sentences.setdefault(item.intent, []).append(item.sentence)
        self.example = {intent: texts[0] for intent, texts in sentences.items()}
        for intent, texts in sentences.items():
            self.container.add_intent(intent, sorted(set(texts)))

    def parse(self, text):
        matchers = self.container.intent_samples.items()
        found = [self.container._match(text, intent, samples) for intent, samples in matchers]
        best = max(filter(None, found), key=lambda item: item["conf"], default=None)
        if best is None:
            return []
        intent = best["name"]
        # Its samples have no slots: they are read from the text, or are those of the intent's first sample.
        return [item for item in self.ours.parse(text) if item[0] == intent] or self.ours.parse(
            self.example[intent]
        )


def memory_mb(build):
    """Resident memory that building a parser and its first sentence take, in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what is free already must not hide what is taken
        before = resident_mb()
        kept = build()
        kept.parse("nothing that anybody says to open a car")  # what is made at the first sentence counts too
        os.write(writer, f"{resident_mb() - before:.1f}".encode())
        os._exit(0 if kept else 1)
    os.waitpid(child, 0)
    return float(os.read(reader, 32))


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(peer, cases):
    """Shares of intent right, all right, wrong, asked back, rejected; CPU milliseconds per sentence."""
    intent = right = wrong = rejected = asked = 0
    spent: list[float] = []
    gc.collect()
    gc.freeze()  # what the other parsers hold is not to be walked through meanwhile
    for text, expected in cases:
        start = time.process_time()
        found = peer.parse(text)
        spent.append((time.process_time() - start) * 1e3)
        wanted = [(name, dict(slots)) for name, slots in expected]
        if isinstance(found, Asked) and found:
            asked += 1
            continue
        intent += bool(found) and [name for name, _ in found] == [name for name, _ in wanted]
        right += found == wanted
        rejected += not found
        wrong += bool(found) and found != wanted
    count = len(cases)
    return [100 * part / count for part in (intent, right, wrong, asked, rejected)], spent


def other_orders(ours, texts):
    """How many texts that are understood wrong are, word for word, another order; and how many are wrong."""
    wrong = [
        text
        for text, expected in texts
        if (found := ours.parse(text))
        and not isinstance(found, Asked)
        and found != [(name, dict(slots)) for name, slots in expected]
    ]
    return sum(bool(ours.parser.exact.parse(text)) for text in wrong), len(wrong)


def latency(spent):
    ordered = sorted(spent)
    points = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.95, 0.99)]
    return [*points, ordered[-1]]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    grammar, lexicon = load_grammar(GRAMMAR), Lexicon.load()
    builds = (
        lambda: Ours(grammar, lexicon),
        lambda: ExactParser(compile_grammar(grammar)),
        lambda: Hassil(grammar),
        lambda: Fuzzy(grammar, None),
        lambda: Padacioso(grammar, None),
    )
    memory = [memory_mb(build) for build in builds]  # before the memory is used by anything else
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
    held_out = load_tests(HELD_OUT)
    conditions["worded freely"] = [
        (case.sentence, case.expected) for case in rng.sample(held_out, min(count, len(held_out)))
    ]
    conditions["no commands"] = [(case.sentence, ()) for case in cases if not case.expected]
    exact = OursExact(grammar, lexicon)
    peers = [Ours(grammar, lexicon), exact, Hassil(grammar), Fuzzy(grammar, exact), Padacioso(grammar, exact)]
    lines = [
        "# Understanding, side by side\n",
        f"{len(commands)} commands drawn from the shipped tests, {len(conditions['no commands'])} that are "
        "none. Per cent of sentences; *wrong* is a command understood as another one, or anything "
        "understood that is none; *asked* is asked back as the assistant does it. Latency in ms, CPU time. "
        f"Machine load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores.\n",
        "| condition | parser | intent | intent+slots | wrong | asked | rejected | p50 | p95 | p99 | max |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
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
    noisy = [text for condition, texts in conditions.items() if "error" in condition for text in texts]
    others, wrong = other_orders(peers[0], noisy)
    lines.append(
        f"\nUnder simulated errors carvoice takes {wrong} of {len(noisy)} texts for another order; "
        f'{others} of them are that order word for word (as "volume minimum" is for "volume maximum"). The '
        "text alone does not tell: a recognizer that doubts the word would have to say so, and these texts "
        "have no scores."
    )
    lines.append("\n| parser | memory, MB |\n|---|---|")
    lines += [f"| {peer.name} | {size:.0f} |" for peer, size in zip(peers, memory, strict=True)]
    lines.append(
        "\nMemory is what building the parser adds to a process that has the grammar's templates and the "
        "lexicon in memory already."
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(lines[-1])


if __name__ == "__main__":
    main()
