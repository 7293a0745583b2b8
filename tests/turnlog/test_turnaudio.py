"""The sound of turns on disk: bounded, private, deleted with the rest."""

import os
from pathlib import Path

import numpy as np
import pytest
from test_turnlog import command
from test_turns_command import run

from carvoice.audio.devices import read_wav
from carvoice.errors import AudioError
from carvoice.turnaudio import TurnAudio
from carvoice.turnlog import Privacy, TurnLog

NEAR = np.linspace(-0.5, 0.5, 16000, dtype=np.float32)[None]
FAR = np.sin(np.arange(16000, dtype=np.float32) / 9) / 2
BYTES = 2 * (2 * 16000 + 44)  # of such a turn


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def aged(folder: Path, trace_id: str, at_s: float) -> None:
    for path in folder.glob(f"{trace_id}.*"):
        os.utime(path, (at_s, at_s))


def test_what_was_heard_and_played_comes_back(tmp_path: Path) -> None:
    audio = TurnAudio(tmp_path / "audio")
    two = np.concatenate([NEAR, -NEAR])
    audio.write("aa11", two, FAR)
    path = audio.path("aa11")
    assert path is not None
    np.testing.assert_allclose(read_wav(path, keep_channels=True), two, atol=1e-4)
    np.testing.assert_allclose(read_wav(path.with_suffix(".far.wav")), FAR, atol=1e-4)
    assert audio.path("bb22") is None
    assert (tmp_path / "audio").stat().st_mode & 0o077 == 0


def test_the_oldest_go_beyond_the_size(tmp_path: Path) -> None:
    audio = TurnAudio(tmp_path, max_bytes=2 * BYTES, clock=lambda: 100.0)
    for at_s, trace_id in enumerate(("first", "second", "third")):
        audio.write(trace_id, NEAR, FAR)
        aged(tmp_path, trace_id, at_s)
    assert files(tmp_path) == ["second.far.wav", "second.wav", "third.far.wav", "third.wav"]


def test_old_ones_go(tmp_path: Path) -> None:
    audio = TurnAudio(tmp_path, keep_s=60.0, clock=lambda: 1000.0)
    audio.write("old", NEAR, FAR)
    aged(tmp_path, "old", 900.0)
    audio.write("new", NEAR, FAR)
    aged(tmp_path, "new", 990.0)
    audio.write("newer", NEAR, FAR)
    assert "old.wav" not in files(tmp_path)
    assert "new.wav" in files(tmp_path)


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "aa11.far.wav").mkdir()
    with pytest.raises(AudioError):
        TurnAudio(tmp_path).write("aa11", NEAR, FAR)
    assert not (tmp_path / "aa11.wav").exists()


@pytest.mark.parametrize(("privacy", "kept"), [(Privacy.FULL, 2), (Privacy.NO_TEXT, 0), (Privacy.OFF, 0)])
def test_the_privacy_switch_holds_for_sound(tmp_path: Path, privacy: Privacy, kept: int) -> None:
    log = TurnLog(tmp_path, privacy)
    log.keep_audio("aa11", NEAR, FAR)
    log.close()
    assert len(files(tmp_path / "audio")) == kept


def test_a_switch_thrown_while_sound_waits_for_the_disk_holds_too(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    log._pending.put(lambda: setattr(log, "privacy", Privacy.NO_TEXT))
    log.keep_audio("aa11", NEAR, FAR)
    log.close()
    assert files(tmp_path / "audio") == []


def test_forget_deletes_it(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    log.write(command())
    log.keep_audio("aa11", NEAR, FAR)
    log.forget()
    log.close()
    assert files(tmp_path / "audio") == []


def test_a_turn_names_its_sound(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    log.write(command("aa11cc22"))
    log.write(command("bb22dd33"))
    log.keep_audio("aa11cc22", NEAR, FAR)
    log.close()
    assert f"sound   {tmp_path / 'audio' / 'aa11cc22.wav'}" in run(tmp_path, "aa11")
    assert "sound" not in run(tmp_path, "bb22")
