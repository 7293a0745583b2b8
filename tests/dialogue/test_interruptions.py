"""Talking over the reply."""

from itertools import pairwise

import pytest

from carvoice.dialogue import Activated, Interrupted, PlaybackEnded, SpeechBegan, SpeechEnded, State
from carvoice.dialogue.events import Notice, PartFailed, SpeechSuspected
from carvoice.records import AnswerRecord


def start_reply(scene, text: str = "help") -> None:
    scene.post(Activated())
    scene.hear(text)
    assert scene.dialogue.state is State.SPEAKING
    scene.wait(1.0)


def interruptions(scene) -> list[bool]:
    return [event.is_false for event in scene.events if isinstance(event, Interrupted)]


def test_speech_silences_the_reply_at_once(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    assert scene.speaker.log == ["pause"]


def test_a_first_sign_of_speech_softens_the_reply_until_it_is_sure(scene) -> None:
    start_reply(scene)
    scene.post(SpeechSuspected())
    assert scene.speaker.log == ["duck"]
    scene.wait(0.1)
    scene.post(SpeechBegan())
    scene.wait(0.5)
    assert scene.speaker.log == ["duck", "pause"]


def test_a_sign_that_was_nothing_brings_the_reply_back_and_many_are_ignored(scene) -> None:
    start_reply(scene)
    for _ in range(7):
        scene.post(SpeechSuspected())
        scene.wait(0.3)
    assert scene.speaker.log == ["duck", "unduck"] * 4
    assert interruptions(scene) == []


def test_the_next_reply_is_not_softened(scene) -> None:
    start_reply(scene)
    scene.post(SpeechSuspected())
    scene.post(Activated())
    assert scene.speaker.log == ["duck", "cancel", "unduck"]


def test_words_end_the_reply_and_are_acted_on(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.hear("open the", partial=True)
    assert scene.speaker.log == ["pause"]
    scene.wait(1.0)
    scene.hear("open the driver", partial=True)
    scene.wait(1.0)
    assert scene.speaker.log == ["pause"]
    scene.hear("open the driver window")
    assert scene.speaker.log == ["pause", "cancel"]
    assert len(scene.world.performed) == 1
    assert interruptions(scene) == [False]
    assert [turn.interrupted for turn in scene.turns] == [True]


@pytest.mark.parametrize("noise", ["", "uh huh", "mhm"])
def test_a_cough_or_a_nod_lets_the_reply_go_on(scene, noise) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    if noise:
        scene.hear(noise, partial=True)
        scene.hear(noise)
    else:
        scene.post(SpeechEnded())
        scene.wait(1.3)
    assert scene.speaker.log == ["pause", "resume"]
    assert interruptions(scene) == [True]
    scene.wait_spoken()
    assert [turn.interrupted for turn in scene.turns] == [False]


def test_music_without_words_lets_the_reply_go_on(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.wait(1.3)  # the speech detector never lets go
    assert scene.speaker.log == ["pause", "resume"]


def test_words_heard_in_music_hold_the_reply_a_few_times_only(scene) -> None:
    start_reply(scene)
    for _ in range(4):
        scene.post(SpeechBegan())
        for _ in range(12):  # longer than any command
            scene.hear("the fan the fan", partial=True)
            scene.wait(0.5)
    scene.hear("the fan the fan")
    assert scene.speaker.log == ["pause", "resume"] * 2
    scene.wait_spoken()
    assert not scene.turns[0].interrupted


def test_noise_that_outlasts_a_reply_is_remembered_for_a_minute(scene) -> None:
    start_reply(scene)
    for _ in range(2):
        scene.post(SpeechBegan())
        scene.wait(1.3)
    scene.wait_spoken()
    held = scene.speaker.log.count("pause")
    start_reply(scene)
    scene.post(SpeechBegan())
    assert scene.speaker.log.count("pause") == held
    scene.wait_spoken()
    scene.wait(60)
    start_reply(scene)
    scene.post(SpeechBegan())
    assert scene.speaker.log.count("pause") == held + 1


def test_after_a_false_one_a_voice_softens_the_reply_and_some_words_hold_it(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.wait(1.3)
    assert scene.speaker.log == ["pause", "resume"]
    scene.post(SpeechBegan())
    scene.hear("open", partial=True)
    assert scene.speaker.log[2:] == ["duck"]
    scene.wait(0.3)
    scene.hear("open the driver", partial=True)
    assert scene.speaker.log[2:] == ["duck", "pause"]
    scene.hear("open the driver window")
    assert len(scene.world.performed) == 1
    assert interruptions(scene) == [True, False]


def test_after_a_false_one_a_cough_only_softens_the_reply(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.wait(1.3)
    scene.post(SpeechBegan())
    scene.wait(0.4)
    scene.post(SpeechEnded())
    scene.wait(0.3)
    assert scene.speaker.log == ["pause", "resume", "duck", "unduck"]


def test_a_noise_that_never_ends_pauses_ever_fewer_replies(scene) -> None:
    paused_at, begin_s = [], scene.world.now_s
    for minute in range(60):  # of a passenger who nods to every reply
        scene.wait(begin_s + 60.0 * minute - scene.world.now_s)
        before = scene.speaker.log.count("pause")
        start_reply(scene)
        scene.post(SpeechBegan())
        scene.hear("uh-huh")
        scene.wait_spoken()
        if scene.speaker.log.count("pause") > before:
            paused_at.append(minute)
    gaps = [later - earlier for earlier, later in pairwise(paused_at)]
    assert paused_at[0] == 0
    assert gaps[:3] == sorted(gaps[:3])
    assert min(gaps[3:]) >= 8
    assert len(paused_at) <= 10


def test_the_more_false_ones_the_longer_they_are_remembered(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.wait(1.3)
    scene.hear("the fan the fan", partial=True)
    scene.wait(1.3)
    scene.wait_spoken()
    held = scene.speaker.log.count("pause")
    assert held == 2
    for wait_s, more in ((100, 0), (30, 1)):  # two minutes in all
        scene.wait(wait_s)
        start_reply(scene)
        scene.post(SpeechBegan())
        assert scene.speaker.log.count("pause") == held + more
        scene.wait_spoken()


@pytest.mark.parametrize(("word", "is_obeyed"), [("stop", True), ("shop", False)])
def test_a_single_word_over_a_reply_must_be_quite_sure(scene, word, is_obeyed) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.hear(word)
    assert ("cancel" in scene.speaker.log) == is_obeyed


def test_a_real_interruption_makes_up_for_the_false_ones(scene) -> None:
    start_reply(scene)
    for _ in range(2):
        scene.post(SpeechBegan())
        scene.wait(1.3)
    scene.hear("open the driver window")
    scene.wait_spoken()
    start_reply(scene)
    held = scene.speaker.log.count("pause")
    scene.post(SpeechBegan())
    assert scene.speaker.log.count("pause") == held + 1


def test_even_then_a_command_is_obeyed(scene) -> None:
    start_reply(scene)
    for _ in range(3):
        scene.post(SpeechBegan())
        scene.wait(1.3)
    scene.hear("open the driver window")
    assert len(scene.world.performed) == 1


def test_an_unsure_reading_lets_the_reply_go_on(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.hear("open the sun thing")
    assert scene.speaker.log == ["pause", "resume"]
    scene.wait_spoken()
    scene.hear("open the sun thing")  # in the follow-up window nobody asked us either
    assert scene.replies[-1] == ""


def test_chatter_of_others_lets_the_reply_go_on(scene) -> None:
    start_reply(scene)
    scene.post(SpeechBegan())
    scene.hear("he told me so last night")
    assert scene.speaker.log == ["pause", "resume"]
    assert scene.dialogue.state is State.SPEAKING


def test_our_own_voice_in_the_microphone_is_no_interruption(scene) -> None:
    start_reply(scene, "open the trunk")
    scene.post(SpeechBegan())
    scene.hear("open the", partial=True)
    scene.hear("open the trunk")
    assert scene.speaker.log == ["pause", "resume"]
    scene.wait_spoken()
    assert scene.dialogue.expects == "confirmation"


def test_an_example_that_is_tried_out_is_no_echo(scene) -> None:
    start_reply(scene)  # help: "... For example: open the driver window halfway."
    scene.hear("open the driver window")
    assert len(scene.world.performed) == 1


def test_an_echoed_yes_confirms_nothing(scene) -> None:
    scene.say("open the trunk")
    scene.hear("bananas")
    scene.wait(0.9)
    assert scene.dialogue.state is State.SPEAKING  # "Please say yes or no."
    scene.hear("yes")
    assert scene.world.performed == []
    scene.wait_spoken()
    scene.hear("yes")
    assert len(scene.world.performed) == 1


def test_the_button_ends_the_reply(scene) -> None:
    start_reply(scene)
    scene.post(Activated())
    assert scene.speaker.log == ["cancel"]
    assert scene.dialogue.state is State.LISTENING


def test_the_button_ends_an_answer_being_made(scene) -> None:
    scene.post(Activated())
    scene.hear("what does the yellow light mean")
    scene.post(Activated())
    assert scene.answers.cancels == []  # not even begun
    scene.run_answer()
    assert scene.answers.cancels[0].is_set()
    assert scene.dialogue.state is State.LISTENING
    assert scene.replies == []


def test_barge_in_cancels_generation(scene) -> None:
    scene.post(Activated())
    scene.hear("what does the yellow light mean")
    run = scene.runs[0]
    from carvoice.dialogue.events import AnswerPart

    scene.post(AnswerPart(run.answer_id, "The first sentence of many."))
    run.record = AnswerRecord("cancelled", "local", "tiny", ttft_ms=300.0, total_ms=400.0, tokens=6)
    scene.wait(0.5)
    scene.hear("open the driver window")
    assert run._stop.is_set()
    texts = len(scene.speaker.texts)
    scene.post(AnswerPart(run.answer_id, "More of it."))
    assert len(scene.speaker.texts) == texts
    turn = scene.turns[0]
    assert turn.interrupted
    assert (turn.tier, turn.answer) == ("local", run.record)  # what there was of it is logged
    assert {span.name: span.duration_ms for span in turn.spans if span.name in ("ttft", "answer")} == {
        "ttft": 300.0,
        "answer": 400.0,
    }


def test_an_answer_that_takes_long_is_bridged_and_one_that_never_comes_is_given_up(scene) -> None:
    scene.post(Activated())
    scene.hear("what does the yellow light mean")
    scene.wait(2.1)
    assert scene.replies == ["One moment."]
    scene.wait(30)
    assert scene.replies[-1] == "I couldn't get an answer just now."
    scene.wait(20)
    assert scene.dialogue.state is State.IDLE
    assert scene.turns[0].answer.outcome == "failed"


def test_a_dead_loudspeaker_does_not_hang_the_conversation(scene) -> None:
    scene.speaker.is_dead = True
    scene.post(Activated())
    scene.hear("open the driver window")
    scene.wait(60)
    assert scene.dialogue.state is State.IDLE
    assert len(scene.turns) == 1


def test_late_news_of_an_old_utterance_changes_nothing(scene) -> None:
    start_reply(scene)
    scene.post(PlaybackEnded(99))
    assert scene.dialogue.state is State.SPEAKING


def test_partials_flow_out(scene) -> None:
    from carvoice.dialogue import Partial

    scene.hear("secret", partial=True)
    scene.post(Activated())
    for text in ("open", "open the", "open the driver window"):
        scene.hear(text, partial=True)
    assert [event.hypothesis.text for event in scene.events if isinstance(event, Partial)] == [
        "open",
        "open the",
        "open the driver window",
    ]


def test_a_lost_microphone_and_a_failed_recognizer_are_told_in_one_sentence(scene) -> None:
    for part, words in (("microphone", "I can't hear you"), ("recognizer", "Please say it again")):
        scene.post(Activated())
        scene.post(SpeechBegan())
        before = len(scene.replies)
        scene.post(PartFailed(part))
        scene.wait_spoken()
        assert [words in reply for reply in scene.replies[before:]] == [True]
        scene.say("open the driver window")
    assert len(scene.world.performed) == 2


def test_a_notice_waits_until_nobody_is_speaking_and_nothing_is_asked(scene) -> None:
    start_reply(scene, "open the trunk")
    scene.post(Notice("alert_slow_command"))
    scene.wait_spoken()
    assert scene.dialogue.expects == "confirmation"
    scene.wait(1.0)
    assert not any("slower" in reply for reply in scene.replies)
    scene.say("no")
    scene.wait(20.0)
    assert scene.replies[-1] == "I'm slower than usual at the moment."
    assert scene.dialogue.state is State.IDLE  # and nobody is listened to because of it


def test_a_voice_that_raises_ends_the_turn_and_the_next_one_works(scene) -> None:
    say = scene.speaker.say

    def broken(text: str) -> int:
        raise RuntimeError("no voice")

    scene.speaker.say = broken
    scene.post(Activated())
    scene.hear("open the driver window")
    assert scene.dialogue.state is State.IDLE
    scene.speaker.say = say
    assert scene.say("open the driver window")
    assert len(scene.turns) == 2
