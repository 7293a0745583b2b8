"""References to what was said before, doubts, compounds, and what is hard to undo."""

from dataclasses import replace

import pytest

from carvoice.dialogue import Activated, Cancelled, DialogueSettings, Heard, SpeechBegan, State
from carvoice.records import Evidence, Hypothesis, Interpretation, Slot, Zone

CLIMATE = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"


def proposal(intent: str, zone: str) -> Interpretation:
    return Interpretation(intent, {"zone": Slot(zone)}, source="llm")


def paths(scene) -> list[str]:
    return [path for path, _, _ in scene.world.performed]


def test_undo_brings_back_each_value_in_turn(scene) -> None:
    scene.say("set the temperature to twenty one")
    scene.say("open the driver window")
    assert scene.say("undo") == "I've put it back."
    assert scene.world.values["Window.driver"] == 0
    assert scene.say("undo") == "I've put it back."
    assert scene.world.values[CLIMATE] == 20.0
    assert scene.say("undo") == "There is nothing to undo."


def test_undo_claims_no_more_than_the_evidence(scene) -> None:
    scene.say("open the driver window")
    scene.world.evidence = Evidence.REFUSED
    assert scene.say("undo") == "The car did not put it back."


def test_undo_of_what_the_policy_guards_asks_first(scene) -> None:
    scene.world.values["Trunk"] = True
    scene.say("open the trunk")
    scene.say("yes")
    assert scene.say("undo") == "Shall I put it back?"
    scene.say("yes")
    assert scene.world.performed[-1] == ("Trunk", True, True)


def test_more_and_less_repeat_the_last_adjustment(scene) -> None:
    scene.say("make it warmer")
    assert scene.say("more") == "The temperature is now 22 degrees."
    assert scene.say("less") == "The temperature is now 21 degrees."
    scene.say("open the driver window")
    assert scene.say("more") == "That's as far as it goes."
    scene.say("open the trunk")
    scene.say("yes")
    assert scene.say("more") == "I don't know what to change. Say it in full, please."


def test_a_number_out_of_range_is_answered_with_the_range(scene) -> None:
    assert scene.say("set the temperature to fifty") == "I can set that between 14 and 32."
    assert scene.world.performed == []


def test_correction_of_a_number(scene) -> None:
    scene.say("set the temperature to twenty one")
    assert scene.say("no make it twenty three") == "The temperature is set to 23 degrees."
    assert scene.world.values[CLIMATE] == 23.0


def test_correction_of_an_adjustment_by_a_number(scene) -> None:
    scene.say("make it warmer")
    assert scene.say("no make it twenty three") == "The temperature is now 23 degrees."
    scene.say("undo")
    assert scene.world.values[CLIMATE] == 21.0
    scene.say("open the driver window")
    scene.say("no make it twenty three")
    assert scene.world.values["Window.driver"] == 23


def test_what_has_no_number_gets_none(scene) -> None:
    scene.say("open the trunk")
    scene.say("yes")
    assert scene.say("no make it twenty three") == "I don't know what to change. Say it in full, please."


def test_the_other_one(scene) -> None:
    scene.say("open the driver window")
    scene.say("the other one")
    assert paths(scene) == ["Window.driver", "Window.passenger"]


def test_what_has_no_places_is_not_done_twice(scene) -> None:
    scene.say("call anna")
    scene.wait(3)
    assert scene.say("the other one") == "I don't know what to change. Say it in full, please."
    assert paths(scene) == ["Phone"]


def test_references_without_anything_before(scene) -> None:
    for text in ("more", "the other one", "no make it twenty three"):
        assert scene.say(text) == "I don't know what to change. Say it in full, please."
    assert scene.say("say that again") == "I don't know what to change. Say it in full, please."


def test_repeat_says_the_last_reply_again(scene) -> None:
    assert scene.say("say that again") == "I haven't said anything yet."
    scene.say("how warm is it outside")
    assert scene.say("say that again") == "It's 8 degrees outside."


