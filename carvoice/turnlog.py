"""Every turn on disk: JSON lines to read and ship, SQLite to ask.

Writing happens in a thread of its own, so that a slow disk never delays a turn. Both files are bounded, and
a privacy switch keeps the words out. Sound is kept only where it is asked for, and never without the words.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np

from carvoice.records import FloatArray, Turn
from carvoice.turnaudio import TurnAudio
from carvoice.turnhistory import SCHEMA, TurnHistory

_log = logging.getLogger(__name__)

_QUEUED = 1000  # turns waiting for a disk that hangs
_QUEUED_SOUNDS = 8  # of up to 30 s each
_PRUNE_EVERY = 200
_WELL_AFTER = 10  # a nearly full disk takes a turn now and then
_LONGEST_LINE_BYTES = 1_000_000

# Fields that hold words of the people in the car, or words made from them.
_PRIVATE = frozenset(
    {"text", "words", "phones", "alternatives", "slots", "template", "source", "fallbacks", "detail"}
)


class Privacy(Enum):
    """What may be written."""

    FULL = "full"  # everything, also the sound that is handed in
    NO_TEXT = "no_text"  # timings, intents, frames and outcomes, but no words
    OFF = "off"  # nothing


class TurnLog(TurnHistory):
    """The log of turns in a folder: ``turns.jsonl`` (rotated to ``.1``, ``.2``, ...) and ``turns.sqlite``.

    A disk that cannot be written (full, read-only, gone) is said once and once again when it is well; the
    assistant goes on. After a power cut the line being written is dropped, SQLite's log mends its file.

    Args:
        folder: made if it is not there.
        privacy: what may be written; may be changed while it runs.
        max_bytes: a JSON-lines file is rotated at this size.
        keep_files: rotated files kept.
        keep_days: rows older than this are deleted.
        max_turns: rows beyond this are deleted, oldest first.
        max_audio_bytes: the sound of turns is kept up to this size, in the folder's ``audio``.
        clock: Unix seconds.

    Attributes:
        lost: turns that could not be written.
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
        max_audio_bytes: int = 200_000_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(folder)
        self._folder = Path(folder)
        self.privacy = privacy
        self._keep_s = keep_days * 86_400
        self._max_turns = max_turns
        self._clock = clock
        self._audio = TurnAudio(self.audio_folder, max_audio_bytes, self._keep_s, clock)
        self._sounds = threading.Semaphore(_QUEUED_SOUNDS)
        self.lost = 0
        self._ill = 0  # writes that must succeed before the disk counts as well again
        self._lines = _Lines(
            self._folder / "turns.jsonl",
            maxBytes=max_bytes,
            backupCount=keep_files,
            encoding="utf-8",
            delay=True,
        )
        self._db: sqlite3.Connection | None = None
        self._written = 0
        self._pending: queue.SimpleQueue[Turn | Callable[[], None] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_all, name="turnlog", daemon=True)
        self._writer.start()

    def write(self, turn: Turn) -> None:
        """Queue a turn; returns at once and never raises for what the disk does."""
        if self.privacy is Privacy.OFF:
            return
        if self._pending.qsize() < _QUEUED:
            self._pending.put(turn)
        else:
            self.lost += 1  # the disk hangs: memory must not fill up

    def keep_audio(self, trace_id: str, near: FloatArray, far: FloatArray) -> None:
        """Queue the sound of a turn, float32 (microphones, n) and (n,); returns at once.

        Only with :attr:`Privacy.FULL`: a voice says more than its words.
        """
        if self.privacy is not Privacy.FULL:
            return
        if not self._sounds.acquire(blocking=False):
            self.lost += 1
            return

        def write() -> None:
            try:
                if self.privacy is Privacy.FULL:
                    self._try(f"sound of {trace_id}", lambda db: self._audio.write(trace_id, near, far))
            finally:
                self._sounds.release()

        self._pending.put(write)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until everything queued is on disk; False if that took too long."""
        done = threading.Event()
        self._pending.put(done.set)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Write what is queued and close the files."""
        self._pending.put(None)
        self._writer.join(timeout=10.0)

    def rate(self, trace_id: str, judge: str, score: float, comment: str = "") -> None:
        """Queue a quality score (0..1) of a turn written before, given by a model or a person."""
        comment = comment if self.privacy is Privacy.FULL else ""

        def insert(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO quality SELECT id, ?, ?, ? FROM turns WHERE trace_id = ?",
                (judge, score, comment, trace_id),
            )

        self._pending.put(lambda: self._try(f"score of {trace_id}", insert))

    def forget(self) -> None:
        """Delete everything: the driver's right.

        Raises:
            OSError: something is still there.
        """
        failed: list[Exception] = []

        def wipe() -> None:
            try:
                self._disconnect()
                for path in self._folder.glob("turns.*"):
                    path.unlink()
                self._audio.forget()
            except OSError as error:
                failed.append(error)

        self._pending.put(wipe)
        if not self.flush(60.0) or failed:
            raise OSError(f"{self._folder}: not everything could be deleted: {failed or 'the disk hangs'}")

    def _write_all(self) -> None:
        while (item := self._pending.get()) is not None:
            if isinstance(item, Turn):
                self._try(f"turn {item.trace_id}", partial(self._write_one, turn=item))
            else:
                item()
        self._disconnect()

    def _try(self, what: str, write: Callable[[sqlite3.Connection], None]) -> None:
        """Write something; failures are counted, and said when they begin and when they end."""
        try:
            self._db = db = self._db or self._connect()
            with db:
                write(db)
        except (OSError, sqlite3.Error, TypeError, ValueError) as error:
            self.lost += 1
            self._disconnect()
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._put_aside(error)
            if not self._ill:
                _log.warning("%s is not in the log in %s: %s; going on without", what, self._folder, error)
            self._ill = _WELL_AFTER
            return
        if self._ill:
            self._ill -= 1
            if not self._ill:
                _log.warning("turns are logged again; %d are missing", self.lost)

    def _connect(self) -> sqlite3.Connection:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds what was said
        db = sqlite3.connect(self.database, timeout=5.0, check_same_thread=False)
        try:
            db.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;")
            db.executescript(f"BEGIN; {SCHEMA} COMMIT;")  # a reader sees all tables or none
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.OperationalError:
            db.close()
            raise
        except sqlite3.DatabaseError as error:
            db.close()
            self._put_aside(error)
            return self._connect()
        return db

    def _put_aside(self, error: Exception) -> None:
        """A damaged log must not keep the next one from being written."""
        aside = self.database.with_suffix(".damaged")
        _log.warning("%s is damaged (%s); moved to %s", self.database, error, aside)
        with suppress(FileNotFoundError):
            self.database.replace(aside)
        for leftover in ("-wal", "-shm"):
            Path(f"{self.database}{leftover}").unlink(missing_ok=True)

    def _disconnect(self) -> None:
        self._lines.drop()
        if self._db is not None:
            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _write_one(self, db: sqlite3.Connection, turn: Turn) -> None:
        at_unix_s = self._clock()
        entry = {"at_unix_s": round(at_unix_s, 3), **turn_to_dict(turn, self.privacy)}
        line = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
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
        if self._written % _PRUNE_EVERY == 0:
            self._prune(db)
        self._written += 1
        self._lines.emit(logging.makeLogRecord({"msg": line}))

    def _prune(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM turns WHERE at_unix_s < ?", (self._clock() - self._keep_s,))
        db.execute("DELETE FROM turns WHERE id <= (SELECT max(id) FROM turns) - ?", (self._max_turns,))
        db.execute("PRAGMA incremental_vacuum")


class _Lines(logging.handlers.RotatingFileHandler):
    """Lines that are whole: an error is raised, and what it left of a line is cut off before the next."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Hand the error being handled on to whoever writes."""
        raise  # noqa: PLE0704

    def drop(self) -> None:
        """Close the file, whatever can no longer be written; the next line opens it again."""
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError):
                stream.close()

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        if path.is_file():
            with path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _LONGEST_LINE_BYTES))
                tail = file.read()
                if tail and not tail.endswith(b"\n"):
                    file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)
        return super()._open()


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
