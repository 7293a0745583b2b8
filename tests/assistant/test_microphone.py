"""A microphone that is missing, goes, comes back, or is muted."""

import queue

import numpy as np
import pytest

from carvoice.assistant.button import HOLD_S, TalkButton
from carvoice.assistant.microphone import Microphone
from carvoice.dialogue.events import Activated, Cancelled, PartFailed
from carvoice.errors import AudioError
from carvoice.records import AudioBlock, Zone


class Device:
    """Gives the blocks it is fed; an exception among them is raised."""

    def __init__(self):
        self.feed = queue.Queue()
        self.is_lost = False

    def read(self):
        item = self.feed.get(timeout=20)
        if isinstance(item, Exception):
            raise item
        return item if item is None else AudioBlock(item, 0.0)

    def close(self):
        self.feed.put(None)


class Clock:
    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class Bench:
    def __init__(self, monkeypatch, *openings):
        monkeypatch.setattr("carvoice.assistant.microphone._FIRST_RETRY_S", 0.001)
        self.clock = Clock()
        self.heard, self.posted = queue.Queue(), queue.Queue()
        self._openings = iter(openings)
        self.microphone = Microphone(self._open, self.heard.put, self.posted.put, self.clock)
        self.microphone.start()

    def _open(self):
        opening = next(self._openings)
        if isinstance(opening, Exception):
            raise opening
        return opening

    def hears(self, device, sound):
        device.feed.put(sound)
        return self.heard.get(timeout=20).near


@pytest.fixture
def bench(monkeypatch):
    made = []

    def make(*openings):
        made.append(Bench(monkeypatch, *openings))
        return made[-1]

    yield make
    for each in made:
        each.microphone.close()


SOUND = np.full(320, 0.1, np.float32)
ZEROS = np.zeros(320, np.float32)


def test_one_that_is_missing_at_first_is_taken_when_it_is_there(bench):
    device = Device()
    scene = bench(AudioError("no default input device"), AudioError("no default input device"), device)
    np.testing.assert_array_equal(scene.hears(device, SOUND), SOUND)
    assert scene.microphone.status.is_well
    assert scene.posted.empty()  # nobody relied on it yet


def test_one_that_fails_is_told_once_and_opened_again(bench):
    first, second = Device(), Device()
    scene = bench(first, AudioError("busy"), second)
    scene.hears(first, SOUND)
    first.feed.put(OSError("Unanticipated host error"))
    assert scene.posted.get(timeout=20) == PartFailed("microphone")
    scene.hears(second, SOUND)
    assert scene.microphone.status.is_well
    assert scene.microphone.status.failures == 1
    assert scene.posted.empty()


def test_one_that_is_pulled_out_gives_silence_and_is_told(bench):
    device = Device()
    scene = bench(device)
    scene.hears(device, SOUND)
    device.is_lost = True
    scene.hears(device, ZEROS)
    scene.hears(device, ZEROS)
    assert scene.posted.get(timeout=20) == PartFailed("microphone")
    assert scene.microphone.status.detail == "the device is gone"
    device.is_lost = False
    scene.hears(device, SOUND)
    assert scene.microphone.status.is_well
    assert scene.posted.empty()


def test_a_muted_and_a_stalled_one_are_not_well(bench):
    device = Device()
    scene = bench(device)
    scene.hears(device, SOUND)
    scene.clock.now_s = 11.0
    scene.hears(device, ZEROS)
    assert "muted" in scene.microphone.status.detail
    scene.hears(device, SOUND)
    assert scene.microphone.status.is_well
    scene.clock.now_s = 14.0
    assert scene.microphone.status.detail == "no sound for 3 s"


class Utterance:
    def __init__(self):
        self.calls = []

    def hold(self, on):
        self.calls.append(on)

    def end_utterance(self):
        self.calls.append("end")


def button(is_deaf=False):
    posted, utterance, clock = [], Utterance(), Clock()
    return TalkButton(posted.append, utterance, lambda: is_deaf, clock), posted, utterance, clock


def test_a_short_press_opens_the_floor_and_lets_the_pause_decide():
    talk, posted, utterance, clock = button()
    talk.press()
    talk.press()  # a key that repeats
    clock.now_s = HOLD_S - 0.01
    talk.release()
    talk.release()
    assert posted == [Activated("push", Zone.DRIVER)]
    assert utterance.calls == [True, False]


def test_letting_go_after_a_while_ends_the_command():
    talk, posted, utterance, clock = button()
    talk.press("api", Zone.PASSENGER)
    assert talk.is_pressed
    clock.now_s = HOLD_S
    talk.release()
    talk.cancel()
    assert posted == [Activated("api", Zone.PASSENGER), Cancelled()]
    assert utterance.calls == [True, False, "end"]


def test_pressing_it_without_a_microphone_is_answered():
    talk, posted, _, _ = button(is_deaf=True)
    talk.press()
    assert posted == [PartFailed("microphone")]
