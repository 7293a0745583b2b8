"""Answers given before, found again by meaning; for questions that neither moment nor car changes.

Without an embedding model the likeness is lexical: the same kind of question (who, when, how many, ...), the
same numbers and negation, and the Dice coefficient of the content stems. With one, the cosine of the
embeddings takes the place of the coefficient and the rest stays as a guard, because embeddings hardly see
numbers and negation. ``bench/llm_cache.py`` measures hits and wrong hits over the threshold.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from carvoice.llm.answer import AnswerContext, Cancel, Draft
from carvoice.llm.text import content_stems, stem, words
from carvoice.records import AnswerRecord, FloatArray

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT PRIMARY KEY, answer TEXT NOT NULL, model TEXT, learnt_unix_s REAL, used_unix_s REAL,
    embedding BLOB);
"""
# The moment, the place, the car, the people in it, or words that point back into the conversation.
_MOMENT = (
    "now|today|tonight|tomorrow|yesterday|current(?:ly)?|at the moment|next|last|latest|recent(?:ly)?|still|"
    "yet|already|this (?:week|month|year|morning|evening|weekend)|news|weather|forecast|what time|what day|"
    "the date|the time|how late|temperature (?:outside|inside)|traffic|prices?|score"
)
_PLACE = (
    "here|near|nearby|nearest|closest|around|away|arrive|eta|get there|on the way|route|we are|are we|am i|"
    "i am|i'm|my|mine|our|ours|me|us|remind"
)
_BACK = "it|its|that|those|these|this|they|them|he|she|him|her|again|more|else|another|same|previous"
_FRESH = "random|joke|story|guess|song|poem"
_STATE = (
    "fuel|tank|range|battery|charge|speed|mileage|odometer|oil level|t[iy]re pressure|open|closed|on or off|"
    "switched|set to|playing"
)
_NOW = re.compile(rf"\b(?:{_MOMENT}|{_PLACE}|{_BACK}|{_FRESH}|{_STATE})\b")
_NO_ANSWER = re.compile(
    r"^(?:sorry|i (?:do not|don't|can't|cannot|am not|'m not))\b|\bas an ai\b", re.IGNORECASE
)
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("count", r"\bhow many\b|\bnumber of\b"),
        ("amount", r"\bhow much\b"),
        ("duration", r"\bhow long\b"),
        ("distance", r"\bhow far\b"),
        ("age", r"\bhow old\b"),
        ("size", r"\bhow (?:tall|high|big|large|deep|heavy|wide|hot|cold|fast)\b"),
        ("frequency", r"\bhow often\b"),
        ("manner", r"\bhow\b"),
        ("person", r"\bwho(?:se|m)?\b"),
        ("time", r"\bwhen\b|\bwhat year\b|\bin which year\b"),
        ("place", r"\bwhere\b"),
        ("reason", r"\bwhy\b|\breason\b|\bhow come\b"),
        ("truth", r"^(?:is|are|was|were|do|does|did|can|could|has|have|will|would|should|may)\b"),
    )
)
_NEGATION = re.compile(r"\b(?:not|no|never|without|none|nor)\b|n't\b")
_EMPTY = "exactly actually really briefly quickly thing called name mean meaning"
_EMPTY_STEMS = frozenset(stem(word) for word in _EMPTY.split())


class Embedder(Protocol):
    """Turns a question into a unit vector."""

    def embed(self, text: str) -> FloatArray:
        """Shape (n,), float32, Euclidean length 1."""
        ...


