"""What a car hears that is no order and no talk to it: noise, music, coughs, and many voices at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.signal import lfilter

from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from training import noise
from training.augment import change_rate

PIECE_S = 10
SCENE_S = 180
TALKERS = (1, 2, 2, 3, 3, 4, 5, 6, 8)
VOICES_PER_SCENE = 40  # utterances, each through a vocal tract of its own
MUSIC_IN_EVERY = 5


def cabin(n: int, rng: np.random.Generator) -> FloatArray:
    """A driving car, one in five with a window open."""
    return noise.cabin(n, float(rng.choice([60, 100, 130])), rng, rng.random() < 0.2)


def noises(minutes: float, talk: list[FloatArray], seed: int) -> Iterator[tuple[str, FloatArray]]:
    """(kind, sound) of 10 s pieces in which the talker says nothing."""
    rng = np.random.default_rng(seed)
    makers = {
        "cabin noise": lambda n: cabin(n, rng),
        "music": lambda n: noise.music(n, rng),
        "babble": lambda n: noise.babble(n, talk, rng),
        "coughs": lambda n: coughs(n, rng) + 0.1 * noise.unit(cabin(n, rng)),
    }
    for _ in range(max(1, int(minutes * 60 / PIECE_S / len(makers)))):
        for kind, make in makers.items():
            level = 0.03 * 10 ** (rng.uniform(-10, 10) / 20)
            yield kind, np.asarray(level * noise.unit(make(PIECE_S * SAMPLE_RATE_HZ)), np.float32)


def scenes(minutes: float, talk: list[FloatArray], seed: int) -> Iterator[FloatArray]:
    """Three minutes each of one to eight people who do not stop, in a cabin, here and there over music.

    Their voices are those of ``talk``, each sentence through another vocal tract (x 0.82-1.2).
    """
    n = SCENE_S * SAMPLE_RATE_HZ
    for number in range(round(minutes * 60 / SCENE_S)):
        rng = np.random.default_rng([seed, number])
        picked = rng.integers(len(talk), size=VOICES_PER_SCENE)
        sentences = [change_rate(talk[i], rng.uniform(0.82, 1.2)) for i in picked]
        sound = noise.unit(noise.voices(n, sentences, TALKERS[number % len(TALKERS)], rng))
        sound = sound + rng.uniform(0.05, 0.4) * noise.cabin(n, 60.0, rng)
        if number % MUSIC_IN_EVERY == MUSIC_IN_EVERY - 1:
            sound = sound + rng.uniform(0.2, 1.0) * noise.music(n, rng)
        yield np.asarray(0.05 * 10 ** (rng.uniform(-10, 6) / 20) * noise.unit(sound), np.float32)


def coughs(n: int, rng: np.random.Generator) -> FloatArray:
    """Bursts of 0.1-0.4 s of vocal-tract-shaped noise, one to three in a row."""
    out = np.zeros(n, np.float32)
    for _ in range(int(rng.integers(2, 5))):
        at = int(rng.integers(0, n - 24_000))
        for _ in range(int(rng.integers(1, 4))):
            length = int(rng.uniform(0.1, 0.4) * 16_000)
            burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.25 * length))
            formants = [rng.uniform(400, 900), rng.uniform(1100, 1900), rng.uniform(2300, 3200)]
            for hz in formants:
                radius, turn = 0.96, 2 * np.pi * hz / 16_000
                burst = lfilter([1 - radius], [1, -2 * radius * np.cos(turn), radius**2], burst)
            out[at : at + length] += burst / (np.abs(burst).max() + 1e-9)
            at += int(length + rng.uniform(0.05, 0.2) * 16_000)
            if at + 8_000 > n:
                break
    return out
