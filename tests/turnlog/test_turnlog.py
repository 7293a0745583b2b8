from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from carvoice.budget import percentiles
from carvoice.records import (
    Action,
    ActionKind,
    Actuation,
    AnswerRecord,
    Decision,
    Evidence,
    FrameRecord,
    Hypothesis,
    Interpretation,
    Reply,
    Slot,
    Span,
    Turn,
    Verdict,
)
from carvoice.turnhistory import TurnHistory
from carvoice.turnlog import Privacy, TurnLog, turn_to_dict


def command(trace_id: str = "aa11", **changes) -> Turn:
    action = Action(ActionKind.SET, "Vehicle.Body.Trunk.Rear.IsOpen", True)
    fields = {
        "hypothesis": Hypothesis("open the trunk 100%", is_final=True),
        "interpretations": (
            Interpretation("OpenTrunk", {"which": Slot("rear", "the trunk")}, text="open the trunk"),
        ),
        "verdicts": (Verdict(Decision.ALLOW, "trunk-standstill"),),
        "actuations": (
            Actuation(action, Evidence.ACTUATED, (FrameRecord(1.0, 0x123, b"\x01\xff", is_tx=True),)),
        ),
        "reply": Reply("The trunk is open.", "done", Evidence.ACTUATED),
        "spans": (Span("asr", 10.0, 30.0), Span("nlu", 10.03, 0.05)),
    }
    return Turn(trace_id, **{**fields, **changes})


def answered(trace_id: str, ttft_ms: float, outcome: str = "answered", **fields) -> Turn:
    record = AnswerRecord(outcome, "local", "tiny", ttft_ms=ttft_ms, total_ms=2 * ttft_ms, tokens=5, **fields)
    return Turn(
        trace_id, Hypothesis("what is rain"), reply=Reply("Water.", "answer"), answer=record, tier="llm"
    )


@pytest.fixture
def log(tmp_path: Path):
    turn_log = TurnLog(tmp_path, clock=lambda: 1000.0)
    yield turn_log
    turn_log.close()


def test_a_turn_comes_back_as_it_was(log: TurnLog, tmp_path: Path) -> None:
    log.write(command())
    assert log.flush()
    (row,) = log.recent()
    assert (row.trace_id, row.text, row.intent, row.kind, row.tier) == (
        "aa11",
        "open the trunk 100%",
        "OpenTrunk",
        "done",
        "grammar",
    )
    entry = log.turn("aa")
    assert entry == {"at_unix_s": 1000.0, **turn_to_dict(command())}
    assert entry["actuations"][0]["frames"][0]["data"] == "01ff"
    assert entry["verdicts"][0] == {"decision": "allow", "rule": "trunk-standstill", "reason": ""}
    assert json.loads((tmp_path / "turns.jsonl").read_text()) == entry
    assert log.turn("bb") is None


def test_no_words_are_written_when_privacy_is_asked_for(tmp_path: Path) -> None:
    log = TurnLog(tmp_path, Privacy.NO_TEXT)
    log.write(command())
    log.write(answered("bb22", 10.0, source="Tyres"))
    log.close()
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for word in (b"the trunk", b"rain", b"Water", b"Tyres"):
        assert word not in everything
    assert b"OpenTrunk" in everything
    assert list(TurnLog(tmp_path).stages()) == ["asr", "nlu"]


def test_off_writes_nothing(tmp_path: Path) -> None:
    log = TurnLog(tmp_path, Privacy.OFF)
    log.write(command())
    log.close()
    assert log.recent() == []
    assert not (tmp_path / "turns.jsonl").exists()


def test_percentiles_per_stage(log: TurnLog) -> None:
    for n in range(1, 101):
        log.write(command(f"t{n}", spans=(Span("asr", 0.0, float(n)), Span("nlu", 0.0, 0.5))))
    log.flush()
    stages = log.stages()
    assert list(stages) == ["asr", "nlu"]
    asr, nlu = stages.values()
    assert asr.count == 100
    assert (asr.p50, asr.p95, asr.p99) == pytest.approx((50.5, 95.05, 99.01))
    assert (nlu.p50, nlu.p99) == (0.5, 0.5)
    assert log.stages(since_unix_s=2000.0) == {}


