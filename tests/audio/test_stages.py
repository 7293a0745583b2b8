"""Each stage of the front end alone, and what the chain gained beside them: clone, comfort noise."""

import numpy as np
import pytest

from carvoice.audio import (
    Beamformer,
    EchoCanceller,
    FrontEnd,
    FrontEndSettings,
    GainControl,
    NoiseSuppressor,
    VoiceActivityDetector,
)
from carvoice.audio.devices import read_wav
from carvoice.errors import AudioFormatError, ConfigError
from carvoice.resources import data_path

RATE = 16_000


def power_db(x):
    return 10 * np.log10(np.mean(np.asarray(x, np.float64) ** 2) + 1e-20)


def bursts(seconds, seed, level=0.2):
    """Noise bursts with the rhythm of speech, 100 ms each."""
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE)
    return level * rng.standard_normal(n) * np.repeat(rng.random(n // 1600) > 0.5, 1600)


@pytest.fixture(scope="module")
def echo():
    """Six seconds: far end, its echo 20 ms late."""
    far = bursts(6, 1)
    path = np.random.default_rng(2).standard_normal(600) * np.exp(-np.arange(600) / 100) * 0.1
    return far, np.convolve(np.concatenate([np.zeros(320), far]), path)[: len(far)]


def test_linear_canceller_has_no_delay_and_only_subtracts(echo):
    far, mic = echo
    canceller = EchoCanceller(linear_only=True)
    out = canceller.process(mic, far)
    assert canceller.latency_samples == 0
    assert len(out) == len(mic)
    assert power_db(mic[3 * RATE :]) - power_db(out[3 * RATE :]) > 30
    silent = EchoCanceller(linear_only=True)
    np.testing.assert_array_equal(
        silent.process(mic.astype(np.float32), None), mic.astype(np.float32)
    )  # bit for bit


def test_suppressing_canceller_goes_deeper(echo):
    far, mic = echo
    mic = mic + 0.03 * np.tanh(20 * mic)  # what no linear filter can take away
    linear, whole = EchoCanceller(linear_only=True), EchoCanceller()
    a, b = linear.process(mic, far), whole.process(mic, far)
    assert whole.latency_samples == 160
    assert power_db(a[3 * RATE :]) - power_db(b[3 * RATE :]) > 10
    assert whole.delay_ms >= 0
    assert abs(whole.drift_ppm) < 20


@pytest.mark.parametrize("clip", [1.0, 2.0])
def test_a_clipping_loudspeaker_is_learned(clip):
    far = np.random.default_rng(3).laplace(size=8 * RATE) * 0.05
    path = np.random.default_rng(2).standard_normal(600) * np.exp(-np.arange(600) / 100) * 0.1
    most = clip * np.sqrt(np.mean(far**2))
    mic = np.convolve(np.clip(far, -most, most), path)[: len(far)]
    left = {}
    for overdrive in (False, True):
        out = FrontEnd(FrontEndSettings(linear_only=True, overdrive=overdrive)).process(mic, far).asr
        left[overdrive] = power_db(out[6 * RATE :])
    assert left[True] < left[False] - 15


def test_comfort_noise_keeps_the_background_level(echo):
    far, mic = echo
    noise = 10 ** (-50 / 20) * np.random.default_rng(4).standard_normal(len(far))
    silent_start = np.concatenate([np.zeros(RATE), far]), np.concatenate([np.zeros(RATE), mic])
    far, mic = silent_start
    mic = mic + 0.05 * np.tanh(20 * mic) + np.concatenate([noise[:RATE], noise])
    part = slice(4 * RATE, None)
    bare = EchoCanceller().process(mic, far)[part].reshape(-1, 1600)
    filled = EchoCanceller(comfort_noise=True).process(mic, far)[part].reshape(-1, 1600)
    least_bare, least_filled = (min(map(power_db, blocks)) for blocks in (bare, filled))
    assert least_bare < -57  # the background vanishes with the echo
    assert -54 < least_filled < -46


def test_noise_suppressor_lowers_noise_and_keeps_speech():
    noise = 0.01 * np.random.default_rng(3).standard_normal(4 * RATE)
    speech = np.zeros(4 * RATE)
    speech[2 * RATE : 3 * RATE] = 0.3 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)
    stage = NoiseSuppressor()
    out = stage.process(speech + noise)
    lag = stage.latency_samples
    assert power_db(noise) - power_db(out[RATE : 2 * RATE]) > 12
    middle = slice(int(2.2 * RATE), int(2.8 * RATE))
    assert abs(power_db(out[middle.start + lag : middle.stop + lag]) - power_db(speech[middle])) < 0.5


@pytest.mark.parametrize("level", [0.01, 0.5])
def test_gain_control_brings_speech_to_its_target(level):
    stage = GainControl(target_db=-24.0)
    speech = bursts(12, 5, level) + 1e-5 * np.random.default_rng(0).standard_normal(12 * RATE)
    out = stage.process(speech)[8 * RATE :]
    quiet = abs(power_db(speech[np.abs(speech) > level / 5]) + 24)
    heard = np.abs(out[np.abs(out) > np.percentile(np.abs(out), 60)])
    assert abs(power_db(heard) + 24) < quiet
    assert np.abs(out).max() <= 0.9


def test_voice_activity_follows_the_talker():
    clip = read_wav(data_path("demo", "open_driver_window_halfway.wav"))
    sound = np.pad(clip, (3 * RATE, 2 * RATE)) + 1e-3 * np.random.default_rng(1).standard_normal(
        len(clip) + 5 * RATE
    )
    stage = VoiceActivityDetector()
    speech = stage.process(sound.astype(np.float32))
    assert len(speech) == len(sound) // 160
    talk = slice(330, 300 + len(clip) // 160 - 60)
    assert speech[50:290].max() < 0.5
    assert speech[talk].mean() > 0.5
    assert speech[-150:].max() < 0.5


@pytest.mark.parametrize("kind", ["hiss", "rumble", "hum", "silence"])
def test_noise_is_no_voice(kind):
    rng = np.random.default_rng(6)
    white = rng.standard_normal(10 * RATE)
    hum = sum(np.sin(2 * np.pi * 120 * order * np.arange(10 * RATE) / RATE) / order for order in range(1, 6))
    rumble = np.convolve(white, np.exp(-np.arange(200) / 30))[: len(white)]
    sound = {"hiss": white, "rumble": 0.3 * rumble, "hum": 0.5 * hum + white, "silence": 0 * white}[kind]
    speech = VoiceActivityDetector().process((0.03 * sound).astype(np.float32))
    assert (speech[100:] > 0.5).mean() < 0.01


def test_beamformer_gives_one_signal_and_zones():
    places = ((0.75, 0.70, 1.15), (0.75, 0.80, 1.15))
    stage = Beamformer(places)
    signal, zone = stage.process(np.zeros((2, 800), np.float32))
    assert signal.shape == (800,)
    assert zone.tolist() == [-1] * 5
    with pytest.raises(ConfigError):
        Beamformer(places * 3)


def test_stages_reset_and_refuse_like_the_chain(echo):
    far, mic = echo
    stage = EchoCanceller()
    first = stage.process(mic[:RATE], far[:RATE])
    stage.reset()
    np.testing.assert_array_equal(stage.process(mic[:RATE], far[:RATE]), first)
    with pytest.raises(AudioFormatError, match="near"):
        NoiseSuppressor().process(np.zeros((2, 160), np.float32))


def test_clone_has_the_settings_and_no_memory(echo):
    far, mic = echo
    settings = FrontEndSettings(highpass_hz=0, echo_tail_ms=80)
    used = FrontEnd(settings)
    first = used.process(mic[:RATE], far[:RATE])
    copy = used.clone()
    assert copy.settings == settings
    np.testing.assert_array_equal(copy.process(mic[:RATE], far[:RATE]).asr, first.asr)


def test_linear_only_is_for_one_microphone():
    with pytest.raises(ConfigError, match="linear_only"):
        FrontEndSettings(
            microphones=2, microphone_positions_m=((0.0, 0.0, 0.0), (0.1, 0.0, 0.0)), linear_only=True
        )
