"""Every turn on disk: JSON lines to read and ship, SQLite to ask.

Writing happens in a thread of its own, so that a slow disk never delays a turn. Both files are bounded, and
a privacy switch keeps the words out. No audio is ever written here.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from carvoice.budget import Percentiles, percentiles
from carvoice.records import Turn

_log = logging.getLogger(__name__)

_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY, trace_id TEXT NOT NULL, at_unix_s REAL NOT NULL,
    text TEXT, intent TEXT, kind TEXT, tier TEXT, model TEXT, outcome TEXT,
    ttft_ms REAL, answer_ms REAL, tokens INTEGER, cost_usd REAL, cache_hit INTEGER, fallbacks INTEGER,
    interrupted INTEGER, json TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS turns_trace ON turns (trace_id);
CREATE INDEX IF NOT EXISTS turns_at ON turns (at_unix_s);
CREATE TABLE IF NOT EXISTS spans (
    turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    name TEXT NOT NULL, start_s REAL, duration_ms REAL);
CREATE INDEX IF NOT EXISTS spans_turn ON spans (turn_id);
CREATE TABLE IF NOT EXISTS quality (
    turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    judge TEXT, score REAL, comment TEXT);
"""
# Fields that hold words of the people in the car, or words made from them.
_PRIVATE = frozenset(
    {"text", "words", "phones", "alternatives", "slots", "template", "source", "fallbacks", "detail"}
)


class Privacy(Enum):
    """What may be written."""

    FULL = "full"  # everything but audio
    NO_TEXT = "no_text"  # timings, intents, frames and outcomes, but no words
    OFF = "off"  # nothing


@dataclass(frozen=True, slots=True)
class LoggedTurn:
    """A row of the log. ``kind`` is the reply's, ``outcome`` the answer's; "" where there was none."""

    trace_id: str
    at_unix_s: float
    text: str
    intent: str
    kind: str
    tier: str
    model: str
    outcome: str
    interrupted: int  # 0 or 1, as SQLite has it


@dataclass(frozen=True, slots=True)
class ModelUse:
    """What a model did: answers, how many failed or were cancelled, tokens, cost, cache hits.

    ``ttft`` and ``total`` are milliseconds from the question to the first token and to the end.
    """

    tier: str
    model: str
    answers: int
    failed: int
    cancelled: int
    cache_hits: int
    tokens: int
    cost_usd: float
    ttft: Percentiles | None
    total: Percentiles | None


