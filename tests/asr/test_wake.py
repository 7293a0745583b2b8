"""The wake phrase, with sound whose phones are certain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.wake import WakeSettings, WakeSpotter
from carvoice.errors import AudioFormatError, ConfigError


@pytest.fixture(scope="module")
def acoustic(model):
    return AcousticModel(model)


@pytest.fixture(scope="module")
def spotter(acoustic, lexicon):
    return WakeSpotter(acoustic, ["hey car", "computer"], lexicon)


def hear(spotter, sound, chunk=1600):
    stream = spotter.create_stream()
    return [
        wake for start in range(0, len(sound), chunk) for wake in stream.accept(sound[start : start + chunk])
    ]


@pytest.mark.parametrize("phrase", ["hey car", "computer"])
def test_phrase_is_heard_once(spotter, say, phrase):
    (wake,) = hear(spotter, say(f"open the window {phrase} call john", tail_s=1.0))
    assert wake.phrase == phrase
    assert wake.score == pytest.approx(0.0, abs=0.1)


def test_when_it_was_said(spotter, say):
    (wake,) = hear(spotter, say("hey car", lead_s=0.5, tail_s=1.5))
    assert wake.start_s == pytest.approx(0.5, abs=0.12)
    # "car" may be said without its r, so the phrase may end a phone early
    assert wake.end_s in (pytest.approx(1.22, abs=0.12), pytest.approx(1.4, abs=0.12))


def test_other_speech_is_not(spotter, say):
    assert hear(spotter, say("open the window and call john hey john my car is here", tail_s=1.0)) == []


def test_each_time_it_is_said(spotter, say):
    sound = np.concatenate([say("hey car", tail_s=1.5)] * 3)
    wakes = hear(spotter, sound)
    assert [wake.phrase for wake in wakes] == ["hey car"] * 3


def test_words_too_far_apart(spotter, say):
    apart = np.concatenate([say("hey"), np.zeros(32_000, np.float32), say("car", tail_s=1.0)])
    assert hear(spotter, apart) == []


def test_silence_and_noise(spotter):
    noise = np.random.default_rng(0).normal(0, 0.05, 160_000).astype(np.float32)
    assert hear(spotter, noise) == []
    assert hear(spotter, np.zeros(160_000, np.float32)) == []


def test_strictness(acoustic, lexicon, say):
    near = say("hey far", tail_s=1.0)
    lenient = WakeSpotter(acoustic, ["hey car"], lexicon, WakeSettings(threshold=-40.0))
    assert hear(lenient, near)
    assert not hear(WakeSpotter(acoustic, ["hey car"], lexicon), near)


@settings(max_examples=10, deadline=None)
@given(chunk=st.integers(50, 9000))
def test_chunking_does_not_matter(spotter, say, chunk):
    sound = say("hey car", tail_s=1.0)
    assert hear(spotter, sound, chunk) == hear(spotter, sound, len(sound))


def test_stream_clock(spotter, say):
    stream = spotter.create_stream()
    stream.reset(start_s=60.0)
    (wake,) = stream.accept(say("hey car", lead_s=0.5, tail_s=1.5))
    assert wake.start_s == pytest.approx(60.5, abs=0.12)


@pytest.mark.parametrize("phrases", [[], [""], ["hi"]])
def test_useless_phrases(acoustic, lexicon, phrases):
    with pytest.raises(ConfigError, match="wake phrase"):
        WakeSpotter(acoustic, phrases, lexicon)


def test_wrong_samples(spotter):
    with pytest.raises(AudioFormatError):
        spotter.create_stream().accept(np.zeros(10))
