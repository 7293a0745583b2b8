"""Properties of the front end as a whole."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carvoice.audio import FrontEnd, FrontEndSettings
from carvoice.errors import AudioFormatError, ConfigError

RATE = 16_000
OFF = FrontEndSettings(
    highpass_hz=0, cancel_echo=False, suppress_echo=False, suppress_noise=False, control_gain=False
)
finite = st.floats(-4, 4, width=32)


def power_db(x):
    return 10 * np.log10(np.mean(np.asarray(x, np.float64) ** 2) + 1e-20)


@pytest.fixture(scope="module")
def scene():
    """Twelve seconds of echo through a decaying path, 40 ms late; a talker from 9 s on."""
    rng = np.random.default_rng(5)
    n = 12 * RATE
    rhythm = np.repeat(rng.random(n // 1600) ** 2, 1600)
    far = (0.2 * rng.standard_normal(n) * rhythm).astype(np.float32)
    path = rng.standard_normal(900) * np.exp(-np.arange(900) / 150) * 0.1
    echo = np.convolve(np.concatenate([np.zeros(640), far]), path)[:n]
    near = np.zeros(n)
    near[9 * RATE :] = 0.05 * np.sin(2 * np.pi * 400 * np.arange(3 * RATE) / RATE)
    mic = echo + near + 1e-4 * rng.standard_normal(n)
    return far, mic.astype(np.float32), near.astype(np.float32)


def run_in_blocks(front_end, near, far, sizes):
    asr, vad, speech, at = [], [], [], 0
    while at < len(near):
        n = sizes[len(asr) % len(sizes)]
        out = front_end.process(near[at : at + n], None if far is None else far[at : at + n])
        asr.append(out.asr)
        vad.append(out.vad)
        speech.append(out.speech)
        at += n
    return np.concatenate(asr), np.concatenate(vad), np.concatenate(speech)


def test_cancels_echo_and_keeps_the_talker(scene):
    far, mic, near = scene
    front_end = FrontEnd(FrontEndSettings(highpass_hz=0))
    out = front_end.process(mic, far)
    lag = front_end.latency_samples
    single = slice(5 * RATE, 9 * RATE)
    shifted = slice(single.start + lag, single.stop + lag)
    assert power_db(mic[single]) - power_db(out.asr[shifted]) > 30
    assert power_db(mic[single]) - power_db(out.vad[shifted]) > 40
    talk = slice(10 * RATE, 11 * RATE)
    error = out.asr[talk.start + lag : talk.stop + lag] - near[talk]
    assert power_db(near[talk]) - power_db(error) > 12
    assert out.far_active.mean() > 0.9


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_any_division_into_blocks_gives_the_same(scene, sizes):
    far, mic, _ = scene
    far, mic = far[:RATE], mic[:RATE]
    whole = FrontEnd().process(mic, far)
    asr, vad, speech = run_in_blocks(FrontEnd(), mic, far, sizes)
    np.testing.assert_array_equal(asr, whole.asr)
    np.testing.assert_array_equal(vad, whole.vad)
    np.testing.assert_array_equal(speech, whole.speech)


def test_reset_is_like_new(scene):
    far, mic, _ = scene
    front_end = FrontEnd()
    first = front_end.process(mic[: 2 * RATE + 37], far[: 2 * RATE + 37])
    front_end.reset()
    second = front_end.process(mic[: 2 * RATE + 37], far[: 2 * RATE + 37])
    np.testing.assert_array_equal(first.asr, second.asr)
    np.testing.assert_array_equal(first.vad, second.vad)
    np.testing.assert_array_equal(first.speech, second.speech)


def test_everything_off_is_a_delay(scene):
    _, mic, _ = scene
    front_end = FrontEnd(OFF)
    out = front_end.process(mic)
    lag = front_end.latency_samples
    np.testing.assert_allclose(out.asr[lag:], mic[: len(out.asr) - lag], atol=1e-6)
    np.testing.assert_allclose(out.vad[lag:], mic[: len(out.vad) - lag], atol=1e-6)


def test_silent_far_end_leaves_the_recognizer_signal_bit_for_bit(scene):
    _, mic, _ = scene
    front_end = FrontEnd()
    for far in (np.zeros_like(mic), None):
        front_end.reset()
        out = front_end.process(mic, far)
        lag = front_end.latency_samples
        np.testing.assert_array_equal(out.asr[2 * lag :], mic[lag : len(out.asr) - lag])


def test_an_offset_of_the_sound_card_does_not_hinder_the_canceller(scene):
    far, mic, _ = scene
    left = []
    for offset in (0.0, 0.05):
        out = FrontEnd(FrontEndSettings(linear_only=True)).process(mic + np.float32(offset), far).asr
        left.append(power_db(out[5 * RATE : 9 * RATE] - offset))
    assert left[1] < left[0] + 1.5


def test_silence_in_silence_out():
    out = FrontEnd().process(np.zeros(RATE, np.float32), np.zeros(RATE, np.float32))
    assert not out.asr.any()
    assert not out.vad.any()
    assert out.speech.max() < 0.5


@settings(max_examples=30, deadline=None)
@given(arrays(np.float32, 1600, elements=st.floats(width=32, allow_nan=True)), st.booleans())
def test_whatever_comes_in_numbers_come_out(block, as_far):
    front_end = FrontEnd(FrontEndSettings(control_gain=True))
    other = np.sin(np.arange(1600, dtype=np.float32))
    out = front_end.process(other, block) if as_far else front_end.process(block, other)
    after = front_end.process(other, other)
    for result in (out, after):
        for values in (result.asr, result.vad, result.speech, result.level_db, result.erle_db):
            assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "block",
    [
        np.ones(3200, np.float32),
        -np.ones(3200, np.float32),
        np.full(3200, 1e-40, np.float32),
        np.tile(np.array([1, -1], np.float32), 1600),
        np.full(3200, 32767, np.int16),
    ],
    ids=["DC", "negative DC", "denormals", "full-scale square", "int16 full scale"],
)
def test_extremes_stay_bounded(block):
    out = FrontEnd().process(block, block)
    assert np.isfinite(out.asr).all()
    assert np.abs(out.asr).max() < 4


def test_not_a_number_is_counted_and_taken_for_silence():
    block = np.zeros(320, np.float32)
    block[[3, 200]] = np.nan, np.inf
    front_end = FrontEnd()
    assert not front_end.process(block).asr.any()
    assert front_end.bad_samples == 2


def test_int16_equals_float(scene):
    _, mic, _ = scene
    whole = (mic[:3200] * 32768).astype(np.int16)
    a = FrontEnd().process(whole).asr
    b = FrontEnd().process(whole.astype(np.float32) / 32768).asr
    np.testing.assert_array_equal(a, b)


def test_single_samples_and_flush():
    front_end = FrontEnd(OFF)
    x = np.arange(1, 206, dtype=np.float32) / 300
    outs = [front_end.process(x[i : i + 1]).asr for i in range(len(x))] + [front_end.flush().asr]
    y = np.concatenate(outs)[front_end.latency_samples :]
    np.testing.assert_allclose(y[: len(x)], x, atol=1e-6)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        (np.zeros((2, 160), np.float32), None),
        (np.zeros(160, np.int64), None),
        (np.zeros(160, np.complex64), None),
        (np.zeros((1, 1, 160), np.float32), None),
        (np.zeros(160, np.float32), np.zeros(161, np.float32)),
        (np.array(["a"]), None),
    ],
)
def test_wrong_blocks_are_refused(near, far):
    with pytest.raises(AudioFormatError, match="near"):
        FrontEnd().process(near, far)


@pytest.mark.parametrize(
    "wrong",
    [
        {"microphones": 0},
        {"microphones": 9},
        {"far_channels": 3},
        {"echo_tail_ms": 120},
        {"max_delay_ms": -1},
        {"highpass_hz": float("nan")},
        {"asr_echo_share": 2.0},
        {"fast_wander": 1.5},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ConfigError):
        FrontEnd(FrontEndSettings(**wrong))


def test_buffeting_wind_is_background_once_it_has_not_let_up():
    """An open window's wind swings 8 to 20 times a second: too fast to follow, but it never pauses."""
    rng = np.random.default_rng(3)
    time_s = np.arange(12 * 16_000) / 16_000
    for swing_hz in (8.0, 13.0, 20.0):
        wind = rng.standard_normal(time_s.size) * (1 + 0.8 * np.sin(2 * np.pi * swing_hz * time_s))
        speech = FrontEnd().process((0.03 * wind).astype(np.float32)).speech
        assert (speech[500:] > 0.5).mean() < 0.05
