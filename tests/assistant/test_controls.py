"""The talk button on the bus and on a key."""

import os
import struct
from contextlib import ExitStack
from pathlib import Path

import pytest
from talk_button import Button

from carvoice.assistant import controls
from carvoice.assistant.controls import KEY_VOICECOMMAND, KeyReader, connect, parse_key, watch_signal
from carvoice.config import DialogueConfig
from carvoice.errors import ConfigError
from carvoice.resources import data_path
from carvoice.vehicle.car import Car
from carvoice.vehicle.state import CarState

SWITCHES = 272
PATH = "Vehicle.Chassis.SteeringWheel.TalkButton"


@pytest.fixture(scope="module")
def car():
    return Car.load(data_path("cars", "demo", "demo.toml"))


def frame(state, bits):
    state.receive(SWITCHES, bytes([bits, 0, 0, 0, 0, 0, 0, 0]))


def test_the_button_on_the_steering_wheel(car):
    state, button = CarState(car), Button()
    with ExitStack() as stack:
        connect(button, DialogueConfig(), state, stack)
        for bits in (0, 0, 1, 1, 1, 0, 0):
            frame(state, bits)
    assert button.taken() == ["release", "press", "release"]


def test_a_button_that_is_down_from_the_start_is_stuck_and_one_without_a_value_is_up(car):
    state, button = CarState(car), Button()
    watch_signal(button, state, PATH)
    frame(state, 1)
    assert button.taken() == []
    for bits in (0, 1, 3):  # 3: signal not available
        frame(state, bits)
    assert button.taken() == ["release", "press", "release"]


def test_a_button_whose_signal_was_known_before(car):
    state, button = CarState(car), Button()
    frame(state, 0)
    watch_signal(button, state, PATH)
    frame(state, 1)
    assert button.taken() == ["press"]


def test_a_car_without_a_talk_button_is_fine(car):
    with ExitStack() as stack:
        connect(Button(), DialogueConfig(talk_signal="Vehicle.No.Such"), CarState(car), stack)


def test_a_key_presses_and_lets_go_and_its_device_may_come_and_go(tmp_path, monkeypatch):
    monkeypatch.setattr(controls, "_RETRY_S", 0.001)
    device, button = tmp_path / "event3", Button()
    reader = KeyReader(button, device)
    try:
        os.mkfifo(device)
        for code, expected in ((KEY_VOICECOMMAND, ["press", "release"]), (30, [])):
            with device.open("wb", buffering=0) as keys:
                for value in (1, 2, 2, 0):
                    keys.write(struct.pack("@llHHi", 0, 0, 1, code, value))
                    keys.write(struct.pack("@llHHi", 0, 0, 0, 0, 0))  # EV_SYN
            # The last release says that the device went: only then has it been closed, and a pipe that is
            # opened for writing before that breaks.
            assert [button.calls.get(timeout=20) for _ in [*expected, "gone"]] == [*expected, "release"]
    finally:
        reader.close()
    assert "press" not in button.taken()


@pytest.mark.parametrize(
    ("text", "key"),
    [("/dev/input/event3", (Path("/dev/input/event3"), 582)), ("/dev/x:57", (Path("/dev/x"), 57))],
)
def test_keys_are_written_as_device_and_code(text, key):
    assert parse_key(text) == key


def test_a_key_that_is_not_a_number_is_named():
    with pytest.raises(ConfigError, match="KEY_UP"):
        parse_key("/dev/input/event3:KEY_UP")
