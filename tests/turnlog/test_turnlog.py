from __future__ import annotations

import json
import sqlite3
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


def test_a_turn_that_cannot_be_written_is_counted_and_the_next_one_is_written(log: TurnLog) -> None:
    with sqlite3.connect(log.database) as db:
        db.execute("ALTER TABLE turns RENAME TO hidden")
    log.write(command("lost"))
    log.flush()
    with sqlite3.connect(log.database) as db:
        db.execute("ALTER TABLE hidden RENAME TO turns")
    log.write(command("kept"))
    log.flush()
    assert log.lost == 1
    assert [row.trace_id for row in log.recent()] == ["kept"]


def test_forget_leaves_nothing(log: TurnLog, tmp_path: Path) -> None:
    log.write(command())
    log.flush()
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
    assert log.quality() == [("judge", 2, 0.75)]
