"""Fits what sentences are about: a linear classifier over embedded words and pairs of neighbours.

Run ``python -m training.gist``; it writes ``carvoice/data/gist-en.npz``. (``python -m training.gist TABLE 1``
learns from one half of the sentences only; ``bench/nlu_calibration.py`` needs that.) Its examples are the
test sentences of the shipped grammar with their meanings, sentences drawn from its templates, and free
wordings (``wordings_en.tsv``: intent, slots with few values, template), whose words also count as what they
mean (``concepts_en.txt``); for a meaning that lacks a value, sentences that carry one are kept
(:mod:`carvoice.nlu.filling`); what means nothing is the talk of
``bench/grammars/talk_dev.yaml``, ``talk_en.txt`` and ``question_sentences.tsv``, broad English
(``training/text.py``), words
at random and commands spoiled. The sentences that the grammar's tests reject are for measuring and not among
them.
"""

from __future__ import annotations

import json
import random
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.numbers import spoken
from carvoice.grammar.sample import sample
from carvoice.nlu.exact import ExactParser, Reading
from carvoice.nlu.filling import PLACE
from carvoice.nlu.gist import NOTHING, Concepts, Meaning, known_rows, text_features
from carvoice.nlu.trial import TestCase, load_tests
from training.question_gate import expand
from training.text import TextMaker

ROOT = Path(__file__).parents[1]
GRAMMAR = ROOT / "grammars" / "en"
TARGET = ROOT / "carvoice" / "data" / "gist-en.npz"
TALK = ROOT / "bench" / "grammars" / "talk_dev.yaml"
QUESTIONS = Path(__file__).with_name("question_sentences.tsv")
TALK_BESIDE = Path(__file__).with_name("talk_en.txt")
WORDINGS = Path(__file__).with_name("wordings_en.tsv")
CONCEPTS = Path(__file__).with_name("concepts_en.txt")
SILENT = "_"  # the concept of words that say nothing
MEASURED = tuple(f"wordings_{name}.yaml" for name in ("held", "unseen", "fresh", "wide", "kept", "blind"))
DIMENSIONS = 64
EPOCHS = 14
BATCH = 256
DROPPED = 0.15  # words left out of an example
ABSTRACT = 0.3  # examples whose words count little beside their concepts, ...
HIDDEN = 0.7  # ... this share of the words and pairs left out
LEAST = 3  # examples of each line of wordings
FEW = 20  # values of a slot that counts as having few
NAMES = frozenset({"artist", "city", "contact", "preset"})  # that the owner may replace
CARRIERS = 3  # sentences kept for each meaning that lacks a value
PLAIN_NUMBERS = ("two", "five", "twenty", "fifty", "seventy", "ninety five point eight")
SAMPLES = 2  # sentences drawn from each template
FRAMES = (
    "he {}", "she {}", "they {}", "did you {}", "i told him to {}", "my mom always says {}", "{} yesterday",
    "why did you {}", "he forgot to {}", "i dreamt that we {}", "don't {}", "you said {}", "we never {}",
    "{} and dance with me", "if we {} tomorrow", "does your {} work", "who will {}", "my old {}",
)  # fmt: skip


@dataclass(frozen=True)
class Examples:
    """Sentences with the number of their meaning."""

    meanings: list[Meaning]
    whole: list[bool]
    closed: frozenset[str]
    rows: list[tuple[list[str], int]]
    carriers: dict[Meaning, list[str]] = field(default_factory=dict)


def closed_slots(cases: list[TestCase]) -> frozenset[str]:
    """The slots that have few values, and no numbers, and are not names."""
    values: dict[str, set[object]] = defaultdict(set)
    for case in cases:
        for _, slots in case.expected:
            for name, value in slots.items():
                values[name].add(value)
    return frozenset(
        name
        for name, found in values.items()
        if len(found) <= FEW
        and name not in NAMES
        and not any(isinstance(item, (int, float)) for item in found)
    )


def spoil(words: list[str], common: list[str], rng: random.Random) -> list[str]:
    """A command made into something else: two words swapped for others, a story told, its end gone."""
    kind = rng.random()
    if kind < 0.5:
        content = [i for i, word in enumerate(words) if len(word) > 3] or list(range(len(words)))
        for place in rng.sample(content, min(len(content), rng.randint(1, 2))):
            words = [*words[:place], rng.choice(common), *words[place + 1 :]]
        return words
    return rng.choice(FRAMES).format(" ".join(words)).split()


@cache
def measured() -> frozenset[str]:
    """Sentences that are measured, and never learned from."""
    named = [case.sentence for name in MEASURED for case in load_tests(TALK.with_name(name))]
    rejected = [case.sentence for case in load_tests(ROOT / "grammars" / "en") if not case.expected]
    return frozenset(named + rejected)


