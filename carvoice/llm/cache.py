"""Answers given before, found again by meaning; for questions that neither moment nor car changes.

Without an embedding model the likeness is lexical: the same kind of question (who, when, how many, ...), the
same numbers and negation, and the Dice coefficient of the content stems. With one, questions whose
coefficient is too low may still be alike by the cosine of their embeddings; kind, numbers, negation and
order stay as a guard, because embeddings hardly see those. ``bench/llm_cache.py`` measures hits and wrong
hits over both thresholds.
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

from carvoice.errors import AnswerError
from carvoice.llm.answer import AnswerContext, Cancel, Draft
from carvoice.llm.text import content_stems, stem
from carvoice.llm.timeless import is_timeless
from carvoice.records import AnswerRecord, FloatArray

_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    question TEXT PRIMARY KEY, answer TEXT NOT NULL, model TEXT, learnt_unix_s REAL, used_unix_s REAL);
CREATE TABLE IF NOT EXISTS embeddings (
    question TEXT NOT NULL REFERENCES answers (question) ON DELETE CASCADE, embedder TEXT NOT NULL,
    vector BLOB NOT NULL, PRIMARY KEY (question, embedder));
"""
# Both were chosen where no question of the first half of the paraphrases got another one's answer.
_LEAST_LIKENESS = 0.95
_LEAST_COSINE = 0.96  # of all-MiniLM-L6-v2
_REORDERED = 0.9
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

    @property
    def name(self) -> str:
        """Of the model: vectors of different models are never compared."""
        ...

    def embed(self, text: str) -> FloatArray:
        """Shape (n,), float32, Euclidean length 1.

        Raises:
            AnswerError: there is no vector to be had now; it is said soon.
        """
        ...

    def close(self) -> None:
        """Free process or connections."""
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
    return dice * _order_factor(one, other)


def _order_factor(one: Meaning, other: Meaning) -> float:
    shared = set(one.stems) & set(other.stems)
    same = [s for s in one.stems if s in shared] == [s for s in other.stems if s in shared]
    return 1.0 if same or len(shared) < 3 else _REORDERED


def cosine(one: Meaning, other: Meaning, one_vector: FloatArray, other_vector: FloatArray) -> float:
    """-1..1, with the same guards as :func:`likeness`."""
    if not comparable(one, other) or one_vector.shape != other_vector.shape:
        return 0.0
    return float(one_vector @ other_vector) * _order_factor(one, other)


def comparable(one: Meaning, other: Meaning) -> bool:
    """Whether two questions can be the same at all."""
    return (one.kind, one.numbers, one.negated) == (other.kind, other.numbers, other.negated)


class SemanticCache:
    """Known answers, bounded, on disk if a path is given.

    Args:
        path: SQLite file; None keeps the answers in memory only.
        threshold: least lexical likeness of a hit.
        min_cosine: least cosine of a hit, where there is an embedder.
        max_entries: the longest unused are dropped beyond this.
        max_age_s: older answers are not given any more.
        embedder: finds also what is asked in other words; closed with the cache.
        clock: Unix seconds.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        threshold: float = _LEAST_LIKENESS,
        *,
        min_cosine: float = _LEAST_COSINE,
        max_entries: int = 2000,
        max_age_s: float = 90 * 86_400.0,
        embedder: Embedder | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._threshold = threshold
        self._min_cosine = min_cosine
        self._max_entries = max_entries
        self._max_age_s = max_age_s
        self._embedder = embedder
        self._clock = clock
        self._lock = threading.Lock()
        self._db = _open(path)
        rows = self._db.execute(
            "SELECT a.question, answer, model, learnt_unix_s, vector FROM answers a "
            "LEFT JOIN embeddings e ON e.question = a.question AND e.embedder = ?",
            (embedder.name if embedder else "",),
        )
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
        best = self._best(asked, None)
        if best is None and (vector := self._embed(question)) is not None:
            best = self._best(asked, vector)
        if best is None:
            return None
        entry, alike = best
        # A full disk costs the order of use, not the answer.
        with self._lock, suppress(sqlite3.Error), self._db:
            self._db.execute(
                "UPDATE answers SET used_unix_s = ? WHERE question = ?", (self._clock(), entry.question)
            )
        return Hit(entry.question, entry.answer, entry.model, alike)

    def put(self, question: str, answer: str, model: str) -> None:
        """Keep an answer."""
        question = " ".join(question.lower().split())
        vector = self._embed(question)
        now_unix_s = self._clock()
        with self._lock, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO answers (question, answer, model, learnt_unix_s, used_unix_s) "
                "VALUES (?, ?, ?, ?, ?)",
                (question, answer, model, now_unix_s, now_unix_s),
            )
            if vector is not None and self._embedder is not None:
                self._db.execute(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)",
                    (question, self._embedder.name, vector.tobytes()),
                )
            self._entries[question] = _Entry(question, answer, model, now_unix_s, meaning(question), vector)
            if len(self._entries) > self._max_entries:
                (unused,) = self._db.execute(
                    "SELECT question FROM answers ORDER BY used_unix_s LIMIT 1"
                ).fetchone()
                self._db.execute("DELETE FROM answers WHERE question = ?", (unused,))
                del self._entries[unused]

    def _best(self, asked: Meaning, vector: FloatArray | None) -> tuple[_Entry, float] | None:
        """The most alike entry that is alike enough, by words or, given a vector, by cosine."""
        least = self._threshold if vector is None else self._min_cosine
        oldest_unix_s = self._clock() - self._max_age_s
        best: _Entry | None = None
        with self._lock:
            for entry in self._entries.values():
                if entry.learnt_unix_s < oldest_unix_s:
                    continue
                if vector is None:
                    alike = likeness(asked, entry.meaning)
                elif entry.embedding is not None:
                    alike = cosine(asked, entry.meaning, vector, entry.embedding)
                else:
                    continue
                if alike > least or (best is None and alike == least):
                    best, least = entry, alike
        return None if best is None else (best, least)

    def _embed(self, question: str) -> FloatArray | None:
        if self._embedder is None:
            return None
        try:
            return self._embedder.embed(question)
        except AnswerError as error:
            _log.info("no embedding, words are compared: %s", error)
            return None

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
        """Close the file, and the embedder."""
        self._db.close()
        if self._embedder is not None:
            self._embedder.close()


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
                db.execute("PRAGMA foreign_keys = ON")
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
    db.execute("PRAGMA foreign_keys = ON")
    return db
