"""A recognizer's slips, simulated: text goes in, text with phonetic errors comes out. Seeded.

A word hit by an error is replaced by a common word that sounds like it (edit distance of phones, with
vowels near vowels and consonants of one kind near each other), dropped (short words mostly), joined with
its neighbour into one word that sounds like both, or gets a short word beside it. The distances here are
set by hand from phonetic classes and are not the table the parser uses.
"""

from __future__ import annotations

import random
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from carvoice.errors import GrammarError
from carvoice.grammar.g2p import ARPABET
from carvoice.grammar.lexicon import Lexicon

COMMON_WORDS = 12_000
NEIGHBOURS = 12
SHORT_WORDS = ("a", "the", "to", "in", "of", "and", "uh", "it", "is", "on", "at", "for", "um", "you")
CLASSES = (
    "iy ih ey eh", "aa ao ah ae", "uw uh ow ao", "er ah", "aw ow", "ay ey oy", "p b", "t d", "k g",
    "f v th dh", "s z sh zh th", "ch jh sh t", "m n ng", "l r w y", "hh",
)  # fmt: skip


def _near(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if any(one in group.split() and other in group.split() for group in CLASSES):
        return 0.5
    return 1.0


class Channel:
    """Corrupts sentences.

    Args:
        lexicon: pronunciations.
        seed: the same seed gives the same slips.
    """

    def __init__(self, lexicon: Lexicon, seed: int = 0) -> None:
        self._lexicon = lexicon
        self._random = random.Random(seed)
        self._codes = {phone: chr(ord("A") + index) for index, phone in enumerate(ARPABET)}
        self._names = {code: phone for phone, code in self._codes.items()}
        self._common: dict[str, str] = {}
        for word in lexicon.frequent_words(COMMON_WORDS):
            if len(word) > 1 or word in "ai":
                self._common.setdefault(self._code(word), word)

        self._codes_of_common = list(self._common)

    def corrupt(self, sentence: str, word_error: float) -> str:
        """The sentence as a recognizer with this word error rate might write it."""
        words = sentence.split()
        heard: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if self._random.random() >= word_error:
                heard.append(word)
                continue
            kind = self._random.random()
            if kind < 0.70:
                heard.append(self._swap(word))
            elif kind < 0.82:
                if len(word) > 4:
                    heard.append(self._swap(word))
            elif kind < 0.90 and at < len(words):
                heard.append(self._swap(word + " " + words[at]))
                at += 1
            else:
                heard.extend([word, self._random.choice(SHORT_WORDS)])
        return " ".join(heard)

    def _code(self, text: str) -> str:
        try:
            phones = [p for word in text.split() for p in self._lexicon.pronunciations(word)[0]]
        except GrammarError:
            return ""
        return "".join(self._codes[phone] for phone in phones)

    def _swap(self, text: str) -> str:
        near = self._neighbours(text)
        if not near:
            return text
        weights = [2.0 ** (-2.5 * distance) for _, distance in near]
        return self._random.choices([word for word, _ in near], weights)[0]

    @lru_cache(maxsize=20_000)  # noqa: B019
    def _neighbours(self, text: str) -> list[tuple[str, float]]:
        code = self._code(text)
        most = max(1, len(code) // 2)
        found = process.extract(
            code, self._codes_of_common, scorer=Levenshtein.distance, limit=80, score_cutoff=most
        )
        near = [
            (self._common[other], self._distance(code, other))
            for other, _, _ in found
            if self._common[other] != text
        ]
        return sorted(near, key=lambda item: item[1])[:NEIGHBOURS]

    def _distance(self, one: str, other: str) -> float:
        row = [float(k) for k in range(len(other) + 1)]
        for i, a in enumerate(one, 1):
            before, row[0] = row[0], float(i)
            for k, b in enumerate(other, 1):
                swap = before + _near(self._names[a], self._names[b])
                before = row[k]
                row[k] = min(swap, row[k] + 0.8, row[k - 1] + 0.8)
        return row[-1]
