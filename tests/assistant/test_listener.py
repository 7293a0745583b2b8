"""Blocks in, events out: the gate, the pre-roll, partials, the endpoint."""

from dataclasses import dataclass

import numpy as np
import pytest

from carvoice.asr.endpoint import Endpointer
from carvoice.asr.wake import Wake
from carvoice.assistant.listener import Listener
from carvoice.assistant.noise import NoiseLevel
from carvoice.assistant.onset import SpeechGate, SpeechOnset
from carvoice.dialogue.events import Activated, Heard, PartFailed, SpeechBegan, SpeechEnded, SpeechSuspected
from carvoice.records import AudioBlock, Hypothesis, PrefixState, Word, Zone

FRAME = 160


@dataclass
class Out:
    asr: np.ndarray
    speech: np.ndarray
    zone: np.ndarray
    far_active: np.ndarray
    level_db: np.ndarray

    def __len__(self):
        return len(self.speech)


class FrontEnd:
    """Calls a frame speech when it is not silent."""

    def process(self, near, far=None):
        frames = near.reshape(-1, FRAME)
        speech = (np.abs(frames).max(axis=1) > 0).astype(np.float32)
        far_active = np.full(len(frames), far is not None and bool(np.any(far)))
        level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-9)
        return Out(near, speech, np.ones(len(frames), np.int8), far_active, level_db)


