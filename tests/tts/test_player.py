"""Playback: every sample in its place, and silence when it is asked for."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.errors import VoiceError
from carvoice.tts import FarEndTap, PlaybackState, Player, speaking_gain


def play(player: Player, blocks: int, size: int = 160) -> np.ndarray:
    """Pull, never outrunning the voice."""
    sound = []
    for _ in range(blocks):
        assert player.wait_ready(size, 5.0)
        sound.append(player.pull(size))
    return np.concatenate(sound)


@pytest.fixture
def events() -> list:
    return []


@pytest.fixture
def player(voice, events):
    with Player(voice, on_event=events.append, clock=lambda: 0.0) as player:
        yield player


def test_what_is_said_is_played_exactly_and_then_silence(player, voice, events) -> None:
    player.say("hello there")
    sound = play(player, 10)
    np.testing.assert_array_equal(sound[:1100], voice.sound("hello there"))
    assert not sound[1100:].any()
    assert [event.state for event in events] == [PlaybackState.PLAYING, PlaybackState.FINISHED]
    assert [event.at_s for event in events] == pytest.approx([0.0, 1100 / 16000])
    assert not player.is_speaking


def test_texts_follow_each_other_without_a_gap(player, voice, events) -> None:
    first, second = player.say("one"), player.say("two")
    sound = play(player, 5)
    np.testing.assert_array_equal(sound[:600], np.concatenate([voice.sound("one"), voice.sound("two")]))
    assert [event.utterance_id for event in events] == [first, first, second, second]


def test_streamed_text_is_spoken_sentence_by_sentence(player, voice) -> None:
    utterance = player.open()
    player.append(utterance, "First one. And the sec")
    play(player, 7)
    assert voice.texts == ["First one."]
    assert player.is_speaking  # more may come
    player.append(utterance, "ond. ")
    player.finish(utterance)
    play(player, 20)
    assert voice.texts == ["First one.", "And the second."]
    assert not player.is_speaking


def test_cancel_is_silent_after_five_milliseconds(player, voice, events) -> None:
    player.say("a long story that nobody wants to hear")
    player.say("and another one")
    play(player, 5)
    player.cancel()
    rest = player.pull(1600)
    assert rest[0] > 0.1
    assert not rest[80:].any()
    assert np.all(np.abs(np.diff(rest[:82])) < 0.05)  # no click
    assert [event.state for event in events][-2:] == [PlaybackState.CANCELLED] * 2
    assert events[-2].played_s == pytest.approx(0.05)


def test_cancelled_synthesis_is_closed(player, voice) -> None:
    player.say("x" * 8000)  # more than is made ahead
    play(player, 2)
    player.cancel()
    player.say("ok")
    play(player, 4)
    assert voice.closed == len(voice.texts)


def test_pause_keeps_the_place_and_resume_repeats_a_word(player, voice) -> None:
    player.say("b" * 200)
    before = play(player, 100)
    player.pause()
    assert not player.pull(16000)[80:].any()
    player.resume()
    after = play(player, 10)
    start = 16000 - 6400
    np.testing.assert_array_equal(before, voice.sound("b" * 200)[:16000])
    np.testing.assert_array_equal(after, voice.sound("b" * 200)[start : start + 1600])


def test_a_failing_voice_ends_the_utterance_and_says_why(player, events) -> None:
    player.say("oh no!")
    player.say("fine")
    play(player, 5)
    assert (events[0].state, events[0].detail) == (PlaybackState.FAILED, "no breath")
    assert events[-1].state is PlaybackState.FINISHED


def test_the_far_end_is_what_was_played_and_when(player, voice) -> None:
    player.say("hello")
    played = [player.wait_ready(160, 5) and player.pull(160, at_s=2.0)]
    played += [player.wait_ready(160, 5) and player.pull(160) for _ in range(3)]
    np.testing.assert_array_equal(player.far_end.window(2.0, 640), np.concatenate(played))
    assert not player.far_end.window(1.9, 1600).any()
    np.testing.assert_array_equal(player.far_end.window(1.99, 320)[160:], played[0])


def test_volume_changes_without_a_jump(player, voice) -> None:
    player.volume = 0.5
    player.say("c" * 100)
    sound = play(player, 4)
    assert sound[0] == pytest.approx(0.1005)
    assert sound[160] / voice.sound("c" * 100)[160] == pytest.approx(0.5)


def test_surroundings_and_volume_multiply(player, voice) -> None:
    player.volume, player.surroundings = 0.5, 0.5
    player.say("c" * 100)
    sound = play(player, 4)
    assert sound[160] / voice.sound("c" * 100)[160] == pytest.approx(0.25)
    with pytest.raises(VoiceError, match="gain 9"):
        player.volume = 9


def test_a_sink_is_fed_at_the_pace_of_the_clock_and_stops_at_once(voice) -> None:
    written: list[float] = []
    started = threading.Event()
    now = [0.0]

    class Sink:
        closed = False

        def write(self, samples: np.ndarray) -> None:
            written.append(now[0])
            now[0] += len(samples) / 16000  # a sink that blocks for as long as the sound lasts
            if len(written) == 20:
                player.cancel()
                started.set()

        def close(self) -> None:
            self.closed = True

    sink = Sink()
    player = Player(voice, sink, clock=lambda: now[0], lead_s=0.03)
    player.say("d" * 500)
    assert started.wait(5)
    player.close()
    assert sink.closed
    assert len(written) <= 21  # one more block for the fade
    np.testing.assert_allclose(player.far_end.window(0.0, 3200), voice.sound("d" * 500)[:3200], rtol=1e-6)
    assert not [thread for thread in threading.enumerate() if thread.name in ("tts", "playback")]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 700)), max_size=30), st.integers(0, 9000))
@settings(deadline=None)
def test_the_tap_finds_every_recent_sample(writes: list[tuple[int, int]], ask: int) -> None:
    tap = FarEndTap(capacity_s=0.1)
    truth = np.zeros(60000, np.float32)
    at = count = 0
    for gap, length in writes:
        at += gap
        truth[at : at + length] = np.arange(count + 1, count + length + 1)
        tap.write(truth[at : at + length].copy(), at / 16000)
        at += length
        count += length
    expected = truth[ask : ask + 500].copy()
    forgotten = at - 1600 - ask
    if forgotten > 0:
        expected[:forgotten] = 0
    np.testing.assert_array_equal(tap.window(ask / 16000, 500), expected)


def test_speech_is_louder_when_driving_but_never_too_loud() -> None:
    gains = [speaking_gain(speed) for speed in (0, 50, 100, 130, 500)]
    assert gains == sorted(gains)
    assert gains[-1] == 1.0
    assert speaking_gain(0, noise_db=-30) > speaking_gain(0, noise_db=-60) == speaking_gain(0)


def test_ducked_it_goes_on_twenty_decibels_softer(player, voice) -> None:
    player.say("b" * 200)
    loud = play(player, 10)
    player.duck(True)
    soft = play(player, 10)
    player.duck(False)
    again = play(player, 10)
    whole = voice.sound("b" * 200)
    np.testing.assert_allclose(soft[80:], 0.1 * whole[1680:3200], rtol=1e-5)
    np.testing.assert_array_equal(loud, whole[:1600])
    np.testing.assert_allclose(again[80:], whole[3280:4800], rtol=1e-5)


def test_a_loudspeaker_that_is_pulled_out_fails_what_is_said_and_the_next_plays(voice) -> None:
    class Unplugged:
        is_gone = True

        def write(self, samples):
            if self.is_gone:
                raise OSError("gone")

        def close(self):
            pass

    ended: list = []
    seen = threading.Condition()

    def take(event) -> None:
        with seen:
            if event.state is not PlaybackState.PLAYING:
                ended.append((event.state, event.detail))
            seen.notify_all()

    sink = Unplugged()
    with Player(voice, sink, on_event=take) as player:
        player.say("lost")
        with seen:
            assert seen.wait_for(lambda: len(ended) == 1, 5.0)
        sink.is_gone = False
        player.say("heard")
        with seen:
            assert seen.wait_for(lambda: len(ended) == 2, 5.0)
    assert ended == [(PlaybackState.FAILED, "gone"), (PlaybackState.FINISHED, "")]