def wordings(rng: random.Random, closed: frozenset[str]) -> list[tuple[list[str], Meaning]]:
    """Free wordings with their meanings, but for those that are measured."""
    found: list[tuple[list[str], Meaning]] = []
    for line in WORDINGS.read_text(encoding="utf-8").splitlines():
        intent, slots, template = line.split("\t")
        pairs = (pair.partition("=") for pair in slots.split(",") if pair)
        meaning = intent, tuple(sorted((name, value) for name, _, value in pairs if name in closed))
        texts = sorted(expand(template, rng) - measured())
        found += [(text.split(), meaning) for text in texts * (1 if len(texts) >= LEAST else LEAST)]
    return found


@cache
def concepts() -> Concepts:
    """What words and phrases stand for, from ``concepts_en.txt``."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in CONCEPTS.read_text(encoding="utf-8").splitlines():
        name, _, members = line.partition(":")
        if not line.startswith("#"):
            for member in dict.fromkeys(members.split()):
                found[member.replace("_", " ")].append(name)
    return {member: tuple(name for name in names if name != SILENT) for member, names in found.items()}


def examples(take: Callable[[str], bool], rng: random.Random) -> Examples:
    """All examples, of the sentences that are taken."""
    cases = [
        case for case in load_tests(ROOT / "grammars" / "en") if len(case.expected) == 1 and not case.context
    ]
    closed = closed_slots(cases)
    commands: list[tuple[list[str], Meaning]] = []
    is_whole: dict[Meaning, bool] = {NOTHING: False}
    for case in cases:
        intent, slots = case.expected[0]
        kept = tuple(sorted((name, str(value)) for name, value in slots.items() if name in closed))
        meaning = (intent, kept)
        is_whole[meaning] = is_whole.get(meaning, False) or len(kept) == len(slots)
        if take(case.sentence):
            commands.append((case.sentence.split(), meaning))
    parser = ExactParser(compile_grammar(load_grammar(GRAMMAR)))
    for words, meaning in wordings(rng, closed):
        is_whole.setdefault(meaning, True)
        if take(" ".join(words)):
            commands.append((words, meaning))
    for sentence, meaning in samples(parser, closed):
        if meaning in is_whole and take(sentence):
            commands.append((sentence.split(), meaning))
    talk = [case.sentence for case in load_tests(TALK) if take(case.sentence)] * 4
    for line in QUESTIONS.read_text(encoding="utf-8").splitlines():
        _, language, template = line.split("\t")
        if language == "en":
            talk.extend(sorted(expand(template, rng))[:6])
    for template in TALK_BESIDE.read_text(encoding="utf-8").splitlines():
        talk.extend(sorted(expand(template, rng) - measured()))
    maker = TextMaker(None, 5)
    talk.extend(maker.broad() for _ in range(6000))
    common = sorted({word for line in talk for word in line.split()})
    nothing = [line.lower().split() for line in talk]
    nothing += [rng.choices(common, k=rng.randint(1, 8)) for _ in range(2000)]
    nothing += [spoil(rng.choice(commands)[0], common, rng) for _ in range(5000)]
    meanings = sorted(is_whole, key=str)
    number = {meaning: index for index, meaning in enumerate(meanings)}
    rows = [(words, number[meaning]) for words, meaning in commands]
    rows += [(words, number[NOTHING]) for words in nothing if words]
    whole = [is_whole[meaning] for meaning in meanings]
    return Examples(meanings, whole, closed, rows, carriers(parser, cases, closed))


def samples(parser: ExactParser, closed: frozenset[str]) -> Iterator[tuple[str, Meaning]]:
    """Sentences drawn from the templates, but for those that are measured."""
    grammar = load_grammar(GRAMMAR)
    count = SAMPLES * sum(len(block.sentences) for block in grammar.blocks)
    for drawn in sorted({item.sentence for item in sample(grammar, count, seed=7)} - measured()):
        readings = parser.parse(drawn)
        if readings:
            yield drawn, meaning_of(readings[0], closed)


def meaning_of(reading: Reading, closed: frozenset[str]) -> Meaning:
    """The meaning of a reading, without its slots that have many values."""
    slots = sorted((name, str(slot.value)) for name, slot in reading.slots.items() if name in closed)
    return reading.intent, tuple(slots)


def carries_numbers(parser: ExactParser, carrier: str, meaning: Meaning, closed: frozenset[str]) -> bool:
    """Does a sentence take plain numbers, and not "half a degree" alone?"""
    read = (parser.parse(carrier.replace(PLACE, number)) for number in PLAIN_NUMBERS)
    return any(readings and meaning_of(readings[0], closed) == meaning for readings in read)


def carriers(parser: ExactParser, cases: list[TestCase], closed: frozenset[str]) -> dict[Meaning, list[str]]:
    """For each meaning that may lack one value, short sentences that have it, with "#" in its place."""
    found: dict[Meaning, set[str]] = defaultdict(set)
    for case in cases:
        readings = parser.parse(case.sentence)
        if not readings:
            continue
        slots = readings[0].slots
        lacking = [name for name in slots if name not in closed]
        if len(lacking) != 1 or slots[lacking[0]].start < 0:
            continue
        value, start, end = slots[lacking[0]].value, slots[lacking[0]].start, slots[lacking[0]].end
        meaning = meaning_of(readings[0], closed)
        carrier = f"{case.sentence[:start]}{PLACE}{case.sentence[end:]}"
        if isinstance(value, str) or carries_numbers(parser, carrier, meaning, closed):
            found[meaning].add(carrier)
    return {
        meaning: sorted(sentences, key=lambda sentence: (len(sentence), sentence))[:CARRIERS]
        for meaning, sentences in found.items()
    }


def number_words() -> frozenset[str]:
    """Words that numbers are said with."""
    said = frozenset(word for number in (*range(101), 1000) for word in spoken(number, "en")[0].split())
    return said - {"a", "and"}


def fit(found: Examples, rng: random.Random) -> tuple[list[str], torch.nn.EmbeddingBag, torch.nn.Linear]:
    """The features and the two layers."""
    torch.manual_seed(rng.randrange(2**31))
    numbers = number_words()
    counts = Counter(
        feature for words, _ in found.rows for feature in text_features(words, numbers, concepts())
    )
    features = sorted(feature for feature, count in counts.items() if count >= 2)
    row_of = {feature: row for row, feature in enumerate(features)}
    embed = torch.nn.EmbeddingBag(len(features) + 1, DIMENSIONS, mode="sum")
    torch.nn.init.normal_(embed.weight, std=0.1)
    out = torch.nn.Linear(DIMENSIONS, len(found.meanings))
    steps = EPOCHS * (len(found.rows) // BATCH + 1)
    optimizer = torch.optim.AdamW([*embed.parameters(), *out.parameters()], lr=0.01, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    rows = list(found.rows)

    def indices(words: list[str]) -> list[int]:
        kept = [word for word in words if rng.random() > DROPPED] or words
        kept = [word if rng.random() > 0.02 else "?unknown?" for word in kept]
        said = text_features(kept, numbers, concepts())
        if rng.random() < ABSTRACT:
            said = [feature for feature in said if feature[0] == "@" or rng.random() > HIDDEN]
        return known_rows(said, row_of)

    for epoch in range(EPOCHS):
        rng.shuffle(rows)
        total = 0.0
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            picked = [indices(words) for words, _ in batch]
            sizes = torch.tensor([len(item) for item in picked])
            mixed = embed(torch.tensor([i for item in picked for i in item]), sizes.cumsum(0) - sizes)
            scores = out(mixed / sizes.sqrt()[:, None])
            loss = torch.nn.functional.cross_entropy(
                scores, torch.tensor([meaning for _, meaning in batch]), label_smoothing=0.02
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / len(rows):.3f}", flush=True)
    return features, embed, out


def eighths(matrix: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """A matrix in 8 bits, and the scale of each row (axis 1) or column (axis 0)."""
    scales = np.abs(matrix).max(axis=axis) / 127 + 1e-12
    scaled = matrix / (scales[:, None] if axis == 1 else scales)
    return np.round(scaled).astype(np.int8), scales.astype(np.float32)


def save(
    path: Path, found: Examples, features: list[str], embed: torch.nn.EmbeddingBag, out: torch.nn.Linear
):
    """Write the table that :func:`carvoice.nlu.gist.load_gist` reads."""
    embeddings, embedding_scales = eighths(embed.weight.detach().numpy(), 1)
    weights, weight_scales = eighths(out.weight.detach().numpy().T, 0)
    about = {
        "features": features,
        "meanings": found.meanings,
        "whole": found.whole,
        "closed": sorted(found.closed),
        "concepts": concepts(),
        "carriers": list(found.carriers.items()),
    }
    np.savez_compressed(
        path,
        about=np.frombuffer(json.dumps(about).encode(), np.uint8),
        embeddings=embeddings,
        embedding_scales=embedding_scales,
        weights=weights,
        weight_scales=weight_scales,
        bias=out.bias.detach().numpy(),
    )


def train(path: Path, take: Callable[[str], bool] = lambda sentence: True, seed: int = 1) -> None:
    """Fit on the sentences that are taken, and write the table."""
    rng = random.Random(seed)
    found = examples(take, rng)
    print(len(found.rows), "examples,", len(found.meanings), "meanings")
    save(path, found, *fit(found, rng))


def half(number: int) -> Callable[[str], bool]:
    """Takes the sentences of one half, as ``bench/nlu_calibration.py`` parts them."""
    return lambda sentence: zlib.crc32(sentence.encode()) & 1 == number


if __name__ == "__main__":
    if len(sys.argv) == 3:  # a path, and the half of the sentences to learn from
        train(Path(sys.argv[1]), half(int(sys.argv[2])))
    else:
        train(TARGET)
