"""Whatever happens, in whatever order: never stuck, never twice, never after a cancel."""

import gc
import sys

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from carvoice.dialogue import (
    Activated,
    Cancelled,
    DialogueSettings,
    PlaybackEnded,
    SpeechBegan,
    SpeechEnded,
    State,
    StateChanged,
    TurnBegan,
    TurnEnded,
)
from carvoice.dialogue.events import AnswerEnded, AnswerPart, PartFailed, SpeechSuspected
from carvoice.records import AnswerRecord, Evidence, Interpretation, Slot, Zone

WORDS = (
    "set the temperature to twenty one",
    "make it warmer",
    "open the driver window",
    "open the trunk",
    "open the door",
    "call anna",
    "are the doors open",
    "fold the moon",
    "open the driver window and call anna",
    "open the trunk and open the driver window",
    "open the sun thing",
    "open it",
    "the second one",
    "yes",
    "no",
    "cancel",
    "be quiet",
    "stop listening",
    "say that again",
    "help",
    "undo",
    "more",
    "the other one",
    "no make it twenty three",
    "what does the yellow light mean",
    "he told me so last night",
    "uh huh",
    "",
)
COMMANDS = {"open the driver window and call anna": 2, "open the trunk and open the driver window": 2}
INPUTS = st.one_of(
    st.tuples(
        st.just("final"), st.sampled_from(WORDS), st.sampled_from([Zone.UNKNOWN, Zone.DRIVER, Zone.REAR_LEFT])
    ),
    st.tuples(st.just("partial"), st.sampled_from(WORDS)),
    st.tuples(st.just("wait"), st.floats(0.01, 12.0)),
    st.sampled_from(
        [
            ("wake",),
            ("suspect",),
            ("begin",),
            ("end",),
            ("answer",),
            ("cancel",),
            ("stale",),
            ("dead",),
            ("deaf",),
            ("break",),
            ("silent bus",),
        ]
    ),
)
PROPOSAL = Interpretation("WindowOpen", {"zone": Slot("driver")}, source="llm")


def apply(scene, step: tuple) -> None:
    kind = step[0]
    if kind == "final":
        scene.hear(step[1], step[2])
    elif kind == "partial":
        scene.hear(step[1], partial=True)
    elif kind == "wait":
        scene.wait(step[1])
    elif kind == "wake":
        scene.post(Activated())
    elif kind == "suspect":
        scene.post(SpeechSuspected())
    elif kind == "begin":
        scene.post(SpeechBegan())
    elif kind == "end":
        scene.post(SpeechEnded())
    elif kind == "answer":
        scene.answers.proposals = [PROPOSAL] if len(scene.events) % 2 else []
        if scene.runs:
            scene.run_answer()
    elif kind == "cancel":
        scene.post(Cancelled())
    elif kind == "stale":
        scene.post(PlaybackEnded(77))
        scene.post(AnswerPart(77, "old news"))
        scene.post(AnswerEnded(77, AnswerRecord("answered"), (PROPOSAL,)))
    elif kind == "dead":
        scene.speaker.is_dead = not scene.speaker.is_dead
    elif kind == "deaf":
        scene.post(PartFailed("microphone"))
    elif kind == "break":
        scene.world.is_broken = not scene.world.is_broken
    elif kind == "silent bus":
        scene.world.evidence = Evidence.TIMED_OUT


@given(
    steps=st.lists(INPUTS, max_size=25),
    open_microphone=st.booleans(),
    with_speaker=st.booleans(),
)
@example(
    steps=[("wake",), ("final", "call anna", Zone.UNKNOWN), ("begin",), ("wait", 12.0)],
    open_microphone=False,
    with_speaker=True,
)
# The fixture is the class of the scene; each example builds its own.
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_events(make_scene, steps, open_microphone, with_speaker) -> None:
    options = DialogueSettings(open_microphone=open_microphone)
    scene = (
        make_scene(options, with_speaker=True) if with_speaker else make_scene(options, with_speaker=False)
    )
    heard: dict[str, int] = {}
    finals = 0
    for step in steps:
        if step[0] == "dead" and not with_speaker:
            continue
        apply(scene, step)
        if step[0] == "final":
            heard[step[1]] = heard.get(step[1], 0) + 1
            finals += COMMANDS.get(step[1], 1)
        if step[0] == "cancel":
            assert scene.dialogue.state is State.IDLE
            done = len(scene.world.performed)
            scene.wait(5)
            assert len(scene.world.performed) == done
        assert scene.dialogue.state is State.IDLE or scene.dialogue.next_deadline_s is not None

    # Never stuck: the longest chain is an answer that never comes, its reply and a question after it.
    scene.wait(200)
    assert scene.dialogue.state is State.IDLE
    assert scene.dialogue.next_deadline_s is None

    # Never twice, never without the yes it needs, never what is forbidden.
    done = [path for path, _, _ in scene.world.performed]
    assert len(done) <= finals
    assert "Door.Row1.DriverSide" not in done
    assert done.count("Trunk") <= heard.get("yes", 0) + heard.get("undo", 0)
    assert all(confirmed for path, _, confirmed in scene.world.performed if path == "Trunk")
    calls = heard.get("call anna", 0) + heard.get("open the driver window and call anna", 0)
    assert done.count("Phone") <= calls + heard.get("undo", 0)

    # Turns begin and end in pairs, and states follow each other.
    open_turn = None
    state = State.IDLE
    for event in scene.events:
        if isinstance(event, TurnBegan):
            assert open_turn is None
            open_turn = event.trace_id
        elif isinstance(event, TurnEnded):
            assert event.turn.trace_id == open_turn
            open_turn = None
        elif isinstance(event, StateChanged):
            assert event.previous is state
            state = event.state
    assert open_turn is None


def test_ten_thousand_turns_end_with_the_memory_they_began_with(make_scene) -> None:
    scene = make_scene(with_speaker=False)
    scene.dialogue.on_event = lambda event: None

    def drive(turns: int) -> None:
        for index in range(turns):
            scene.post(Activated())
            text = WORDS[index % len(WORDS)]
            scene.hear(text)
            for run in scene.runs:
                run.run()
            scene.runs.clear()
            scene.answers.asked.clear()
            scene.answers.cancels.clear()
            scene.world.performed.clear()
            scene.world.now_s += 30.0
            scene.dialogue.run_pending()

    drive(len(WORDS) * 10)
    gc.collect()
    before = sys.getallocatedblocks()
    drive(len(WORDS) * 358)
    gc.collect()
    assert sys.getallocatedblocks() - before < 100  # none per turn
    assert len(scene.dialogue._memory) <= 8 + 4
