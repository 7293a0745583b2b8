"""Answers given before, found again by meaning; for questions that neither moment nor car changes.

Without an embedding model the likeness is lexical: the same kind of question (who, when, how many, ...), the
same numbers and negation, and the Dice coefficient of the content stems. With one, the cosine of the
embeddings takes the place of the coefficient and the rest stays as a guard, because embeddings hardly see
numbers and negation. ``bench/llm_cache.py`` measures hits and wrong hits over the threshold.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from carvoice.llm.answer import AnswerContext, Cancel, Draft
from carvoice.llm.text import content_stems, stem
from carvoice.llm.timeless import is_timeless
from carvoice.records import AnswerRecord, FloatArray

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT PRIMARY KEY, answer TEXT NOT NULL, model TEXT, learnt_unix_s REAL, used_unix_s REAL,
    embedding BLOB);
"""
_NO_ANSWER = re.compile(
    r"^(?:sorry|i (?:do not|don't|can't|cannot|am not)|i'm not|tut mir leid|leider|ich (?:weiß|kann|habe))\b"
    r"|\bas an ai\b|\bals (?:eine )?ki\b",
    re.IGNORECASE,
)
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("count", r"\bhow many\b|\bnumber of\b|\bwie viele\b"),
        ("amount", r"\bhow much\b|\bwie ?viel\b"),
        ("duration", r"\bhow long\b|\bwie lange\b"),
        ("distance", r"\bhow far\b|\bwie weit\b"),
        ("age", r"\bhow old\b|\bwie alt\b"),
        ("size", r"\bhow (?:tall|high|big|large|deep|heavy|wide|hot|cold|fast)\b|\bwie (?:hoch|groß|tief)\b"),
        ("weight", r"\bwie (?:schwer|breit|heiß|kalt|schnell)\b"),
        ("frequency", r"\bhow often\b|\bwie oft\b"),
        ("manner", r"\bhow\b|\bwie\b"),
        ("person", r"\bwho(?:se|m)?\b|\bwe(?:r|n|m|ssen)\b"),
        ("time", r"\bwhen\b|\bwhat year\b|\bin which year\b|\bwann\b|\bwelche[sm] jahr\b"),
        ("place", r"\bwhere\b|\bwo(?:her|hin)?\b"),
        ("reason", r"\bwhy\b|\breason\b|\bhow come\b|\bwarum\b|\bwieso\b|\bweshalb\b"),
        ("truth", r"^(?:is|are|was|were|do|does|did|can|could|has|have|will|would|should|may)\b"),
        ("wahr", r"^(?:ist|sind|kann|können|hat|haben|darf|soll|gibt|braucht|stimmt)\b"),
    )
)
_NEGATION = re.compile(r"\b(?:not|no|never|without|none|nor|nicht|kein\w*|nie|niemals|ohne)\b|n't\b")
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
        self._db = _open(path)
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
            # A full disk costs the order of use, not the answer.
            with suppress(sqlite3.Error), self._db:
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
        that another model had to finish; and a model's "I don't know". A model that was told the car's state
        or what was said before may have used it, whatever the question looks like.
        """
        if (
            is_timeless(question, context)
            and not context.car_state
            and not context.history
            and not record.untrusted
            and not record.fallbacks
            and not _NO_ANSWER.search(answer)
        ):
            try:
                self.put(question, answer, record.model)
            except sqlite3.Error as error:
                _log.info("the answer is not kept: %s", error)

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


def _open(path: Path | str | None) -> sqlite3.Connection:
    """Open the file, or memory where it cannot be used; a damaged one is begun anew."""
    if path is not None:
        for attempt in (1, 2):
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                db = sqlite3.connect(path, check_same_thread=False)
                db.executescript(_SCHEMA)
                db.execute("PRAGMA synchronous = OFF")
                db.execute("UPDATE answers SET used_unix_s = used_unix_s WHERE rowid = 0")  # may we write?
                db.commit()
                return db
            except (OSError, sqlite3.Error) as error:
                if attempt == 1 and not isinstance(error, (OSError, sqlite3.OperationalError)):
                    Path(path).unlink()
                    continue
                _log.warning("answers are kept in memory only: %s: %s", path, error)
                break
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(_SCHEMA)
    return db
