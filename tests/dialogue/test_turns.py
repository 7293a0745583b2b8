"""One command, one turn: what is done and what is said about it."""

import pytest

from carvoice.dialogue import Activated, DialogueRunner, SpeechBegan, State
from carvoice.records import Decision, Evidence, Span


def test_a_command_is_done_and_said(scene) -> None:
    assert scene.say("set the temperature to twenty one") == "The temperature is set to 21 degrees."
    assert scene.world.performed == [("Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature", 21.0, False)]
    assert scene.states == ["listening", "thinking", "speaking", "listening"]
    (turn,) = scene.turns
    assert turn.interpretations[0].intent == "ClimateSetTemperature"
    assert [verdict.decision for verdict in turn.verdicts] == [Decision.ALLOW]
    assert turn.actuations[0].evidence is Evidence.ACTUATED
    assert turn.reply.text == "The temperature is set to 21 degrees."
    assert [span.name for span in turn.spans] == ["understanding", "plan", "policy", "actuation", "speech"]
    scene.wait(10)
    assert scene.dialogue.state is State.IDLE


def test_nothing_is_heard_while_idle(scene) -> None:
    scene.hear("open the driver window")
    assert scene.world.performed == []
    assert scene.events == []


@pytest.mark.parametrize(
    ("evidence", "reply"),
    [
        (Evidence.ACTUATED, "I opened the driver's window."),
        (Evidence.TRANSMITTED, "I've asked the car to open the driver's window."),
        (Evidence.MOVING, "Opening the driver's window."),
        (Evidence.REQUESTED, "I'm trying to open the driver's window."),
        (Evidence.TIMED_OUT, "I asked the car to open the driver's window, but it hasn't answered."),
        (Evidence.REFUSED, "The car did not open the driver's window."),
        (Evidence.FAILED, "I couldn't open the driver's window. The car's network didn't take it."),
    ],
)
def test_a_reply_claims_no_more_than_the_evidence(scene, evidence, reply) -> None:
    scene.world.evidence = evidence
    assert scene.say("open the driver window") == reply


def test_a_denied_command_gives_the_rules_reason(scene) -> None:
    assert scene.say("open the door") == "I can't open the driver's door: the car is moving."
    assert scene.world.performed == []
    assert scene.turns[0].verdicts[0].rule == "door-moving"
    assert scene.turns[0].reply.kind == "refused"


def test_values_are_read_back(scene) -> None:
    assert scene.say("how warm is it outside") == "It's 8 degrees outside."
    assert scene.say("are the doors open") == "Driver closed, passenger open."
    assert scene.world.performed == []


def test_what_the_car_lacks_is_said(scene) -> None:
    assert scene.say("fold the moon") == "This car doesn't have that."


def test_confirmation_yes(scene) -> None:
    assert scene.say("open the trunk") == "Shall I open the trunk?"
    assert scene.world.performed == []
    assert scene.dialogue.expects == "confirmation"
    assert scene.dialogue.state is State.LISTENING
    assert scene.say("yes") == "The trunk is open."
    assert scene.world.performed == [("Trunk", True, True)]
    assert scene.dialogue.expects == ""


@pytest.mark.parametrize("answer", ["no", "cancel"])
def test_confirmation_declined(scene, answer) -> None:
    scene.say("open the trunk")
    assert scene.say(answer) in ("Okay, I won't.", "Cancelled.")
    scene.say("yes")
    assert scene.world.performed == []


def test_confirmation_unclear_is_asked_once_more_then_dropped(scene) -> None:
    scene.say("open the trunk")
    assert scene.say("well the weather") == "Please say yes or no."
    assert scene.say("bananas") == "I'll leave it as it is."
    scene.say("yes")
    assert scene.world.performed == []


def test_confirmation_times_out(scene) -> None:
    scene.say("open the trunk")
    scene.wait(8.1)
    assert scene.replies[-1] == "I'll leave it as it is."
    scene.wait(10)
    assert scene.dialogue.state is State.IDLE
    scene.say("yes")
    assert scene.world.performed == []


def test_a_new_command_replaces_the_question(scene) -> None:
    scene.say("open the trunk")
    scene.say("open the driver window")
    assert scene.say("yes") == ""
    assert [path for path, _, _ in scene.world.performed] == ["Window.driver"]


def test_not_understood_after_the_button_is_said(scene) -> None:
    assert scene.say("bananas in pyjamas") == "Sorry, I didn't get that."


def test_chatter_in_the_follow_up_window_is_met_with_silence(scene) -> None:
    scene.say("open the driver window")
    count = len(scene.replies)
    scene.hear("he told me so last night")
    assert scene.replies[count:] == [""]
    assert scene.dialogue.state is State.LISTENING
    scene.wait(5.1)
    assert scene.dialogue.state is State.IDLE


