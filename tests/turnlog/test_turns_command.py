from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console
from test_turnlog import answered, command
from typer.testing import CliRunner

from carvoice.cli.app import app
from carvoice.cli.turns import turns, waterfall  # noqa: F401  (registers the command)
from carvoice.records import Span
from carvoice.turnlog import Privacy, TurnLog, turn_to_dict


def run(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--set", f"log.folder={folder}", "turns", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def log_turns(folder: Path) -> None:
    log = TurnLog(folder)
    log.write(command("aa11cc22"))
    log.write(answered("bb22dd33", 250.0, fallbacks=("local: dead",)))
    log.close()


def test_recent_turns(tmp_path: Path) -> None:
    log_turns(tmp_path)
    output = run(tmp_path)
    assert output.index("bb22dd33") < output.index("aa11cc22")
    assert "OpenTrunk" in output
    assert "bb22dd33" in run(tmp_path, "-n", "1")
    assert "aa11cc22" not in run(tmp_path, "-n", "1")


def test_statistics(tmp_path: Path) -> None:
    log_turns(tmp_path)
    output = run(tmp_path, "--stats")
    for word in ("asr", "p95", "30", "tiny", "250"):
        assert word in output
    assert "Quality" not in output
    log = TurnLog(tmp_path)
    log.rate("bb22dd33", "judge", 0.8)
    log.close()
    assert "0.80" in run(tmp_path, "--stats").partition("Quality")[2]


def test_one_turn(tmp_path: Path) -> None:
    log_turns(tmp_path)
    output = run(tmp_path, "aa11")
    for line in (
        "heard   open the trunk 100%",
        "meant   OpenTrunk",
        "policy  allow by trunk-standstill",
        "-> 123 01ff",
        "said    The trunk is open. [done]",
    ):
        assert line in output
    assert "passed over: local: dead" in run(tmp_path, "last")
    assert json.loads(run(tmp_path, "bb22", "--json"))["answer"]["ttft_ms"] == 250.0


def test_bars_stand_where_the_time_was_spent() -> None:
    turn = command(spans=(Span("first", 10.0, 50.0), Span("second", 10.05, 50.0)))
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(waterfall(turn_to_dict(turn)))
    first, second = (line for line in console.export_text().splitlines() if "█" in line)
    assert first.count("█") == second.count("█") == 22
    assert second.index("█") == first.index("█") + 22


def test_turns_without_words_can_be_shown(tmp_path: Path) -> None:
    log = TurnLog(tmp_path, Privacy.NO_TEXT)
    log.write(command("aa11"))
    log.close()
    assert "heard   (not kept)" in run(tmp_path, "aa11")


def test_forget(tmp_path: Path) -> None:
    log_turns(tmp_path)
    run(tmp_path, "--forget")
    assert list(tmp_path.iterdir()) == []


def test_no_log_is_said_in_one_line() -> None:
    result = CliRunner().invoke(app, ["turns"])
    assert "set log.folder" in str(result.exception)
