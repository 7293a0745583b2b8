"""Sentences that are no commands though they look like some, made from commands. Seeded."""

from __future__ import annotations

import random
from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from carvoice.grammar.lexicon import Lexicon

TELLERS = ("i", "he", "she", "they", "we", "my wife", "you", "the man", "did you", "she said", "he will")


def traps(commands: Sequence[str], lexicon: Lexicon, count: int, rng: random.Random) -> list[str]:
    """A content word swapped for one that sounds different, the end cut off, a story told, words at random.

    A word that sounds like the one it replaces would be a command misheard, and no trap.
    """
    common = [word for word in lexicon.frequent_words(6000) if len(word) > 2]
    made: list[str] = []
    while len(made) < count:
        words = rng.choice(commands).split()
        kind = rng.random()
        if kind < 0.4 and len(words) > 1:
            places = [i for i, word in enumerate(words) if len(word) > 3]
            if not places:
                continue
            place, other = rng.choice(places), rng.choice(common)
            if sounds_like(lexicon, words[place], other):
                continue
            words[place] = other
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


def sounds_like(lexicon: Lexicon, one: str, other: str) -> bool:
    """Whether at least half of the phones of two words agree."""
    first, second = lexicon.pronunciations(one)[0], lexicon.pronunciations(other)[0]
    return Levenshtein.normalized_distance(first, second) <= 0.5
