"""What people say that is no order: lines for fitting and measuring rejection, none of them a command.

Half are sentences people say to each other and to an assistant that answers questions
(``training/question_sentences.tsv``), a quarter random broad English (``training/text.py``), a quarter orders
of the grammar in which every second word was exchanged for another: talk that has the sound of an order.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

from training.templates import TemplateSampler
from training.text import TextMaker

SENTENCES = Path(__file__).parents[1] / "training" / "question_sentences.tsv"
EXCHANGED = 0.5


def natural(rng: random.Random) -> list[str]:
    """A sentence of every English template, mixed."""
    rows = [line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    templates = [text for _, language, text in rows if language == "en"]
    rng.shuffle(templates)
    choices = [re.sub(r"\{([^}]*)\}", lambda m: rng.choice(m.group(1).split("|")), t) for t in templates]
    return [" ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split()) for text in choices]


def spoiled(order: str, words: TextMaker, rng: random.Random) -> str:
    """An order with words exchanged."""
    return " ".join(words.broad().split()[0] if rng.random() < EXCHANGED else word for word in order.split())


def talk(
    count: int, grammar: Path, is_command: Callable[[str], bool], seed: int, part: int = 0, parts: int = 1
) -> list[str]:
    """Lines without a command.

    Args:
        count: how many.
        grammar: folder of the orders that are spoiled.
        is_command: whether a line is a command after all.
        seed: of the draw.
        part, parts: which share of the natural sentences is used, so that two draws have none in common.
    """
    rng = random.Random(seed)
    words, orders = TextMaker(None, seed), TemplateSampler(grammar, rng)
    own = natural(random.Random(0))[part::parts]
    lines: list[str] = []
    for number in range(4 * count):
        kind = number % 4
        if kind < 2:
            line = own.pop() if own else words.broad()
        else:
            line = words.broad() if kind == 2 else spoiled(orders.draw(), words, rng)
        if line and not is_command(line):
            lines.append(line)
        if len(lines) == count:
            break
    return lines