class TurnLog:
    """The log of turns in a folder: ``turns.jsonl`` (rotated to ``.1``, ``.2``, ...) and ``turns.sqlite``.

    Args:
        folder: made if it is not there.
        privacy: what may be written.
        max_bytes: a JSON-lines file is rotated at this size.
        keep_files: rotated files kept.
        keep_days: rows older than this are deleted.
        max_turns: rows beyond this are deleted, oldest first.
        clock: Unix seconds.
    """

    def __init__(
        self,
        folder: Path | str,
        privacy: Privacy = Privacy.FULL,
        *,
        max_bytes: int = 8_000_000,
        keep_files: int = 4,
        keep_days: float = 30.0,
        max_turns: int = 50_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = Path(folder)
        self.privacy = privacy
        self._keep_s = keep_days * 86_400
        self._max_turns = max_turns
        self._clock = clock
        self.lost = 0
        """Turns that could not be written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.database = self._folder / "turns.sqlite"
        self._lines = logging.handlers.RotatingFileHandler(
            self._folder / "turns.jsonl",
            maxBytes=max_bytes,
            backupCount=keep_files,
            encoding="utf-8",
            delay=True,
        )
        self._prepare_database()
        self._pending: queue.SimpleQueue[Turn | threading.Event | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="turnlog", daemon=True)
        self._writer.start()

    def write(self, turn: Turn) -> None:
        """Queue a turn; returns at once and never raises for what the disk does."""
        if self.privacy is not Privacy.OFF:
            self._pending.put(turn)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything queued is on disk; False if that took too long."""
        done = threading.Event()
        self._pending.put(done)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Write what is queued and close the files."""
        self._pending.put(None)
        self._writer.join(timeout=10.0)
        self._lines.close()

    def recent(self, limit: int = 20) -> list[LoggedTurn]:
        """The last turns, newest first."""
        with self._connect() as db:
            rows = db.execute(
                "SELECT trace_id, at_unix_s, text, intent, kind, tier, model, outcome, interrupted "
                "FROM turns ORDER BY id DESC LIMIT ?",
                (limit,),
            )
            return [LoggedTurn(*row) for row in rows]

    def turn(self, trace_id: str) -> dict[str, Any] | None:
        """One turn as it was written, by its trace id or the beginning of it; None if there is none."""
        with self._connect() as db:
            row = db.execute(
                "SELECT json FROM turns WHERE substr(trace_id, 1, ?) = ? ORDER BY id DESC LIMIT 1",
                (len(trace_id), trace_id),
            ).fetchone()
        return json.loads(row[0]) if row else None

    def stages(self, since_unix_s: float = 0.0) -> dict[str, Percentiles]:
        """Milliseconds of every stage, in the order in which stages first appeared."""
        with self._connect() as db:
            rows = db.execute(
                "SELECT name, duration_ms FROM spans JOIN turns ON turns.id = turn_id "
                "WHERE at_unix_s >= ? ORDER BY spans.rowid",
                (since_unix_s,),
            )
            by_name: dict[str, list[float]] = {}
            for name, duration_ms in rows:
                by_name.setdefault(name, []).append(duration_ms)
        return {name: figures for name, ms in by_name.items() if (figures := percentiles(ms)) is not None}

    def models(self, since_unix_s: float = 0.0) -> list[ModelUse]:
        """What every tier and model did, busiest first."""
        with self._connect() as db:
            rows = db.execute(
                "SELECT tier, model, outcome, cache_hit, tokens, cost_usd, ttft_ms, answer_ms FROM turns "
                "WHERE outcome != '' AND at_unix_s >= ?",
                (since_unix_s,),
            ).fetchall()
        by_model: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
        for tier, model, *rest in rows:
            by_model.setdefault((tier, model), []).append(tuple(rest))
        uses = [_model_use(tier, model, answers) for (tier, model), answers in by_model.items()]
        return sorted(uses, key=lambda use: -use.answers)

    def rate(self, trace_id: str, judge: str, score: float, comment: str = "") -> None:
        """Keep a quality score (0..1) of a turn, given by a model or a person."""
        with self._connect() as db:
            db.execute(
                "INSERT INTO quality SELECT id, ?, ?, ? FROM turns WHERE trace_id = ?",
                (judge, score, comment, trace_id),
            )

    def quality(self) -> list[tuple[str, int, float]]:
        """(judge, number of scores, mean score)."""
        with self._connect() as db:
            return list(db.execute("SELECT judge, count(*), avg(score) FROM quality GROUP BY judge"))

    def forget(self) -> None:
        """Delete everything: the driver's right."""
        self.flush()
        with self._connect() as db:
            db.execute("DELETE FROM turns")
        with self._connect() as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._lines.close()
        for path in self._folder.glob("turns.jsonl*"):
            path.unlink()

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self.database, timeout=5.0)
        try:
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = NORMAL")
            with db:
                yield db
        finally:
            db.close()

    def _prepare_database(self) -> None:
        try:
            with self._connect() as db:
                db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            # A damaged log must not keep the car from talking.
            aside = self.database.with_suffix(".damaged")
            _log.warning("%s is damaged (%s); moved to %s", self.database, error, aside)
            self.database.replace(aside)
            for leftover in ("-wal", "-shm"):
                Path(f"{self.database}{leftover}").unlink(missing_ok=True)
            with self._connect() as db:
                db.executescript(_SCHEMA)

    def _write_all(self) -> None:
        written = 0
        with self._connect() as db:
            while (item := self._pending.get()) is not None:
                if isinstance(item, threading.Event):
                    item.set()
                    continue
                try:
                    with db:
                        self._write_one(db, item)
                        if written % 200 == 0:
                            self._prune(db)
                    written += 1
                except (OSError, sqlite3.Error, TypeError, ValueError) as error:
                    self.lost += 1
                    _log.error("turn %s is not in the log: %s", item.trace_id, error)

    def _write_one(self, db: sqlite3.Connection, turn: Turn) -> None:
        at_unix_s = self._clock()
        entry = {"at_unix_s": round(at_unix_s, 3), **turn_to_dict(turn, self.privacy)}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        self._lines.emit(logging.makeLogRecord({"msg": line}))
        answer = turn.answer
        row = db.execute(
            "INSERT INTO turns VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                turn.trace_id,
                at_unix_s,
                turn.hypothesis.text if self.privacy is Privacy.FULL else "",
                "+".join(i.intent for i in turn.interpretations if i.intent),
                turn.reply.kind if turn.reply else "",
                answer.tier if answer else turn.tier,
                answer.model if answer else "",
                answer.outcome if answer else "",
                answer.ttft_ms if answer else None,
                answer.total_ms if answer else None,
                answer.tokens if answer else 0,
                answer.cost_usd if answer else 0.0,
                bool(answer and answer.cache_hit),
                len(answer.fallbacks) if answer else 0,
                turn.interrupted,
                line,
            ),
        )
        db.executemany(
            "INSERT INTO spans VALUES (?, ?, ?, ?)",
            [(row.lastrowid, span.name, span.start_s, span.duration_ms) for span in turn.spans],
        )

    def _prune(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM turns WHERE at_unix_s < ?", (self._clock() - self._keep_s,))
        db.execute("DELETE FROM turns WHERE id <= (SELECT max(id) FROM turns) - ?", (self._max_turns,))
        db.execute("PRAGMA incremental_vacuum")


def turn_to_dict(turn: Turn, privacy: Privacy = Privacy.FULL) -> dict[str, Any]:
    """A turn as plain JSON values: enums by value, bytes as hex, words left out if privacy asks for it."""
    plain = _plain(turn, frozenset() if privacy is Privacy.FULL else _PRIVATE)
    assert isinstance(plain, dict)
    return plain


def _plain(value: object, hidden: frozenset[str]) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name), hidden) for f in fields(value) if f.name not in hidden}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(item, hidden) for key, item in value.items()}
    if isinstance(value, (tuple, list, set, frozenset)):
        return [_plain(item, hidden) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _model_use(tier: str, model: str, answers: list[tuple[Any, ...]]) -> ModelUse:
    outcomes = [answer[0] for answer in answers]
    return ModelUse(
        tier=tier,
        model=model,
        answers=len(answers),
        failed=outcomes.count("failed") + outcomes.count("unavailable"),
        cancelled=outcomes.count("cancelled"),
        cache_hits=sum(answer[1] or 0 for answer in answers),
        tokens=sum(answer[2] or 0 for answer in answers),
        cost_usd=sum(answer[3] or 0.0 for answer in answers),
        ttft=percentiles(answer[4] for answer in answers if answer[4] is not None),
        total=percentiles(answer[5] for answer in answers if answer[5] is not None),
    )
