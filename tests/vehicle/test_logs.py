from __future__ import annotations

import re
import shutil
import subprocess

import can
import pytest
from conftest import setting

from carvoice.errors import BusError
from carvoice.records import Evidence
from carvoice.vehicle.logs import BusLog, Replay, frames_of_turn, read_log

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
SPEED = "Vehicle.Speed"


def drive(rig, path):
    """Half a minute of bus at most: a request, then faster and faster."""
    with BusLog(path, rig.ours) as log:
        result = rig.actuator.perform(setting(TEMP, 23.0), trace_id="turn-7")
        log.mark(result.frames)
        for speed in (10.0, 20.0, 30.0):
            rig.set(SPEED, speed)


@pytest.fixture(autouse=True)
def timestamps(rig, monkeypatch):
    """The virtual bus stamps with wall time: make it the rig's clock."""
    import time as real

    monkeypatch.setattr(real, "time", lambda: 1_700_000_000 + rig.clock())


@pytest.mark.parametrize("suffix", [".log", ".asc", ".blf", ".csv", ".log.gz"])
def test_every_format_comes_back_and_drives_the_state(rig, car, tmp_path, suffix):
    path = tmp_path / f"drive{suffix}"
    drive(rig, path)
    messages = list(read_log(path))
    request = car.messages["HU_ClimateReq"].arbitration_id
    assert sum(m.arbitration_id == request for m in messages) == 1
    assert suffix == ".csv" or any(m.is_fd for m in messages)  # python-can's CSV forgets CAN FD
    assert any(len(m.data) == 32 for m in messages)
    assert any(m.is_extended_id for m in messages)
    replay = Replay(path, car)
    replay.run()
    assert replay.state.get(SPEED).value == 30.0
    assert replay.state.get(TEMP).value == 23.0


def frames_of(messages) -> list[tuple]:
    return [(m.arbitration_id, m.is_extended_id, bytes(m.data), m.is_rx) for m in messages]


def test_mf4_comes_back_and_drives_the_state(rig, car, tmp_path):
    pytest.importorskip("asammdf", reason="the extra mf4 is not installed")
    drive(rig, tmp_path / "drive.mf4")
    messages = list(read_log(tmp_path / "drive.mf4"))
    request = car.messages["HU_ClimateReq"]
    (sent,) = (m for m in messages if m.arbitration_id == request.arbitration_id)
    assert request.decode(bytes(sent.data))["HU_TempSetDrvReq"] == 23.0
    assert any(m.is_extended_id for m in messages)
    replay = Replay(tmp_path / "drive.mf4", car)
    replay.run()
    assert (replay.state.get(SPEED).value, replay.state.get(TEMP).value) == (30.0, 23.0)


