"""Typed sentences through every room but the ears' sound."""

import pytest

from carvoice.assistant import Assistant
from carvoice.config import AsrConfig, Config
from carvoice.records import Evidence


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