def test_what_models_did(log: TurnLog) -> None:
    log.write(command())
    log.write(answered("a", 100.0, cost_usd=0.5))
    log.write(answered("b", 300.0, cache_hit=True))
    log.write(answered("c", 200.0, outcome="failed", fallbacks=("local: dead",)))
    log.flush()
    (use,) = log.models()
    assert (use.tier, use.model, use.answers, use.failed, use.cache_hits) == ("local", "tiny", 3, 1, 1)
    assert (use.tokens, use.cost_usd) == (15, 0.5)
    assert use.ttft == percentiles([100.0, 300.0, 200.0])
    assert use.ttft.p50 == 200.0


def test_lines_are_rotated_and_rows_bounded(tmp_path: Path) -> None:
    log = TurnLog(tmp_path, max_bytes=4000, keep_files=2, max_turns=10)
    for n in range(401):
        log.write(command(f"t{n}"))
    log.close()
    files = sorted(path.name for path in tmp_path.glob("turns.jsonl*"))
    assert files == ["turns.jsonl", "turns.jsonl.1", "turns.jsonl.2"]
    assert all(path.stat().st_size <= 4000 for path in tmp_path.glob("turns.jsonl*"))
    assert [row.trace_id for row in log.recent(100)] == [f"t{n}" for n in range(400, 390, -1)]


def test_old_rows_go(tmp_path: Path) -> None:
    now = [0.0]
    log = TurnLog(tmp_path, keep_days=1, clock=lambda: now[0])
    log.write(command("old"))
    log.flush()
    log.close()
    now[0] = 2 * 86_400.0
    log = TurnLog(tmp_path, keep_days=1, clock=lambda: now[0])
    log.write(command("new"))
    log.close()
    assert [row.trace_id for row in log.recent()] == ["new"]
    with sqlite3.connect(log.database) as db:
        assert db.execute("SELECT count(*) FROM spans").fetchone() == (2,)


def test_a_damaged_database_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "turns.sqlite").write_bytes(b"this is no database" * 100)
    log = TurnLog(tmp_path)
    log.write(command())
    log.close()
    assert len(log.recent()) == 1
    assert (tmp_path / "turns.damaged").exists()


class Said(logging.Handler):
    """What the log of turns complains about."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def said():
    handler = Said()
    logger = logging.getLogger("carvoice.turnlog")
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


def test_a_disk_that_cannot_be_written_is_said_once_and_again_when_it_is_well(
    tmp_path: Path, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "disk" / "turns"
    folder.parent.write_bytes(b"in the way")  # as a read-only disk: no folder can be made here
    log = TurnLog(folder)
    for n in range(3):
        log.write(command(f"lost{n}"))
    log.flush()
    assert (log.lost, len(said)) == (3, 1)
    assert "going on without" in said[0]
    assert log.recent() == []
    folder.parent.unlink()
    for _ in range(10):
        log.write(command("kept"))
    log.close()
    assert [row.trace_id for row in log.recent()] == ["kept"] * 10
    assert said[1:] == ["turns are logged again; 3 are missing"]
    assert "Traceback" not in capfd.readouterr().err


def test_a_log_is_read_where_nothing_can_be_written(log: TurnLog) -> None:
    log.write(command())
    log.close()
    # What a read-only disk makes of it: no -wal, no -shm, and none can be made.
    assert not Path(f"{log.database}-shm").exists()
    with contextlib.closing(TurnHistory(log.database.parent)._open("mode=ro&immutable=1")) as db:
        assert db.execute("SELECT trace_id FROM turns").fetchall() == [("aa11",)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            db.execute("DELETE FROM turns")


_FILLS_THE_DISK = """
import resource, signal, sys
sys.path[:0] = {path!r}
from test_turnlog import command
from carvoice.turnlog import TurnLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = TurnLog({folder!r})
log.write(command("before"))
log.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))  # no file grows further
for n in range(60):
    log.write(command(f"full{{n}}"))