def run(tool: str, *arguments: object) -> str:
    """A program of can-utils."""
    if shutil.which(tool) is None:
        pytest.skip(f"can-utils ({tool}) is not installed")
    done = subprocess.run(
        [tool, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    if "Address family not supported" in done.stderr:
        pytest.skip(f"{tool} needs SocketCAN, which this kernel does not have")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_can_utils_read_our_candump_log(rig, tmp_path):
    drive(rig, tmp_path / "drive.log")
    ours = list(read_log(tmp_path / "drive.log"))
    (tmp_path / "theirs.asc").write_text(run("log2asc", "-I", tmp_path / "drive.log", "can0"))
    theirs = list(read_log(tmp_path / "theirs.asc"))
    assert frames_of(theirs) == frames_of(ours)
    assert [m.timestamp - theirs[0].timestamp for m in theirs] == pytest.approx(
        [m.timestamp - ours[0].timestamp for m in ours], abs=2e-6
    )


def test_can_utils_read_our_asc_log(rig, tmp_path):
    drive(rig, tmp_path / "drive.asc")
    (tmp_path / "theirs.log").write_text(run("asc2log", "-I", tmp_path / "drive.asc"))
    classic = [m for m in read_log(tmp_path / "drive.asc") if not m.is_fd]
    theirs = [m for m in read_log(tmp_path / "theirs.log") if not m.is_fd]
    assert len(classic) > 50
    assert frames_of(theirs) == frames_of(classic)


def test_canplayer_replays_our_candump_log(rig, tmp_path):
    drive(rig, tmp_path / "drive.log")
    (tmp_path / "played.log").write_text(run("canplayer", "-t", "-I", tmp_path / "drive.log", "stdout=can0"))
    assert frames_of(read_log(tmp_path / "played.log")) == frames_of(read_log(tmp_path / "drive.log"))


def test_candump_lines_are_those_of_can_utils(rig, tmp_path):
    path = tmp_path / "drive.log"
    drive(rig, path)
    line = re.compile(
        r"\(\d+\.\d{6}\) can0 [0-9A-F]{3}([0-9A-F]{5})?(#[0-9A-F]*|##[0-9A-F][0-9A-F]*)( [RT])?"
    )
    lines = path.read_text().splitlines()
    assert len(lines) > 50
    assert [text for text in lines if not line.fullmatch(text)] == []


def test_replay_stops_where_it_is_told_and_goes_on(rig, car, tmp_path):
    path = tmp_path / "drive.log"
    drive(rig, path)
    replay = Replay(path, car)
    n = replay.run(until_s=0.5)
    early = replay.state.get(SPEED).value
    assert (n > 0, replay.now_s) == (True, 0.5)
    assert replay.run(until_s=0.5) == 0
    replay.run()
    assert replay.state.get(SPEED).value == 30.0 > early
    assert replay.state.get("Vehicle.Cabin.HVAC.AmbientAirTemperature").age_s <= 0.6


def test_replay_in_real_time_waits_as_long_as_the_log(rig, car, tmp_path):
    path = tmp_path / "drive.log"
    drive(rig, path)
    waited: list[float] = []
    replay = Replay(path, car)
    replay.run(speed=2.0, sleep=waited.append)
    assert sum(waited) == pytest.approx(replay.now_s / 2)


def test_frames_of_a_turn_are_found(rig, tmp_path):
    path = tmp_path / "drive.asc"
    drive(rig, path)
    request, status = frames_of_turn(path, "turn-7")
    assert (request.name, request.is_tx, request.signals["HU_TempSetDrvReq"]) == ("HU_ClimateReq", True, 23.0)
    assert (status.name, status.signals["HVAC_TempSetDrv"]) == ("HVAC_ClimateStat", 23.0)
    assert frames_of_turn(path, "turn-8") == ()


def test_errors(rig, car, tmp_path):
    with pytest.raises(BusError, match="there is no such bus log"):
        Replay(tmp_path / "gone.log", car).run()
    with pytest.raises(BusError, match="cannot write this bus log"):
        BusLog(tmp_path / "drive.xyz", rig.ours)
    with pytest.raises(BusError, match="cannot write this bus log"):
        BusLog(tmp_path / "nowhere" / "drive.log", rig.ours)
    (tmp_path / "bad.log").write_text("what is this\n")
    with pytest.raises(BusError, match="cannot read this bus log"):
        list(read_log(tmp_path / "bad.log"))
    with pytest.raises(BusError, match="cannot read the index"):
        frames_of_turn(tmp_path / "bad.log", "x")
    (tmp_path / "bad.log.turns.jsonl").write_text('{"trace_id": "x"}\n')
    with pytest.raises(BusError, match=r"bad\.log\.turns\.jsonl:1: damaged entry"):
        frames_of_turn(tmp_path / "bad.log", "x")


def test_a_full_disk_ends_the_log_and_not_the_bus(rig, tmp_path, monkeypatch, caplog):
    log = BusLog(tmp_path / "drive.log", rig.ours)

    def full(message):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log._writer, "on_message_received", full)
    assert rig.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.ACTUATED
    log.close()
    assert caplog.text.count("the bus log ends here: [Errno 28] No space left on device") == 1


def test_a_frame_that_comes_while_the_log_is_closed_is_left_out(rig, tmp_path):
    log = BusLog(tmp_path / "drive.log", rig.ours)
    take = rig.ours.listeners[-1]
    log.close()
    log.close()
    take(can.Message(arbitration_id=1))
    assert list(read_log(tmp_path / "drive.log")) == []


def test_error_frames_and_remote_frames_change_nothing(car, tmp_path):
    path = tmp_path / "errors.log"
    with can.Logger(str(path)) as writer:
        writer(can.Message(timestamp=1.0, arbitration_id=0x20, is_error_frame=True, dlc=8, data=bytes(8)))
        writer(
            can.Message(
                timestamp=1.5, arbitration_id=0x3A2, is_remote_frame=True, is_extended_id=False, dlc=8
            )
        )
    replay = Replay(path, car)
    assert replay.run() == 0
    assert replay.state.frames == 0
