"""While the echo path keeps moving, the deep filter learns to believe in more change of it."""

import numpy as np

from carvoice.audio import FrontEnd, FrontEndSettings

RATE, SECONDS, TALKER_FROM_S = 16_000, 16, 8
COUNT = RATE * SECONDS


def rhythm(rng, rate_hz):
    """Noise with the slope of speech, on and off."""
    sound = np.convolve(rng.standard_normal(COUNT + 15), np.exp(-np.arange(16) / 5), "valid")
    steps = rng.random(SECONDS * rate_hz) > 0.35
    return sound / np.std(sound) * np.convolve(np.repeat(steps, RATE // rate_hz), np.ones(160) / 160, "same")


def talker_over_echo_db(moves):
    """The talker over what is wrong with them in the output."""
    rng = np.random.default_rng(5)
    far = 0.05 * rhythm(rng, 5)
    here, there = (0.1 * rng.standard_normal(600) * np.exp(-np.arange(600) / 120) for _ in range(2))
    way = 0.3 * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(COUNT) / (5 * RATE))) * moves
    echo = (1 - way) * np.convolve(far, here)[:COUNT] + way * np.convolve(far, there)[:COUNT]
    near = rhythm(rng, 4) * np.std(echo)
    near[: TALKER_FROM_S * RATE] = 0
    mic = echo + near + 1e-4 * rng.standard_normal(COUNT)
    out = (
        FrontEnd(FrontEndSettings(linear_only=True))
        .process(mic.astype(np.float32), far.astype(np.float32))
        .asr
    )
    spoken = slice(TALKER_FROM_S * RATE, None)
    return 10 * np.log10(np.sum(near[spoken] ** 2) / np.sum((out - near)[spoken] ** 2))


def test_a_talker_over_an_echo_that_keeps_moving():
    """Builds without that came to 9.7 dB."""
    assert talker_over_echo_db(moves=True) > 10.5


def test_a_talker_over_an_echo_that_keeps_still():
    """Believing in change for no reason, the filter came to 28 dB; never believing in it, to 41.6."""
    assert talker_over_echo_db(moves=False) > 37