def test_repeat_of_a_question_keeps_it_open(scene) -> None:
    scene.say("open the trunk")
    assert scene.say("say that again") == "Shall I open the trunk?"
    scene.say("yes")
    assert paths(scene) == ["Trunk"]


def test_help_says_what_can_be_said_now(scene) -> None:
    assert "climate" in scene.say("help")
    scene.say("open the trunk")
    assert scene.say("help") == "Shall I open the trunk? Please say yes or no."
    scene.say("yes")
    assert paths(scene) == ["Trunk"]


def test_two_close_readings_are_offered(scene) -> None:
    assert scene.say("open it") == "Open the sunroof, or open the trunk?"
    assert paths(scene) == []


@pytest.mark.parametrize(
    ("answer", "path"), [("the sunroof", "Sunroof"), ("the first one please", "Sunroof")]
)
def test_a_choice_can_be_answered_in_a_word(scene, answer, path) -> None:
    scene.say("open it")
    scene.say(answer)
    assert paths(scene) == [path]


def test_a_choice_can_be_answered_in_full_and_still_passes_the_gate(scene) -> None:
    scene.say("open it")
    assert scene.say("the second one") == "Shall I open the trunk?"
    scene.say("no")
    scene.say("open it")
    assert scene.say("open the trunk") == "Shall I open the trunk?"
    assert paths(scene) == []


def test_an_unclear_choice_is_repeated_once(scene) -> None:
    scene.say("open it")
    assert scene.say("bananas") == "Open the sunroof, or open the trunk?"
    assert scene.say("yes") == "I'll leave it as it is."
    assert paths(scene) == []


def test_an_unsure_reading_is_asked_back(scene) -> None:
    assert scene.say("open the sun thing") == "Did you mean, open the sunroof?"
    scene.say("yes")
    assert scene.world.performed == [("Sunroof", 100, False)]


def test_two_commands_in_one_sentence(scene) -> None:
    text = scene.say("open the driver window and open the door")
    assert text == ("I opened the driver's window. But: I can't open the driver's door: the car is moving.")
    assert paths(scene) == ["Window.driver"]
    assert len(scene.turns[0].verdicts) == 2


def test_a_question_in_the_middle_of_two_commands_comes_first(scene) -> None:
    assert scene.say("open the trunk and open the driver window") == "Shall I open the trunk?"
    assert paths(scene) == []
    assert scene.say("yes") == "The trunk is open. I opened the driver's window."
    assert paths(scene) == ["Trunk", "Window.driver"]


def test_a_no_drops_the_rest_of_the_sentence(scene) -> None:
    scene.say("open the trunk and open the driver window")
    scene.say("no")
    assert paths(scene) == []


def test_what_is_hard_to_undo_is_announced_and_then_done(scene) -> None:
    text = scene.say("call anna")
    assert "call Anna" in text
    assert paths(scene) == []
    scene.wait(3)
    assert paths(scene) == ["Phone"]
    assert scene.replies[-1] == "Calling Anna."
    assert len(scene.turns) == 2


@pytest.mark.parametrize("word", ["no", "cancel", "undo"])
def test_in_the_cancel_window_a_word_stops_it(scene, word) -> None:
    scene.say("call anna")
    scene.wait(1)
    scene.say(word)
    scene.wait(30)
    assert paths(scene) == []


def test_unclear_words_in_the_cancel_window_turn_it_into_a_question(scene) -> None:
    scene.say("call anna")
    assert scene.say("nah leave her alone") == "Shall I call Anna?"
    scene.wait(30)
    assert paths(scene) == []


def test_talking_over_the_announcement_does_not_lose_or_hang_it(scene) -> None:
    scene.post(Activated())
    scene.hear("call anna")
    scene.wait(0.5)
    scene.hear("open the driver", partial=True)
    scene.hear("open the driver window")
    scene.wait(30)
    assert paths(scene) == ["Window.driver", "Phone"]
    assert scene.dialogue.state is State.IDLE
    assert scene.world.expected == ["open the driver"]  # read while it was being said


def test_yes_shortens_the_cancel_window(scene) -> None:
    scene.say("call anna")
    scene.say("yes")
    assert paths(scene) == ["Phone"]
    scene.wait(30)
    assert paths(scene) == ["Phone"]


