"""What was heard and played in a turn, out of the ring; and from a spoken order to the files of its turn."""

from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.signal import correlate

from carvoice.assistant.recorder import LONGEST_S, Recorder
from carvoice.audio.devices import read_wav
from carvoice.cli.live import cabin_session
from carvoice.config import Config, LogConfig, TtsConfig, VehicleConfig
from carvoice.records import AudioBlock, Hypothesis, Turn, Word
from carvoice.resources import data_path
from carvoice.service.observe import build_observer
from carvoice.turnhistory import TurnHistory

BLOCK = 320


def hear(recorder, seconds, first=0, microphones=1):
    """Blocks whose samples tell their number: 1/32768 each."""
    for start in range(first, first + int(seconds * 16000), BLOCK):
        near = (np.arange(start, start + BLOCK) % 30000 / 32768).astype(np.float32)
        if microphones > 1:
            near = np.stack([near] * microphones)
        recorder.hear(AudioBlock(near, start / 16000, -near if near.ndim == 1 else -near[0]))


def turn(speech_end_s=None, begin_s=None):
    words = () if begin_s is None else (Word("on", begin_s, begin_s + 0.2),)
    return Turn("aa11", Hypothesis("on", words, is_final=True, speech_end_s=speech_end_s))


def first_sample(sound):
    return round(float(sound[0][0, 0]) * 32768)


@pytest.mark.parametrize(("begin_s", "first"), [(3.0, 2.0), (0.5, 0.0), (None, 0.5)])
def test_from_a_second_before_the_words_until_now(begin_s, first):
    recorder = Recorder()
    hear(recorder, 6.0)
    near, far = recorder.cut(turn(5.5, begin_s))
    assert first_sample((near, far)) == first * 16000 % 30000
    assert near.shape == (1, len(far))
    assert len(far) == (6.0 - first) * 16000
    np.testing.assert_array_equal(far, -near[0])


def test_no_longer_than_the_ring():
    recorder = Recorder()
    hear(recorder, LONGEST_S + 10)
    near, _ = recorder.cut(turn(5.0, 1.0))
    assert near.shape[1] == LONGEST_S * 16000
    assert first_sample((near,)) == 10 * 16000 % 30000


def test_typed_words_have_no_sound():
    recorder = Recorder()
    hear(recorder, 1.0)
    assert recorder.cut(turn()) is None


def test_nothing_of_before_another_device_is_left():
    recorder = Recorder()
    hear(recorder, 2.0)
    hear(recorder, 2.0, first=32000, microphones=2)
    near, _ = recorder.cut(turn(3.5, 1.0))
    assert near.shape == (2, 4 * 16000)
    assert not near[:, :32000].any()


def test_from_a_spoken_order_to_the_files_of_its_turn(tmp_path):
    clip = read_wav(data_path("demo", "seat_heating.wav"))
    log = LogConfig(folder=tmp_path, keep_audio=True)
    config = Config(log=log, tts=TtsConfig(voice="none"), vehicle=VehicleConfig(channel="recorder-test"))
    with cabin_session(config, lambda event: None, 0.0) as session:
        (spoken,) = session.speak(clip)
    folder = TurnHistory(tmp_path).audio_folder
    assert {path.name for path in folder.glob("*")} == {
        f"{spoken.trace_id}{end}" for end in (".wav", ".far.wav")
    }
    sound = read_wav(folder / f"{spoken.trace_id}.wav")
    lag = np.argmax(correlate(sound, clip[8000:16000], "valid"))
    np.testing.assert_allclose(sound[lag : lag + 8000], clip[8000:16000], atol=1e-3)


@pytest.mark.parametrize("log", [{}, {"keep_audio": True, "transcripts": False}])
def test_nothing_is_remembered_unless_it_is_asked_for(tmp_path, log):
    vehicle = SimpleNamespace(car=SimpleNamespace(nodes={}))
    assistant = SimpleNamespace(recorder=None, vehicle=vehicle)
    with ExitStack() as stack:
        build_observer(Config(log=LogConfig(folder=tmp_path, **log)), stack).attach(assistant)
    assert assistant.recorder is None
