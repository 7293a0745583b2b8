"""Every command in the README runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
SCRIPTS = [block for block in BLOCKS if "make " not in block]
MAKE = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if "make " in line]


def run(script, tmp_path, **more):
    """Run a block where .venv/bin/carvoice is this Python's carvoice."""
    bin_folder = tmp_path / ".venv" / "bin"
    bin_folder.mkdir(parents=True)
    carvoice = bin_folder / "carvoice"
    carvoice.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m carvoice "$@"\n')
    carvoice.chmod(0o755)
    for folder in ("carvoice", "grammars"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **more}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def lines(script):
    """The block's commands one by one, unless they belong together (a job in the background)."""
    return [script] if "&\n" in script else [line for line in script.splitlines() if line.strip()]


@pytest.mark.parametrize("command", [line for script in SCRIPTS for line in lines(script)])
def test_command_runs(command, tmp_path):
    if "udp_multicast" in command:
        command = command.replace("--seconds 20", "--seconds 15")
    done = run(command.replace("| head", "| cat"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert MAKE[:2] == ["make demo", "make test"]
    for command in MAKE:
        assert re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE), command


def test_the_demo_runs_every_scene_and_ends_with_the_summary(tmp_path):
    """`make demo` is `carvoice demo` after the install; here faster than real time."""
    import json

    done = run(".venv/bin/carvoice demo --speed 0 --json --save out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    turns = [event["turn"] for event in events if event["event"] == "TurnEnded"]
    readings = [reading for turn in turns for reading in turn["interpretations"]]
    intents = {reading.get("intent") for reading in readings}
    frames = [f for turn in turns for a in turn.get("actuations", ()) for f in a.get("frames", ())]
    decisions = {verdict["decision"] for turn in turns for verdict in turn.get("verdicts", ())}
    assert {"ClimateSetTemperature", "WindowSetPosition", "ClimateGetOutside", "DoorOpen"} <= intents
    assert {"allow", "deny"} <= decisions
    assert any(frame["is_tx"] for frame in frames)
    assert any(not frame["is_tx"] for frame in frames)
    assert any(reading.get("rejected") for reading in readings)
    assert events[-1]["event"] == "Summary"
    assert events[-1]["stages_ms"]["to_frame"]["count"] >= 8
    for name in ("microphone.wav", "loudspeaker.wav", "frames.log", "turns.jsonl"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
