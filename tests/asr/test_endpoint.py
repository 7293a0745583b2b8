"""When an utterance counts as ended."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carvoice.asr.endpoint import Endpointer, EndpointSettings, EndReason
from carvoice.errors import ConfigError
from carvoice.records import PrefixState


def activity(*stretches):
    """Frames of 10 ms from (milliseconds, is speech) pairs."""
    return np.concatenate([np.full(ms // 10, 0.9 if on else 0.1, np.float32) for ms, on in stretches])


def run(frames, state, settings=None, start_s=0.0):
    asked = []

    def prefix():
        asked.append(1)
        return state

    endpointer = Endpointer(settings)
    endpointer.reset(start_s)
    return endpointer.update(frames, prefix), len(asked)


@pytest.mark.parametrize(
    ("state", "waited_ms", "reason"),
    [
        (PrefixState.FINAL, 200, EndReason.COMPLETE),
        (PrefixState.COMPLETE, 300, EndReason.COMPLETE),
        (PrefixState.VIABLE, 500, EndReason.PAUSE),
        (PrefixState.DEAD, 500, EndReason.PAUSE),
    ],
)
def test_how_long_it_waits(state, waited_ms, reason):
    end, asked = run(activity((300, False), (1000, True), (2000, False)), state)
    assert end.reason is reason
    assert end.speech_end_s == pytest.approx(1.3)
    assert end.decided_s == pytest.approx(1.3 + waited_ms / 1000)
    assert asked == 1


def test_a_pause_inside_the_command_is_forgiven():
    frames = activity((500, True), (400, False), (500, True), (1000, False))
    end, asked = run(frames, PrefixState.VIABLE)
    assert end.speech_end_s == pytest.approx(1.4)
    assert asked == 2


def test_clicks_are_no_speech():
    frames = activity(*[(30, True), (100, False)] * 50)
    end, asked = run(frames, PrefixState.FINAL)
    assert (end.reason, end.speech_end_s, asked) == (EndReason.NO_SPEECH, None, 0)


def test_a_click_does_not_prolong_the_pause():
    frames = activity((500, True), (150, False), (30, True), (500, False))
    end, _ = run(frames, PrefixState.FINAL)
    assert end.decided_s == pytest.approx(0.7)


def test_nobody_speaks():
    end, _ = run(activity((6000, False)), PrefixState.DEAD)
    assert (end.reason, end.decided_s) == (EndReason.NO_SPEECH, pytest.approx(5.0))


def test_nobody_stops():
    end, _ = run(activity((20_000, True)), PrefixState.VIABLE, start_s=50.0)
    assert (end.reason, end.decided_s) == (EndReason.TOO_LONG, pytest.approx(65.0))


def test_who_speaks():
    endpointer = Endpointer()
    assert endpointer.update(activity((200, False)), lambda: PrefixState.DEAD) is None
    assert (endpointer.speaking, endpointer.speech_start_s) == (False, None)
    endpointer.update(activity((200, True)), lambda: PrefixState.DEAD)
    assert endpointer.speaking
    assert endpointer.speech_start_s == pytest.approx(0.2)
    endpointer.update(activity((50, False)), lambda: PrefixState.DEAD)
    assert not endpointer.speaking


@given(st.lists(st.floats(0, 1, width=32), max_size=800), st.integers(1, 50), st.sampled_from(PrefixState))
def test_chunking_does_not_matter(frames, chunk, state):
    frames = np.array(frames, np.float32)
    whole, _ = run(frames, state)
    endpointer, found = Endpointer(), None
    for start in range(0, len(frames), chunk):
        found = endpointer.update(frames[start : start + chunk], lambda: state)
        if found:
            break
    assert found == whole


def test_settings_out_of_order():
    with pytest.raises(ConfigError, match="final_ms <= extendable_ms"):
        EndpointSettings(final_ms=400)