@dataclass(frozen=True, slots=True)
class Meaning:
    """What two questions are compared by."""

    kind: str
    numbers: frozenset[str]
    negated: bool
    stems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A known answer: the question it was given to, how alike that is (0..1), and the model that gave it."""

    question: str
    answer: str
    model: str
    likeness: float


@dataclass(slots=True)
class _Entry:
    question: str
    answer: str
    model: str
    learnt_unix_s: float
    meaning: Meaning
    embedding: FloatArray | None


def is_timeless(question: str, context: AnswerContext | None = None) -> bool:
    """Whether the answer depends on neither moment, car, talker nor conversation; in doubt it does."""
    text = " ".join(question.lower().split())
    # "tell me", "can you tell us" point at nobody.
    text = re.sub(r"\b(?:tell|give|show) (?:me|us)\b|\bexplain to (?:me|us)\b", "tell", text)
    if _NOW.search(text):
        return False
    state = {stem(word) for name in (context.car_state if context else ()) for word in words(name)}
    return not state & set(content_stems(text)) and len(content_stems(text)) > 0


def meaning(question: str) -> Meaning:
    """Reduce a question to what makes it this question."""
    text = " ".join(question.lower().split())
    text = re.sub(
        r"^(?:(?:can|could|would|will) you |please |(?:do you )?know |i want to know |i wonder |tell me |"
        r"explain (?:to me )?)+",
        "",
        text,
    )
    kind = next((kind for kind, pattern in _KINDS if pattern.search(text)), "")
    stems = tuple(s for s in content_stems(text) if s not in _EMPTY_STEMS)
    numbers = frozenset(s for s in stems if s[0].isdigit())
    return Meaning(kind, numbers, bool(_NEGATION.search(text)), stems)


def likeness(one: Meaning, other: Meaning) -> float:
    """0..1; 0 when kind, numbers or negation differ.

    Where the order of three or more shared words differs the likeness is a tenth lower: "does the moon
    orbit the earth" asks something else than "does the earth orbit the moon".
    """
    if not comparable(one, other) or not one.stems or not other.stems:
        return 0.0
    shared = set(one.stems) & set(other.stems)
    dice = 2 * len(shared) / (len(set(one.stems)) + len(set(other.stems)))
    if len(shared) >= 3 and [s for s in one.stems if s in shared] != [s for s in other.stems if s in shared]:
        dice *= 0.9
    return dice


def comparable(one: Meaning, other: Meaning) -> bool:
    """Whether two questions can be the same at all."""
    return (one.kind, one.numbers, one.negated) == (other.kind, other.numbers, other.negated)


class SemanticCache:
    """Known answers, bounded, on disk if a path is given.

    Args:
        path: SQLite file; None keeps the answers in memory only.
        threshold: least likeness of a hit; for embeddings it is the cosine.
        max_entries: the longest unused are dropped beyond this.
        max_age_s: older answers are not given any more.
        embedder: compares by embeddings instead of words.
        clock: Unix seconds.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        threshold: float = 0.95,
        *,
        max_entries: int = 2000,
        max_age_s: float = 90 * 86_400.0,
        embedder: Embedder | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._threshold = threshold
        self._max_entries = max_entries
        self._max_age_s = max_age_s
        self._embedder = embedder
        self._clock = clock
        self._lock = threading.Lock()
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._db = _open(":memory:" if path is None else str(path))
        rows = self._db.execute("SELECT question, answer, model, learnt_unix_s, embedding FROM answers")
        self._entries = {
            question: _Entry(
                question,
                answer,
                model,
                learnt_unix_s,
                meaning(question),
                np.frombuffer(blob, np.float32) if blob else None,
            )
            for question, answer, model, learnt_unix_s, blob in rows
        }

    def __len__(self) -> int:
        return len(self._entries)

    def look_up(self, question: str) -> Hit | None:
        """The answer to the most alike question, if it is alike enough."""
        asked = meaning(question)
        vector = self._embedder.embed(question) if self._embedder else None
        oldest_unix_s = self._clock() - self._max_age_s
        best: _Entry | None = None
        best_likeness = 0.0
        with self._lock:
            for entry in self._entries.values():
                if entry.learnt_unix_s < oldest_unix_s:
                    continue
                if vector is None or entry.embedding is None:
                    alike = likeness(asked, entry.meaning)
                else:
                    alike = float(vector @ entry.embedding) if comparable(asked, entry.meaning) else 0.0
                if alike > best_likeness:
                    best, best_likeness = entry, alike
            if best is None or best_likeness < self._threshold:
                return None
            with self._db:
                self._db.execute(
                    "UPDATE answers SET used_unix_s = ? WHERE question = ?", (self._clock(), best.question)
                )
        return Hit(best.question, best.answer, best.model, best_likeness)

    def put(self, question: str, answer: str, model: str) -> None:
        """Keep an answer."""
        question = " ".join(question.lower().split())
        vector = self._embedder.embed(question) if self._embedder else None
        now_unix_s = self._clock()
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)",
                (
                    question,
                    answer,
                    model,
                    now_unix_s,
                    now_unix_s,
                    vector.tobytes() if vector is not None else None,
                ),
            )
            self._entries[question] = _Entry(question, answer, model, now_unix_s, meaning(question), vector)
            if len(self._entries) > self._max_entries:
                (unused,) = self._db.execute(
                    "SELECT question FROM answers ORDER BY used_unix_s LIMIT 1"
                ).fetchone()
                self._db.execute("DELETE FROM answers WHERE question = ?", (unused,))
                del self._entries[unused]

    def learn(self, question: str, context: AnswerContext, answer: str, record: AnswerRecord) -> None:
        """Keep a model's answer if it may be given again; the ``learn`` of a TieredAnswerer.

        Not kept: what depends on moment, car or conversation; what untrusted text had a part in; answers
        that another model had to finish; and a model's "I don't know".
        """
        if (
            is_timeless(question, context)
            and not record.untrusted
            and not record.fallbacks
            and not _NO_ANSWER.search(answer)
        ):
            self.put(question, answer, record.model)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM answers")
            self._entries.clear()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


class CacheTier:
    """Gives answers from a :class:`SemanticCache`."""

    name = "cache"

    def __init__(self, cache: SemanticCache) -> None:
        self._cache = cache

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """The known answer, or nothing."""
        if not is_timeless(question, context):
            return
        hit = self._cache.look_up(question)
        if hit is not None:
            draft.cache_hit = True
            draft.model = hit.model
            draft.source = hit.question
            yield hit.answer

    def close(self) -> None:
        """Close the cache's file."""
        self._cache.close()


def _open(path: str) -> sqlite3.Connection:
    """Open the file; a damaged one is begun anew, for all it held can be asked again."""
    for attempt in (1, 2):
        db = sqlite3.connect(path, check_same_thread=False)
        try:
            db.executescript(_SCHEMA)
            db.execute("PRAGMA synchronous = OFF")
            return db
        except sqlite3.DatabaseError:
            db.close()
            if attempt == 2:
                raise
            Path(path).unlink()
    raise AssertionError
