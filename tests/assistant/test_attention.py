"""Who is listened to, from sound to the car: after the wake phrase, after the button, in the follow-up."""

import can
import numpy as np
import pytest

from carvoice.assistant import Assistant
from carvoice.assistant.button import TalkButton
from carvoice.assistant.controls import connect
from carvoice.audio.devices import read_wav
from carvoice.cli.live import cabin_session
from carvoice.config import AsrConfig, Config, DialogueConfig, TtsConfig, VehicleConfig
from carvoice.dialogue.events import Partial, State, StateChanged, TurnEnded
from carvoice.records import Evidence
from carvoice.resources import data_path
from carvoice.tts import EspeakVoice

SILENT = TtsConfig(voice="none")
SEAT = read_wav(data_path("demo", "seat_heating.wav"))
SONG = read_wav(data_path("demo", "next_song.wav"))


def spoken(text):
    sound = np.concatenate(list(EspeakVoice("en-us", rate_wpm=150).synthesize(text)))
    return 0.3 * sound / np.abs(sound).max()


@pytest.fixture
def cabin():
    """Runs a session; gives it, its events, and a function from sound to (heard, replied)."""
    sessions = []

    def start(**config):
        events = []
        manager = cabin_session(Config(tts=SILENT, **config), events.append, 0.0)
        session = manager.__enter__()
        sessions.append(manager)

        def say(sound):
            return [(turn.hypothesis.text, turn.reply.text) for turn in session.speak(sound)]

        return session, events, say

    yield start
    for manager in sessions:
        manager.__exit__(None, None, None)


def test_a_wake_phrase_opens_the_floor_and_the_follow_up_window_keeps_it_open(cabin):
    wake = VehicleConfig(channel="wake-test")
    _, events, say = cabin(asr=AsrConfig(wake_phrase="hey car"), vehicle=wake)
    assert say(SEAT) == []
    assert say(np.concatenate([spoken("hey car"), SEAT])) == [
        ("turn on the seat heating", "The heating of your seat is on.")
    ]
    assert say(SONG) == [("play the next song", "Next track.")]
    assert say(np.zeros(8 * 16_000, np.float32)) == []
    assert say(SEAT) == []
    heard = [event.hypothesis.text for event in events if isinstance(event, Partial)]
    assert "turn on" in heard  # partials grow
    assert not any("car" in text.split() for text in heard)  # the phrase is no part of the command


def test_the_button_on_the_wheel_opens_the_floor_and_breaks_into_a_reply(cabin):
    session, events, say = cabin(
        dialogue=DialogueConfig(push_to_talk=True, follow_up_s=0), vehicle=VehicleConfig(channel="push-test")
    )
    car = session.assistant.vehicle
    path = session.assistant.config.dialogue.talk_signal
    button = TalkButton(session.assistant.post, session._listener)
    connect(button, session.assistant.config.dialogue, car.state, None)
    assert say(SEAT) == []
    car.set_simulated(path, True)
    car.set_simulated(path, False)
    assert say(SEAT) == [("turn on the seat heating", "The heating of your seat is on.")]
    assert say(SONG) == []
    states = [event.state.value for event in events if isinstance(event, StateChanged)]
    assert states == ["listening", "thinking", "idle"]


def test_a_press_during_a_reply_silences_it():
    events = []
    buttons = []

    def on_event(event):
        events.append(event)
        if isinstance(event, StateChanged) and event.state is State.SPEAKING and buttons:
            buttons.pop().press()

    config = Config(vehicle=VehicleConfig(channel="press-test"))
    with cabin_session(config, on_event, 0.0) as session:
        buttons.append(TalkButton(session.assistant.post, session._listener))
        session.speak(SEAT, wait=False)
        assert session.speak(SONG)[-1].hypothesis.text == "play the next song"
    assert not buttons
    turns = [event.turn for event in events if isinstance(event, TurnEnded)]
    assert turns[0].interrupted


def test_a_bus_that_goes_and_a_car_that_falls_silent_are_told_in_plain_words(monkeypatch):
    config = Config(vehicle=VehicleConfig(channel="gone-test", status_timeout_ms=100))
    with Assistant(config, aloud=False) as assistant:
        assistant.vehicle.wait_until_known()
        assert assistant.say("turn the volume up").reply.kind == "done"

        def send(message, timeout=None):
            raise can.CanOperationError("Network is down [Error Code 100]")

        with monkeypatch.context() as fault:
            fault.setattr(assistant.vehicle.bus.raw, "send", send)
            reply = assistant.say("open the driver window halfway").reply
        assert (reply.kind, reply.evidence) == ("failed", Evidence.FAILED)
        assert reply.text.endswith("The car's network didn't take it.")
        assert assistant.say("turn the volume up").reply.kind == "done"

        assistant.vehicle.set_value.__self__.stop()  # the simulated car
        reply = assistant.say("turn the volume up").reply
        assert reply.evidence is Evidence.TIMED_OUT
        assert reply.text == "I asked the car to make it louder, but it hasn't answered."