log.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.write(command("after"))
log.close()
print(log.lost, [row.trace_id for row in log.recent(2)])
"""


@pytest.mark.parametrize("limit", [6_000, 150_000])  # the JSON lines cannot grow; SQLite's log cannot
def test_a_full_disk_costs_turns_and_nothing_else(tmp_path: Path, limit: int) -> None:
    path = [str(Path(__file__).parent), *sys.path]
    code = _FILLS_THE_DISK.format(path=path, folder=str(tmp_path), limit=limit)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lost, last = result.stdout.split(" ", 1)
    assert 0 < int(lost) <= 60
    assert last.startswith("['after', ")
    assert result.stderr.count("going on without") == 1
    assert "Traceback" not in result.stderr
    lines = (tmp_path / "turns.jsonl").read_text().splitlines()
    assert [json.loads(line)["trace_id"] for line in lines][-1] == "after"
    with contextlib.closing(sqlite3.connect(tmp_path / "turns.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_torn_line_is_dropped(tmp_path: Path) -> None:
    for n, torn in enumerate((b'{"at_unix_s": 12.5, "trace', b"\0" * 4096)):
        log = TurnLog(tmp_path)
        log.write(command(f"t{n}"))
        log.close()
        with (tmp_path / "turns.jsonl").open("ab") as file:
            file.write(torn)  # the power went while this was being written
    log = TurnLog(tmp_path)
    log.write(command("t2"))
    log.close()
    lines = (tmp_path / "turns.jsonl").read_text().splitlines()
    assert [json.loads(line)["trace_id"] for line in lines] == ["t0", "t1", "t2"]


_NEVER_CLOSES = """
import os, sys
sys.path[:0] = {path!r}
from test_turnlog import command
from carvoice.turnlog import TurnLog
log = TurnLog({folder!r})
for n in range(50):
    log.write(command(f"t{{n}}"))
log.flush()
for n in range(50, 500):
    log.write(command(f"t{{n}}"))
os._exit(1)
"""


def test_a_process_that_dies_while_it_writes_loses_only_what_was_queued(tmp_path: Path) -> None:
    path = [str(Path(__file__).parent), *sys.path]
    code = _NEVER_CLOSES.format(path=path, folder=str(tmp_path))
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    # A power cut may also tear the last page of the write-ahead log.
    wal = tmp_path / "turns.sqlite-wal"
    wal.write_bytes(wal.read_bytes()[:-1000])
    log = TurnLog(tmp_path)
    log.write(command("after"))
    log.close()
    kept = [row.trace_id for row in log.recent(1000)]
    assert kept[0] == "after"
    assert kept[1:] == [f"t{n}" for n in range(len(kept) - 2, -1, -1)]
    assert len(kept) >= 45
    with contextlib.closing(sqlite3.connect(log.database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_hangs_does_not_fill_the_memory(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    hangs = threading.Event()
    log._pending.put(hangs.wait)
    for n in range(1500):
        log.write(command(f"t{n}"))
    assert log._pending.qsize() <= 1000
    assert log.lost >= 500
    hangs.set()
    log.close()


def test_forget_leaves_nothing(log: TurnLog, tmp_path: Path) -> None:
    log.write(command())
    log.rate("aa11", "person", 1.0)
    log.forget()
    assert log.recent() == []
    assert log.quality() == []
    assert b"the trunk" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    log.write(command("next"))
    log.flush()
    assert [row.trace_id for row in log.recent()] == ["next"]


def test_quality_scores(log: TurnLog) -> None:
    log.write(command("a"))
    log.write(command("b"))
    log.flush()
    log.rate("a", "judge", 1.0)
    log.rate("b", "judge", 0.5, "too long")
    log.rate("nobody", "judge", 0.0)
    log.flush()
    assert log.quality() == [("judge", 2, 0.75)]
