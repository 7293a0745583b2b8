"""What a sentence is about, by its words alone, in whatever order and with whatever between them.

A linear classifier over embedded words, pairs of neighbours (Joulin et al., "Bag of tricks for efficient
text classification", EACL 2017) and pairs of concepts: "nippy" and "freezing" are both cold, and what is
said with one word is understood with the other. It knows the meanings of the shipped grammar's test
sentences, and what is none of them; ``training/gist.py`` fits it. It says how well the words go with a
reading that was found by sound, and it knows wordings that no template has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from carvoice.errors import GrammarError
from carvoice.records import Value

Meaning: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""An intent and those of its slots that have few values, sorted."""

NOTHING: Meaning = ("", ())
LONGEST = 40  # words
BEGINNING = 4  # letters in which "heated" is "heater"
PHRASE = 4  # words of the longest name of a concept
TOGETHER = 10  # words with a concept that are looked at in pairs

Concepts: TypeAlias = Mapping[str, tuple[str, ...]]
"""What words and phrases stand for; nothing is a word that says nothing."""


def text_features(
    words: Sequence[str], number_words: frozenset[str], concepts: Concepts | None = None
) -> list[str]:
    """Words, how they begin, pairs of neighbours, concepts and their pairs; any number is "#"."""
    kept: list[str] = []
    for word in words[:LONGEST]:
        said = "#" if word in number_words or word.isdigit() else word
        if said != "#" or kept[-1:] != ["#"]:
            kept.append(said)
    beginnings = [f"^{word[:BEGINNING]}" for word in kept if len(word) > BEGINNING]
    pairs = [f"{left} {right}" for left, right in pairwise(["<", *kept, ">"])]
    return kept + beginnings + pairs + (_concept_features(kept, concepts) if concepts else [])


def _concept_features(words: Sequence[str], concepts: Concepts) -> list[str]:
    """Concepts as "@cold", pairs of them in any order as "@cold seat", each once."""
    groups: list[tuple[str, ...]] = []
    place = 0
    while place < len(words):
        for length in range(min(PHRASE, len(words) - place), 0, -1):
            meant = concepts.get(" ".join(words[place : place + length]))
            if meant is not None:
                break
        else:
            place += 1
            continue
        if length > 1:  # "fog light" is a light, too
            parts = (concepts.get(word, ()) for word in words[place : place + length])
            meant = tuple(dict.fromkeys((*meant, *(concept for part in parts for concept in part))))
        if meant:
            groups.append(meant)
        place += length
    single = sorted({concept for group in groups for concept in group})
    pairs = {
        f"@{one} {other}" if one <= other else f"@{other} {one}"
        for left, right in combinations(groups[:TOGETHER], 2)
        for one in left
        for other in right
    }
    return [f"@{concept}" for concept in single] + sorted(pairs)


def known_rows(features: Sequence[str], rows: Mapping[str, int]) -> list[int]:
    """The rows of features; a word that is not known has the last row, anything else none."""
    unknown = len(rows)
    found = [
        rows.get(feature, unknown)
        for feature in features
        if feature in rows or (" " not in feature and feature[0] not in "^@")
    ]
    return found or [unknown]