def test_speech_in_the_cancel_window_is_waited_for(scene) -> None:
    scene.say("call anna")
    scene.wait(1.9)
    scene.post(SpeechBegan())
    scene.wait(2)
    assert paths(scene) == []
    scene.say("no")
    scene.wait(30)
    assert paths(scene) == []


def test_a_cancel_button_forgets_everything(scene) -> None:
    scene.say("call anna")
    scene.post(Cancelled())
    assert scene.dialogue.state is State.IDLE
    scene.wait(30)
    assert paths(scene) == []
    scene.say("open the trunk")
    scene.post(Cancelled())
    scene.say("yes")
    assert paths(scene) == []


def test_without_a_cancel_window_it_is_done_at_once(make_scene) -> None:
    scene = make_scene(DialogueSettings(cancel_window_s=0))
    scene.say("call anna")
    assert paths(scene) == ["Phone"]


def test_a_compound_with_an_announcement(scene) -> None:
    text = scene.say("open the driver window and call anna")
    assert text.startswith("I opened the driver's window.")
    assert paths(scene) == ["Window.driver"]
    scene.wait(3)
    assert paths(scene) == ["Window.driver", "Phone"]


def test_what_a_model_proposes_is_always_asked(scene) -> None:
    scene.answers.sentences = ["I can open the window for you."]
    scene.answers.proposals = [proposal("WindowOpen", "driver")]
    scene.say("could you do something about the stuffy air")
    scene.run_answer()
    scene.wait_spoken()
    assert scene.replies[-1] == "Shall I open the driver's window?"
    assert paths(scene) == []
    scene.say("yes")
    assert scene.world.performed == [("Window.driver", 100, True)]


def test_what_a_model_proposes_goes_through_the_gate(scene) -> None:
    scene.answers.sentences = []
    scene.answers.proposals = [proposal("DoorOpen", "driver")]
    scene.say("can you tell me how to get out here")
    scene.run_answer()
    scene.wait_spoken()
    assert scene.replies[-1] == "I can't open the driver's door: the car is moving."
    scene.say("yes")
    assert paths(scene) == []


def test_only_the_talker_who_asked_is_heard(scene) -> None:
    scene.post(Activated("wake", Zone.DRIVER))
    scene.hear("open the driver window", Zone.REAR_LEFT)
    assert paths(scene) == []
    scene.hear("open the trunk", Zone.DRIVER)
    scene.wait_spoken()
    scene.hear("yes", Zone.REAR_LEFT)
    assert paths(scene) == []
    scene.hear("yes", Zone.DRIVER)
    assert paths(scene) == ["Trunk"]


def test_stop_listening_closes_the_window(scene) -> None:
    scene.say("open the driver window")
    scene.say("stop listening")
    assert scene.dialogue.state is State.IDLE
    scene.hear("open the sun thing")
    assert paths(scene) == ["Window.driver"]


def test_speak_up(scene) -> None:
    scene.say("speak up")
    assert scene.speaker.volume == pytest.approx(1.5)
    for _ in range(10):
        scene.say("speak up")
    assert scene.speaker.volume == 2.0


def test_half_a_command_is_completed_by_the_answer(scene) -> None:
    assert scene.say("set the temperature") == "To how many degrees?"
    assert scene.dialogue.expects == "slot"
    assert scene.say("twenty one") == "The temperature is set to 21 degrees."
    assert scene.dialogue.expects == ""


def test_the_answer_may_bring_its_own_preposition(scene) -> None:
    scene.say("set the temperature")
    assert scene.say("to twenty one") == "The temperature is set to 21 degrees."


def test_an_answer_out_of_range_names_the_range_and_the_question_stays(scene) -> None:
    scene.say("set the temperature")
    assert scene.say("two hundred") == "I can set that between 16 and 28."
    assert scene.say("twenty one") == "The temperature is set to 21 degrees."