class Stream:
    """Says one word for each 0.2 s of sound that is not silent."""

    def __init__(self):
        self.finished = []
        self.reset()

    def reset(self, start_s=0.0):
        self.start_s = start_s
        self.sound = np.zeros(0, np.float32)

    def accept(self, samples):
        self.sound = np.concatenate([self.sound, samples])

    def partial(self):
        words = int(np.count_nonzero(self.sound) // 3200)
        return Hypothesis(" ".join(["word"] * words))

    def preview(self):
        return self.partial()

    def finish(self, *, as_previewed=False):
        self.finished.append(self.sound)
        return Hypothesis(self.partial().text, is_final=True)


class Parser:
    def __init__(self, state):
        self.state = state

    def prefix(self, text):
        return self.state


class WakeAt:
    """Hears the wake phrase between two moments, 0.3 s later."""

    def __init__(self, start_s, end_s):
        self.wake = Wake("hey car", -0.5, start_s, end_s)
        self.now = 0

    def accept(self, samples):
        due = (self.wake.end_s + 0.3) * 16_000
        before, self.now = self.now, self.now + len(samples)
        return [self.wake] if before < due <= self.now else []


def listen(sound, state=PrefixState.FINAL, block=320, wake=None):
    posted, stream = [], Stream()
    listener = Listener(FrontEnd(), stream, Endpointer(), Parser(state), posted.append, wake, lambda: 0.0)
    for start in range(0, len(sound), block):
        listener.hear(AudioBlock(sound[start : start + block], start / 16_000))
    return posted, stream


def speech(seconds):
    return np.full(int(seconds * 16_000), 0.1, np.float32)


def silence(seconds):
    return np.zeros(int(seconds * 16_000), np.float32)


def test_a_command_is_heard_once_with_partials_before_it():
    posted, _ = listen(np.concatenate([silence(1), speech(1), silence(1)]))
    finals = [event for event in posted if isinstance(event, Heard) and event.hypothesis.is_final]
    partials = [event.hypothesis.text for event in posted if isinstance(event, Heard)][:-1]
    assert isinstance(posted[0], SpeechBegan)
    assert isinstance(posted[-2], SpeechEnded)
    assert [final.hypothesis.text for final in finals] == ["word word word word word"]
    assert partials == [" ".join(["word"] * n) for n in range(1, 6)]
    assert finals[0].zone is Zone.PASSENGER
    assert len({event.trace_id for event in posted if isinstance(event, Heard)}) == 1


def test_an_hour_of_silence_costs_the_recognizer_nothing_and_ends_with_open_ears():
    posted, stream = [], Stream()
    ears = Listener(
        FrontEnd(), stream, Endpointer(), Parser(PrefixState.FINAL), posted.append, None, lambda: 0.0
    )
    for second in range(3600):
        ears.hear(AudioBlock(silence(1), float(second)))
    assert posted == []
    assert len(stream.sound) == 0
    for start in range(0, 32_000, 320):
        sound = speech(1) if start < 16_000 else silence(1)
        ears.hear(AudioBlock(sound[:320], 3600 + start / 16_000))
    (final,) = [event for event in posted if isinstance(event, Heard) and event.hypothesis.is_final]
    assert final.hypothesis.text == "word word word word word"
    assert final.hypothesis.speech_end_s == pytest.approx(3601, abs=0.02)


def test_nothing_of_the_beginning_is_lost():
    _, stream = listen(np.concatenate([silence(1), speech(1), silence(1)]))
    assert np.count_nonzero(stream.finished[0]) == 16_000
    assert np.count_nonzero(stream.finished[0][:3200]) == 0  # and there is some quiet before it


@pytest.mark.parametrize(
    ("state", "waits_ms"),
    [
        (PrefixState.FINAL, 200),
        (PrefixState.COMPLETE, 300),
        (PrefixState.VIABLE, 500),
        (PrefixState.DEAD, 500),
    ],
)
def test_the_endpoint_waits_as_the_grammar_says(state, waits_ms):
    posted, _ = listen(np.concatenate([silence(1), speech(1), silence(1)]), state)
    spans = {span.name: span.duration_ms for span in posted[-1].spans}
    assert spans["endpoint"] == pytest.approx(waits_ms, abs=10)
    assert posted[-1].hypothesis.speech_end_s == pytest.approx(2.0, abs=0.02)


class Previewed(Stream):
    """Notes how much sound before its end a final leaves out."""

    def __init__(self):
        super().__init__()
        self.left_out_ms = []

    def preview(self):
        self.previewed = len(self.sound)
        return super().preview()

    def finish(self, *, as_previewed=False):
        self.left_out_ms.append((len(self.sound) - self.previewed) / 16 if as_previewed else None)
        return super().finish()


@pytest.mark.parametrize(
    ("state", "left_out_ms"), [(PrefixState.FINAL, 0), (PrefixState.COMPLETE, 100), (PrefixState.DEAD, 300)]
)
def test_a_final_is_that_of_the_preview_in_its_pause(state, left_out_ms):
    listener, _ = listener_with(stream := Previewed(), state)
    hear(listener, silence(1), speech(0.6), silence(0.25), speech(0.6), silence(1))
    assert stream.left_out_ms[-1] == pytest.approx(left_out_ms, abs=21)


def test_a_final_asked_for_is_of_all_that_was_heard():
    listener, _ = listener_with(stream := Previewed(), PrefixState.DEAD)
    hear(listener, silence(1), speech(0.6), silence(0.3))
    listener.end_utterance()
    hear(listener, silence(0.02))
    assert stream.left_out_ms == [None]


@pytest.mark.parametrize("block", [160, 320, 800, 4800])
def test_block_length_changes_nothing_but_the_moment(block):
    sound = np.concatenate([silence(0.9), speech(0.9), silence(1.2), speech(0.6), silence(1.2)])
    texts = [
        event.hypothesis.text
        for event in listen(sound, block=block)[0]
        if isinstance(event, Heard) and event.hypothesis.is_final
    ]
    assert [len(text.split()) for text in texts] == [4, 3]


def test_a_click_is_not_speech():
    click = silence(1)
    click[8000:8400] = 1.0
    assert listen(np.concatenate([click, silence(1)]))[0] == []


def test_silence_costs_no_recognition():
    posted, stream = listen(silence(10))
    assert posted == []
    assert len(stream.sound) == 0


def test_the_command_begins_after_the_wake_phrase():
    sound = np.concatenate([silence(1), speech(1.6), silence(1)])  # 0.6 s wake phrase, 1 s command
    posted, stream = listen(sound, wake=WakeAt(1.0, 1.6))
    assert any(isinstance(event, Activated) for event in posted)
    assert stream.start_s == pytest.approx(1.6, abs=0.011)
    assert np.count_nonzero(stream.finished[0]) == 16_000
    assert posted[-1].hypothesis.text == "word word word word word"


def test_gate_needs_enough_frames_within_its_window():
    gate = SpeechGate(needed=3, within=5)
    assert not gate.update(np.array([1, 0, 0, 1, 0, 0], np.float32))
    assert gate.update(np.array([1, 1, 0], np.float32))
    gate.reset()
    assert not gate.update(np.array([1, 1], np.float32))


def test_over_a_reply_a_first_sign_comes_before_certainty():
    onset = SpeechOnset()
    assert not onset.update(np.array([0, 0.9, 0.9], np.float32), over_reply=True)
    assert onset.is_suspected
    assert onset.update(np.array([0.9], np.float32), over_reply=True)
    assert not onset.is_suspected  # told once


def test_over_a_reply_weak_sounds_are_nobody():
    assert not SpeechOnset().update(np.full(40, 0.4, np.float32), over_reply=True)


def test_in_silence_nothing_is_suspected():
    onset = SpeechOnset()
    assert not onset.update(np.full(5, 0.9, np.float32), over_reply=False)
    assert not onset.is_suspected


def test_a_sign_of_speech_is_told_only_while_we_play():
    words = np.concatenate([silence(1), np.full(320, 0.1, np.float32), silence(1)])
    posted = []
    listener = Listener(FrontEnd(), Stream(), Endpointer(), Parser(PrefixState.FINAL), posted.append)
    for start in range(0, len(words), 160):
        listener.hear(AudioBlock(words[start : start + 160], start / 16_000, speech(0.01)))
    assert [type(event) for event in posted] == [SpeechSuspected]
    assert listen(words)[0] == []


def listener_with(stream, state=PrefixState.FINAL):
    posted = []
    return Listener(FrontEnd(), stream, Endpointer(), Parser(state), posted.append, None, lambda: 0.0), posted


def hear(listener, *sounds, block=320):
    sound = np.concatenate(sounds)
    for start in range(0, len(sound), block):
        listener.hear(AudioBlock(sound[start : start + block], start / 16_000))


def test_a_recognizer_fault_costs_one_utterance_and_is_told_once():
    class Broken(Stream):
        is_broken = True

        def accept(self, samples):
            if self.is_broken:
                raise RuntimeError("onnxruntime: bad tensor")
            super().accept(samples)

    stream = Broken()
    listener, posted = listener_with(stream)
    hear(listener, silence(1), speech(1), silence(1), speech(1), silence(1))
    assert [item for item in posted if isinstance(item, PartFailed)] == [PartFailed("recognizer")]
    assert listener.faults > 1
    assert listener.is_failing
    assert posted.index(SpeechEnded()) < posted.index(PartFailed("recognizer"))
    stream.is_broken = False
    hear(listener, silence(1), speech(1), silence(1))
    assert posted[-1].hypothesis.text
    assert not listener.is_failing
    stream.is_broken = True
    hear(listener, speech(1), silence(1))
    assert posted.count(PartFailed("recognizer")) == 2


def test_a_held_button_keeps_the_floor_through_a_pause():
    listener, posted = listener_with(Stream(), PrefixState.VIABLE)
    hear(listener, silence(1))
    listener.hold(True)
    hear(listener, speech(1), silence(2), speech(1))
    assert not any(isinstance(item, Heard) and item.hypothesis.is_final for item in posted)
    listener.hold(False)
    listener.end_utterance()
    hear(listener, silence(0.02))
    final = posted[-1].hypothesis
    assert final.is_final
    assert len(final.text.split()) > 6  # both halves
    assert posted[-1].spans[1].duration_ms == pytest.approx(20)  # no pause was waited for


def test_a_button_pressed_in_the_middle_of_talk_starts_there():
    stream = Stream()
    listener, _ = listener_with(stream, PrefixState.VIABLE)
    hear(listener, silence(1), speech(3))
    listener.hold(True)
    hear(listener, speech(1))
    listener.hold(False)
    listener.end_utterance()
    hear(listener, silence(0.02))
    assert 1.0 <= np.count_nonzero(stream.finished[0]) / 16_000 <= 1.4


def test_letting_go_while_nobody_speaks_means_nothing():
    listener, posted = listener_with(Stream())
    hear(listener, silence(1))
    listener.end_utterance()
    hear(listener, silence(1))
    assert posted == []


def test_noise_is_measured_between_words_only():
    def out(level_db, is_speech, is_far):
        frames = [np.full(100, value) for value in (is_speech, is_far, level_db)]
        return Out(np.zeros(16_000), frames[0].astype(np.float32), None, frames[1].astype(bool), frames[2])

    noise = NoiseLevel()
    noise.update(out(-20.0, 1.0, False))
    assert noise.level_db is None
    noise.update(out(-50.0, 0.0, False))
    noise.update(out(-10.0, 0.0, True))
    noise.update(out(-np.inf, 0.0, False))
    assert noise.level_db == pytest.approx(-50.0)
    for _ in range(5):
        noise.update(out(-35.0, 0.1, False))
    assert noise.level_db == pytest.approx(-35.0, abs=0.2)


@pytest.mark.parametrize(
    ("scores", "waited_ms"), [((1.0, 0.05, 1.0), 200), ((1.0, 1.0, 0.05), 500), ((1.0, 1.0, None), 200)]
)
def test_a_guessed_last_word_is_waited_for_and_a_slurred_one_before_it_is_not(scores, waited_ms):
    class Scored(Stream):
        def preview(self):
            words = tuple(
                Word(text, 0.0, 0.1, score)
                for text, score in zip(("open", "the", "trunk"), scores, strict=True)
            )
            return Hypothesis("open the trunk", words=words)

    listener, posted = listener_with(Scored())
    hear(listener, silence(1), speech(1), silence(1))
    assert posted[-1].spans[1].duration_ms == pytest.approx(waited_ms)


def test_words_that_only_the_preview_has_are_told_once(monkeypatch):
    monkeypatch.setattr(
        Stream, "preview", lambda self: Hypothesis(f"{self.partial().text} and more", stability=1.0)
    )
    posted, _ = listen(np.concatenate([silence(1), speech(1), silence(1)]))
    texts = [event.hypothesis.text for event in posted if isinstance(event, Heard)]
    whole = " ".join(["word"] * 5)
    assert texts.count(f"{whole} and more") == 1
    assert texts.count(whole) == 2  # as it grew, and at the end
