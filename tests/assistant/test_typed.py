"""Typed sentences through every room but the ears' sound."""

import queue

import numpy as np
import pytest

from carvoice.assistant import Assistant
from carvoice.assistant.assistant import _warmed
from carvoice.assistant.rooms import build_voice
from carvoice.config import AsrConfig, Config, TtsConfig
from carvoice.records import Evidence
from carvoice.tts import CachedVoice


@pytest.fixture(scope="module")
def assistant():
    config = Config(asr=AsrConfig(wake_phrase="hey car"))
    with Assistant(config, aloud=False) as assistant:
        assistant.vehicle.wait_until_known()
        yield assistant


def test_typed_words_need_no_wake_phrase(assistant) -> None:
    turn = assistant.say("set the temperature to twenty one", timeout_s=20)
    assert turn.actuations[-1].evidence is Evidence.ACTUATED
    assert turn.reply.text == "The temperature is set to 21 degrees."


def test_a_conversation_goes_on_over_turns(assistant) -> None:
    assert assistant.say("open the trunk", timeout_s=20).reply.expects == "confirmation"
    assert assistant.say("no", timeout_s=20).actuations == ()
    assert assistant.say("make it warmer", timeout_s=20).reply.text == "The temperature is now 22 degrees."
    assert assistant.say("undo", timeout_s=20).reply.text == "I've put it back."


def test_of_two_readings_that_sound_alike_the_driver_chooses(assistant) -> None:
    asked = assistant.say("turn or the air conditioner", timeout_s=20)
    assert (asked.reply.expects, asked.actuations) == ("choice", ())
    assert all(f"the air conditioning {state}" in asked.reply.text for state in ("on", "off"))
    assert assistant.say("the second one", timeout_s=20).actuations


def test_fixed_replies_are_ready_before_they_are_needed() -> None:
    rendered = queue.Queue()

    class Voice:
        def synthesize(self, text):
            rendered.put(text)
            yield np.zeros(160, np.float32)

    cached = CachedVoice(Voice())
    stop = _warmed(cached, ["Sure.", "I can't hear you. The microphone is gone."])
    pieces = [rendered.get(timeout=20) for _ in range(3)]
    assert pieces == ["Sure.", "I can't hear you.", "The microphone is gone."]
    stop.set()


@pytest.mark.parametrize(("code", "voice"), [("en", "en-us"), ("de", "de"), ("fr", "fr")])
def test_replies_are_spoken_in_their_language(code: str, voice: str) -> None:
    built = build_voice(TtsConfig(), code)
    assert built._voice == voice
    said = {"en": "two bar", "de": "zwei Bar", "fr": "two bar"}  # no tables for French yet
    assert built._spell.spoken("2 bar") == said[code]