def test_follow_up_needs_no_button(scene) -> None:
    scene.say("open the driver window")
    scene.hear("make it warmer")
    assert len(scene.world.performed) == 2


def test_an_open_question_is_answered_sentence_by_sentence(scene) -> None:
    scene.post(Activated())
    scene.hear("what does the yellow light mean")
    assert scene.dialogue.state is State.THINKING
    scene.run_answer()
    assert scene.dialogue.state is State.SPEAKING
    scene.wait_spoken()
    (turn,) = scene.turns
    assert turn.reply.text == "The light means low pressure. Check the tires."
    assert (turn.tier, turn.answer.model) == ("local", "tiny")
    assert scene.speaker.texts[1].split() == turn.reply.text.split()


def test_a_question_of_few_words_is_one_for_who_pressed_the_button_only(scene) -> None:
    scene.post(Activated())
    scene.hear("why is grass green")
    scene.run_answer()
    scene.wait_spoken()
    scene.hear("why is grass green")  # in the follow-up window: perhaps to the passenger
    assert [question for question, _ in scene.answers.asked] == ["why is grass green"]
    assert scene.turns[-1].reply.text == ""


def test_an_answerer_that_says_it_has_no_answer_makes_a_failed_turn(scene) -> None:
    scene.answers.sentences, scene.answers.outcome = ["I couldn't get an answer to that."], "failed"
    scene.post(Activated())
    scene.hear("what does the yellow light mean")
    scene.run_answer()
    scene.wait_spoken()
    assert (scene.turns[0].reply.text, scene.turns[0].reply.kind) == (
        "I couldn't get an answer to that.",
        "failed",
    )


def test_earlier_answers_are_told_with_the_next_question(scene) -> None:
    for question in ("what does the yellow light mean", "how do i check the tires"):
        scene.post(Activated())
        scene.hear(question)
        scene.run_answer()
        scene.wait_spoken()
    _, context = scene.answers.asked[1]
    assert [exchange.question for exchange in context.history] == ["what does the yellow light mean"]


def test_an_earlier_conversation_is_not_told(scene) -> None:
    for question in ("what does the yellow light mean", "how do i check the tires"):
        scene.post(Activated())
        scene.hear(question)
        scene.run_answer()
        scene.wait_spoken()
        scene.wait(130.0)
    _, context = scene.answers.asked[1]
    assert context.history == ()


def test_without_a_language_model_that_is_said(make_scene) -> None:
    scene = make_scene(with_answers=False)
    assert "without a language model" in scene.say("what is the capital of france")


def test_text_only(make_scene) -> None:
    scene = make_scene(with_speaker=False)
    assert scene.say("open the driver window") == "I opened the driver's window."
    assert len(scene.turns) == 1


def test_spans_and_trace_id_of_the_audio_stages_are_kept(scene) -> None:
    from carvoice.dialogue import Heard
    from carvoice.records import Hypothesis

    scene.post(Activated())
    final = Hypothesis("open the driver window", is_final=True)
    scene.post(Heard(final, spans=(Span("endpoint", 1.0, 200.0),), trace_id="abc"))
    scene.wait_spoken()
    assert scene.turns[0].trace_id == "abc"
    assert scene.turns[0].spans[0] == Span("endpoint", 1.0, 200.0)


def test_a_fault_in_a_room_is_an_apology_and_not_the_end(scene, caplog) -> None:
    scene.world.is_broken = True
    assert scene.say("open the driver window") == "Something went wrong. Nothing was changed."
    scene.world.is_broken = False
    assert scene.say("open the driver window") == "I opened the driver's window."


def test_open_microphone_needs_no_activation(make_scene) -> None:
    from carvoice.dialogue import DialogueSettings

    scene = make_scene(DialogueSettings(open_microphone=True))
    scene.post(SpeechBegan())
    scene.hear("open the driver window")
    assert len(scene.world.performed) == 1
    scene.wait_spoken()
    scene.hear("he told me so last night")
    assert scene.replies[-1] == ""


def test_time_and_date(scene) -> None:
    assert scene.say("what time is it") == "It's 7:05."


def test_a_thread_can_drive_it(make_scene) -> None:
    scene = make_scene(with_speaker=False)
    with DialogueRunner(scene.dialogue, lambda: scene.world.now_s) as runner:
        from carvoice.dialogue import Heard
        from carvoice.records import Hypothesis

        runner.post(Activated())
        runner.post(Heard(Hypothesis("open the driver window", is_final=True)))
    assert len(scene.world.performed) == 1
