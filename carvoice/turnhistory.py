"""What the log of turns tells: the last turns, latency per stage and per model, one turn as it was.

Reading needs no right to write: a log on a read-only disk, or one that is being written, reads the same.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carvoice.budget import Percentiles, percentiles

SCHEMA = """
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


class TurnHistory:
    """The turns logged in a folder, to be read.

    Args:
        folder: where :class:`~carvoice.turnlog.TurnLog` writes.
    """

    def __init__(self, folder: Path | str) -> None:
        self.database = Path(folder) / "turns.sqlite"
        self.audio_folder = Path(folder) / "audio"

    @property
    def exists(self) -> bool:
        """Whether anything was ever logged here."""
        return self.database.is_file()

    def recent(self, limit: int = 20) -> list[LoggedTurn]:
        """The last turns, newest first."""
        with self._read() as db:
            rows = db.execute(
                "SELECT trace_id, at_unix_s, text, intent, kind, tier, model, outcome, interrupted "
                "FROM turns ORDER BY id DESC LIMIT ?",
                (limit,),
            )
            return [LoggedTurn(*row) for row in rows]

    def turn(self, trace_id: str) -> dict[str, Any] | None:
        """One turn as it was written, by its trace id or the beginning of it; None if there is none."""
        with self._read() as db:
            row = db.execute(
                "SELECT json FROM turns WHERE substr(trace_id, 1, ?) = ? ORDER BY id DESC LIMIT 1",
                (len(trace_id), trace_id),
            ).fetchone()
        return json.loads(row[0]) if row else None

    def stages(self, since_unix_s: float = 0.0) -> dict[str, Percentiles]:
        """Milliseconds of every stage, in the order in which stages first appeared."""
        with self._read() as db:
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
        with self._read() as db:
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

    def quality(self) -> list[tuple[str, int, float]]:
        """(judge, number of scores, mean score)."""
        with self._read() as db:
            return list(db.execute("SELECT judge, count(*), avg(score) FROM quality GROUP BY judge"))

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        db = self._open("mode=ro")
        try:
            yield db
        finally:
            db.close()

    def _open(self, mode: str) -> sqlite3.Connection:
        if not self.exists:
            return _empty()
        db = sqlite3.connect(f"{self.database.resolve().as_uri()}?{mode}", uri=True, timeout=5.0)
        try:
            db.execute("SELECT 1 FROM turns LIMIT 1")
        except sqlite3.OperationalError as error:
            db.close()
            if "no such table" in str(error):
                return _empty()  # just being made
            if mode != "mode=ro":
                raise
            # A read-only disk has no room for the index of the write-ahead log: read what is in the file.
            return self._open("mode=ro&immutable=1")
        return db


def _empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    return db


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
