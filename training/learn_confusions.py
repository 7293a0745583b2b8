"""Learn what one phone is heard for, from what a recognizer made of known speech.

Input: JSON, a list of {"phones": "what was said, ARPAbet", "text": "what was recognized"}. The recognized
words are turned into phones by the lexicon and aligned with what was said; the counts of substitutions,
losses and insertions become costs, and the alignment is made again with them (hard EM, as in Ristad and
Yianilos, "Learning string-edit distance", IEEE PAMI 20(5), 1998). A cost is the log ratio of hearing the
phone itself to hearing the other one; so a match is free.

    python training/learn_confusions.py pairs.json carvoice/data/confusions-en.tsv
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.g2p import ARPABET
from carvoice.grammar.lexicon import Lexicon

VOWELS = frozenset("aa ae ah ao aw ay eh er ey ih iy ow oy uh uw".split())
ROUNDS = 3
MAX_ERROR_RATE = 0.6  # utterances the recognizer lost altogether teach nothing
PRIOR = 30.0  # pseudo-counts per meant phone, spread by the prior over confusions
SCALE = 0.4  # slips come in bursts: a word is misheard as a whole, so log ratios overstate their cost
HIGHEST, LOWEST = 2.6, 0.1


def prior() -> np.ndarray:
    """P(heard | meant) before any data: likelier within vowels and within consonants."""
    n = len(ARPABET)
    table = np.full((n, n + 1), 0.001)
    for i, meant in enumerate(ARPABET):
        for k, heard in enumerate(ARPABET):
            table[i, k] = 0.004 if (meant in VOWELS) == (heard in VOWELS) else 0.001
        table[i, i] = 0.8
        table[i, n] = 0.05
    return table / table.sum(axis=1, keepdims=True)


def align(meant: list[int], heard: list[int], sub: np.ndarray, drop: np.ndarray, insert: np.ndarray):
    """Cheapest alignment: its cost and (meant or -1, heard or -1) pairs."""
    rows, columns = len(meant) + 1, len(heard) + 1
    cost = np.zeros((rows, columns))
    cost[1:, 0] = np.cumsum(drop[meant])
    cost[0, 1:] = np.cumsum(insert[heard])
    for i in range(1, rows):
        for k in range(1, columns):
            cost[i, k] = min(
                cost[i - 1, k - 1] + sub[meant[i - 1], heard[k - 1]],
                cost[i - 1, k] + drop[meant[i - 1]],
                cost[i, k - 1] + insert[heard[k - 1]],
            )
    pairs = []
    i, k = rows - 1, columns - 1
    while i or k:
        if i and k and np.isclose(cost[i, k], cost[i - 1, k - 1] + sub[meant[i - 1], heard[k - 1]]):
            i, k = i - 1, k - 1
            pairs.append((meant[i], heard[k]))
        elif i and np.isclose(cost[i, k], cost[i - 1, k] + drop[meant[i - 1]]):
            i -= 1
            pairs.append((meant[i], -1))
        else:
            k -= 1
            pairs.append((-1, heard[k]))
    return cost[-1, -1], pairs


def learn(utterances: list[tuple[list[int], list[int]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Costs (substitute, drop, insert) from pairs of what was meant and what was heard."""
    n = len(ARPABET)
    given = prior()
    probability, inserted = given, np.full(n, 0.002)
    for step in range(ROUNDS):
        own = np.diag(probability[:, :n])
        sub = np.log(own[:, None] / probability[:, :n])
        drop = np.log(own / probability[:, n])
        counts, inserts, total, used = PRIOR * given, np.full(n, 1.0), 0, 0
        for meant, heard in utterances:
            _, pairs = align(meant, heard, sub, drop, -np.log(inserted))
            wrong = sum(a != b for a, b in pairs)
            if wrong > MAX_ERROR_RATE * len(meant):
                continue
            used += 1
            for a, b in pairs:
                if a < 0:
                    inserts[b] += 1
                else:
                    counts[a, b] += 1
            total += len(meant)
        probability = counts / counts.sum(axis=1, keepdims=True)
        inserted = inserts / total
        error = 1 - np.diag(counts[:, :n]).sum() / counts.sum()
        print(f"round {step + 1}: {used} of {len(utterances)} utterances, phone error {100 * error:.1f} %")
    own = np.diag(probability[:, :n])
    sub = np.clip(SCALE * np.log(own[:, None] / probability[:, :n]), LOWEST, HIGHEST)
    np.fill_diagonal(sub, 0.0)
    drop = np.clip(SCALE * np.log(own / probability[:, n]), LOWEST, HIGHEST)
    return sub, drop, np.clip(-SCALE * np.log(inserted), LOWEST, HIGHEST)


def main() -> None:
    """Read pairs, learn, write the table."""
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    lexicon = Lexicon.load()
    number = {phone: index for index, phone in enumerate(ARPABET)}
    utterances = []
    for item in json.loads(source.read_text(encoding="utf-8")):
        heard: list[int] = []
        for word in item["text"].split():
            try:
                heard += [number[phone] for phone in lexicon.pronunciations(word)[0]]
            except GrammarError:
                continue
        meant = [number[phone] for phone in item["phones"].split()]
        if heard and meant and len(meant) < 80:
            utterances.append((meant, heard))
    sub, drop, insert = learn(utterances)
    lines = ["# Costs of hearing one phone for another: rows meant, columns heard, then lost, then inserted."]
    lines.append("\t".join(ARPABET))
    for index, phone in enumerate(ARPABET):
        cells = [*sub[index], drop[index], insert[index]]
        lines.append("\t".join([phone, *(f"{cell:.2f}" for cell in cells)]))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
