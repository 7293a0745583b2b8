"""A vowel of the talker over a dying echo, or the echo of another vowel, is not taken for more of that echo.

The fast filter finds the vowel in what the loudspeaker played, as both are harmonic, and leaves 2 to 4 dB
less of it. Where that is enough for its output to be taken at once, the talker is eaten; where it is enough
for the deep filter to take over its state, the echo comes back for seconds.
"""

import numpy as np
import pytest

from carvoice.audio import FrontEnd, FrontEndSettings

RATE, SECONDS, TALKER_FROM_S = 16_000, 12, 6


def vowel(samples, pitch_hz, formants_hz, rng):
    """Harmonics up to 4 kHz under three resonances, the pitch moving a little."""
    t = np.arange(samples) / RATE
    phase = (
        2 * np.pi * np.cumsum(pitch_hz * (1 + 0.03 * np.sin(2 * np.pi * 1.3 * t + rng.random() * 6))) / RATE
    )
    sound = np.zeros(samples)
    for harmonic in range(1, int(4000 / pitch_hz)):
        level = 0.02 + sum(1 / (1 + ((harmonic * pitch_hz - formant) / 120) ** 2) for formant in formants_hz)
        sound += level * np.sin(harmonic * phase + rng.random() * 6)
    fade = np.minimum(np.arange(samples) / 480, (samples - np.arange(samples)) / 1600)
    return sound / np.sqrt(np.mean(sound**2)) * np.minimum(1, fade)


def voice(pitch_hz, rng):
    """Vowels of a third of a second and pauses, at RMS 1 while it sounds."""
    parts = []
    while sum(map(len, parts)) < SECONDS * RATE:
        samples = int(0.35 * RATE * (0.6 + 0.8 * rng.random()))
        pitch = pitch_hz * (0.85 + 0.3 * rng.random())
        formants = (rng.uniform(300, 800), rng.uniform(900, 2200), 2600)
        parts += [vowel(samples, pitch, formants, rng), np.zeros(int(0.3 * RATE * rng.random()))]
    return np.concatenate(parts)[: SECONDS * RATE]


def scene(seed, far_pitch_hz, near_pitch_hz):
    """Far end, talker and microphone: six seconds of echo, then a talker 3 dB below it over it."""
    rng = np.random.default_rng(seed)
    far = 0.08 * voice(far_pitch_hz, rng) + 0.004 * rng.standard_normal(SECONDS * RATE)
    path = 0.05 * rng.standard_normal(1000) * np.exp(-np.arange(1000) / 200)
    echo = np.convolve(far, np.concatenate([np.zeros(100), path]))[: len(far)]
    near = voice(near_pitch_hz, rng)
    near[: TALKER_FROM_S * RATE] = 0
    near *= np.sqrt(np.mean(echo**2)) * 10 ** (-3 / 20)
    mic = echo + near + 1e-4 * rng.standard_normal(len(far))
    return far.astype(np.float32), near, mic.astype(np.float32)


def power_db(x):
    return 10 * np.log10(np.mean(np.asarray(x, np.float64) ** 2) + 1e-20)


@pytest.mark.parametrize(
    ("seed", "far_pitch_hz", "near_pitch_hz", "most_db"), [(59, 110, 220, -14), (45, 120, 130, -8)]
)
def test_a_vowel_over_an_echo_stays(seed, far_pitch_hz, near_pitch_hz, most_db):
    """In every tenth of a second of the talker, what is wrong lies that far below what is right."""
    far, near, mic = scene(seed, far_pitch_hz, near_pitch_hz)
    out = FrontEnd(FrontEndSettings(linear_only=True)).process(mic, far).asr
    worst_db = max(
        power_db((out - near)[at : at + 1600]) - power_db(near[at : at + 1600])
        for at in range(TALKER_FROM_S * RATE, len(out), 1600)
        if power_db(near[at : at + 1600]) > -45
    )
    assert worst_db < most_db