@dataclass(frozen=True, slots=True)
class Gist:
    """The classifier. Immutable; thread-safe.

    Attributes:
        features: what is known of words and pairs, with their rows; one that is not known has the last row
            if it is a word, and none if it is a pair.
        meanings: what there is to mean.
        whole: per meaning, whether nothing need be missing in it: it can be meant without a slot with many
            values.
        carriers: per meaning, sentences that mean it and have "#" in the place of a value that is missing.
        closed: the slots with few values.
        embeddings: float32 (features + 1, dimensions).
        weights: float64 (dimensions, meanings), as the scores are computed: converting them takes longer.
        bias: float32 (meanings,).
        places: the index of each meaning.
        intents: the intent of each meaning.
        concepts: what words and phrases stand for.
    """

    features: Mapping[str, int]
    meanings: tuple[Meaning, ...]
    whole: tuple[bool, ...]
    closed: frozenset[str]
    embeddings: NDArray[np.float32]
    weights: NDArray[np.float64]
    bias: NDArray[np.float32]
    places: Mapping[Meaning, int]
    intents: NDArray[np.str_]
    concepts: Concepts = field(default_factory=dict)
    carriers: Mapping[Meaning, tuple[str, ...]] = field(default_factory=dict)

    def opinion(self, words: Sequence[str], number_words: frozenset[str]) -> Opinion:
        """What words say."""
        return Opinion(self, self.probabilities(words, number_words))

    def meaning_of(self, intent: str, values: Mapping[str, Value]) -> Meaning:
        """The meaning of a reading, without its slots that have many values."""
        return intent, tuple(
            sorted((name, str(value)) for name, value in values.items() if name in self.closed)
        )

    def probabilities(self, words: Sequence[str], number_words: frozenset[str]) -> NDArray[np.float64]:
        """The probability of each meaning, float64 (meanings,)."""
        rows = known_rows(text_features(words, number_words, self.concepts), self.features)
        mixed = self.embeddings[rows].sum(axis=0) / np.sqrt(len(rows))
        scores = (mixed @ self.weights + self.bias).astype(np.float64)
        scores = np.exp(scores - scores.max())
        found: NDArray[np.float64] = scores / scores.sum()
        return found


@dataclass(frozen=True, slots=True)
class Guess:
    """What words alone say.

    Attributes:
        intent, slots: the meaning.
        probability: of it.
        is_whole: nothing need be missing in it.
        carriers: sentences that mean it and have "#" in the place of a value that is missing.
    """

    intent: str
    slots: tuple[tuple[str, str], ...]
    probability: float
    is_whole: bool
    carriers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the words of one text say of its meaning."""

    gist: Gist
    probabilities: NDArray[np.float64]

    @property
    def nothing(self) -> float:
        """Probability of meaning nothing."""
        return float(self.probabilities[self.gist.places[NOTHING]])

    @property
    def likeliest(self) -> float:
        """Probability of the likeliest meaning that is not nothing."""
        first, second = np.partition(self.probabilities, -2)[-2:][::-1]
        return float(second if first == self.probabilities[self.gist.places[NOTHING]] else first)

    def of(self, intent: str, values: Mapping[str, Value]) -> float | None:
        """Probability of the meaning of a reading; None if nothing is known of it."""
        place = self.gist.places.get(self.gist.meaning_of(intent, values))
        return None if place is None else float(self.probabilities[place])

    def of_intent(self, intent: str) -> float:
        """Probability of all meanings of an intent."""
        return float(self.probabilities[self.gist.intents == intent].sum())

    def guess(self) -> Guess | None:
        """The likeliest meaning; None if that is nothing."""
        place = int(self.probabilities.argmax())
        meaning = self.gist.meanings[place]
        if meaning == NOTHING:
            return None
        carriers = self.gist.carriers.get(meaning, ())
        return Guess(*meaning, float(self.probabilities[place]), self.gist.whole[place], carriers)


@lru_cache(maxsize=2)
def load_gist(path: Path) -> Gist:
    """Read a classifier.

    Raises:
        GrammarError: the file is no classifier.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            about: dict[str, Any] = json.loads(bytes(stored["about"]))
            embeddings = stored["embeddings"] * stored["embedding_scales"][:, None]
            weights = stored["weights"] * stored["weight_scales"]
            bias = stored["bias"].astype(np.float32)
    except (OSError, KeyError, ValueError) as error:
        raise GrammarError(f"no table of what sentences are about ({error})", path=path) from None
    meanings = tuple(
        (intent, tuple((name, value) for name, value in slots)) for intent, slots in about["meanings"]
    )
    return Gist(
        {feature: row for row, feature in enumerate(about["features"])},
        meanings,
        tuple(bool(item) for item in about["whole"]),
        frozenset(about["closed"]),
        embeddings.astype(np.float32),
        weights.astype(np.float32).astype(np.float64),
        bias,
        {meaning: place for place, meaning in enumerate(meanings)},
        np.array([intent for intent, _ in meanings]),
        {name: tuple(meant) for name, meant in about["concepts"].items()},
        {
            (intent, tuple((name, value) for name, value in slots)): tuple(carriers)
            for (intent, slots), carriers in about["carriers"]
        },
    )