def test_a_question_for_the_rest_is_dropped_by_a_new_command_a_no_and_a_second_miss(scene) -> None:
    for answer in ("open the driver window", "cancel"):
        scene.say("set the temperature")
        scene.say(answer)
        assert scene.dialogue.expects == ""
    scene.say("set the temperature")
    scene.say("bananas")
    assert scene.say("bananas") == "I'll leave it as it is."
    assert [path for path, _, _ in scene.world.performed] == ["Window.driver"]


def test_the_beginning_of_many_commands_is_answered_with_examples(scene) -> None:
    said = scene.say("open the driver")
    assert said.startswith("Open the driver what? Say, for example: open the driver window")
    scene.say("window")
    assert scene.world.performed == [("Window.driver", 100, False)]


def test_talk_of_others_that_begins_like_a_command_is_let_be(scene) -> None:
    scene.say("make it warmer")
    assert scene.say("open the") == ""  # in the follow-up window nobody asked us


def test_a_bit_more_goes_on_from_an_absolute_command(scene) -> None:
    scene.say("set the temperature to twenty one")
    assert scene.say("a bit more") == "The temperature is now 22 degrees."
    assert scene.say("less") == "The temperature is now 21 degrees."


def test_more_of_closing_closes(scene) -> None:
    scene.world.values["Window.driver"] = 60
    scene.world.plan = shut_half(scene.world.plan)
    scene.say("close the driver window")
    scene.say("more")
    assert [value for _, value, _ in scene.world.performed] == [30, 10]


def shut_half(plan):
    def planned(interpretation, *rest):
        actions = plan(interpretation, *rest)
        is_close = interpretation.intent == "WindowClose"
        return tuple(replace(action, value=30) for action in actions) if is_close else actions

    return planned


def test_no_the_other_one_takes_the_first_back(scene) -> None:
    scene.say("open the driver window")
    scene.say("no the other one")
    assert scene.world.values["Window.driver"] == 0
    assert scene.world.values["Window.passenger"] == 100


def test_a_reading_too_doubtful_to_act_on_is_asked_back_when_we_were_addressed(scene) -> None:
    assert scene.say("open that thing") == "Did you mean, open the sunroof?"
    scene.say("yes")
    assert scene.world.performed == [("Sunroof", 100, False)]
    scene.wait(20)


def test_what_is_not_understood_twice_is_answered_with_an_example(scene) -> None:
    scene.post(Activated())
    assert scene.say("bananas") == "Sorry, I didn't get that."
    scene.post(Activated())
    assert scene.say("bananas").startswith("I still didn't get it. You can say:")


def test_help_tells_what_can_follow_and_then_what_can_be_said_at_all(scene) -> None:
    scene.say("set the temperature to twenty one")
    assert scene.say("help") == (
        "You can say: a bit more, or less, make it another number or undo that. Say help again for more."
    )
    assert scene.say("help").startswith("You can change the climate")
    scene.say("call anna")
    assert scene.say("help") == "I'm about to call Anna. Say cancel if I shouldn't."
    scene.wait(1.0)
    assert scene.say("cancel") == "Cancelled."
    assert ("Phone", 3, False) not in scene.world.performed


def test_a_question_is_asked_in_the_words_of_the_open_recognizer(scene) -> None:
    scene.post(Activated())
    heard = Hypothesis("turn the moon", open_text="what does the yellow light mean", is_final=True)
    scene.post(Heard(heard))
    scene.run_answer()
    assert [question for question, _ in scene.answers.asked] == ["what does the yellow light mean"]


def test_a_command_rests_on_the_grammar_whatever_was_heard_freely(scene) -> None:
    scene.post(Activated())
    scene.post(Heard(Hypothesis("open the driver window", open_text="why is the window", is_final=True)))
    scene.wait_spoken()
    assert [path for path, _, _ in scene.world.performed] == ["Window.driver"]
    assert scene.answers.asked == []


def test_less_after_less_goes_on_and_more_turns_back(scene) -> None:
    assert scene.say("make it warmer") == "The temperature is now 21 degrees."
    assert scene.say("less") == "The temperature is now 20 degrees."
    assert scene.say("less") == "The temperature is now 19 degrees."
    assert scene.say("more") == "The temperature is now 20 degrees."
