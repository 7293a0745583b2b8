"""Simulated cabin sounds: engine orders, road and wind, rain, fan, indicator, horn, clatter, music.

Every generator returns float32 of unit RMS at 16 kHz; levels are set where the sound is mixed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

SAMPLE_RATE_HZ = 16000
FloatArray = NDArray[np.float32]
Generator = np.random.Generator


def unit(samples: NDArray[np.floating]) -> FloatArray:
    """Scale to unit RMS."""
    return np.asarray(samples / (np.sqrt(np.mean(np.square(samples))) + 1e-9), dtype=np.float32)


def coloured(length: int, slope: float, rng: Generator) -> FloatArray:
    """Noise whose power falls as frequency ** -slope (0 is white), flat below about 16 Hz."""
    fast = next_fast_len(length)
    spectrum = rfft(rng.standard_normal(fast).astype(np.float32))
    frequency = (np.arange(len(spectrum)) + 1.0) / len(spectrum)
    return unit(irfft(spectrum * (frequency + 0.002) ** (-slope / 2), fast)[:length])


def _slow(length: int, hop: int, rng: Generator, slope: float = 1.5) -> FloatArray:
    """A slowly wandering curve of unit RMS, one independent value every `hop` samples."""
    knots = coloured(length // hop + 4, slope, rng)
    return np.interp(np.arange(length), np.arange(len(knots)) * hop, knots).astype(np.float32)


def engine(length: int, rpm: float, rng: Generator) -> FloatArray:
    """Harmonics of a four-stroke engine (half orders) around `rpm`, with a wandering speed."""
    turns_hz = rpm / 60 * (1 + 0.05 * _slow(length, 4000, rng))
    phase = 2 * np.pi * np.cumsum(turns_hz) / SAMPLE_RATE_HZ
    total = np.zeros(length)
    for order in (0.5, 1, 1.5, 2, 3, 4, 6, 8):
        total += rng.uniform(0.1, 1) / order**0.7 * np.sin(order * phase + rng.uniform(0, 6.28))
    return unit(total)


def road_and_wind(length: int, speed_kmh: float, rng: Generator) -> FloatArray:
    """Tyre rumble (steep slope) and gusty wind (flatter, growing with the sixth power of the air speed)."""
    rumble = coloured(length, rng.uniform(1.6, 2.8), rng)
    gusts = np.exp(0.5 * _slow(length, 1600, rng))
    wind = coloured(length, rng.uniform(0.4, 1.4), rng) * gusts
    wind_gain = min(2.0, (speed_kmh / 110) ** 3) * rng.uniform(0.2, 0.8)
    return unit(rumble + wind_gain * wind)


def rain(length: int, rng: Generator) -> FloatArray:
    """A hiss with many short drops."""
    drops = np.zeros(length, np.float32)
    count = int(length / SAMPLE_RATE_HZ * rng.uniform(30, 200))
    drops[rng.integers(0, length, count)] = rng.exponential(1.0, count)
    decay = np.exp(-np.arange(400) / rng.uniform(20, 90)) * rng.standard_normal(400)
    return unit(0.4 * coloured(length, rng.uniform(-0.3, 0.5), rng) + 4 * np.convolve(drops, decay)[:length])


def fan(length: int, rng: Generator) -> FloatArray:
    """Air through vents: smooth noise with a blade tone."""
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    tone = np.sin(2 * np.pi * rng.uniform(120, 600) * time_s + 0.3 * _slow(length, 800, rng))
    return unit(coloured(length, rng.uniform(0.5, 1.6), rng) + rng.uniform(0, 0.25) * tone)


def clatter(length: int, rng: Generator) -> FloatArray:
    """Short resonant bursts over a bed of noise: keys, cups, belts, potholes, doors."""
    total = 0.3 * coloured(length, rng.uniform(0.3, 1.8), rng).astype(np.float64)
    for _ in range(int(rng.integers(2, 4 + length // 6000))):
        size = int(rng.uniform(0.01, 0.25) * SAMPLE_RATE_HZ)
        time_s = np.arange(size) / SAMPLE_RATE_HZ
        burst = rng.uniform(0, 1) * rng.standard_normal(size)
        for _ in range(int(rng.integers(1, 6))):
            burst += np.sin(2 * np.pi * rng.uniform(150, 7000) * time_s + rng.uniform(0, 6)) * rng.uniform(
                0.2, 1
            )
        at = int(rng.integers(0, length))
        burst *= np.exp(-time_s * rng.uniform(15, 200)) * rng.uniform(0.3, 4)
        total[at : at + size] += burst[: length - at]
    return unit(total)


def indicator(length: int, rng: Generator) -> FloatArray:
    """The turn indicator's tick and tock, or a chime that repeats."""
    total = 0.05 * coloured(length, 1.5, rng).astype(np.float64)
    period = int(rng.uniform(0.3, 0.8) * SAMPLE_RATE_HZ)
    size = int(rng.uniform(0.008, 0.2) * SAMPLE_RATE_HZ)
    time_s = np.arange(size) / SAMPLE_RATE_HZ
    tones = rng.uniform(500, 4000, 2)
    for index, at in enumerate(range(0, length, period)):
        tick = np.sin(2 * np.pi * tones[index % 2] * time_s) * np.exp(-time_s * rng.uniform(10, 400))
        total[at : at + size] += tick[: length - at]
    return unit(total)


def horn(length: int, rng: Generator) -> FloatArray:
    """Horns and sirens: harmonic tones, held or sweeping, over traffic."""
    time_s = np.arange(length) / SAMPLE_RATE_HZ
    base_hz = rng.uniform(300, 700) * (
        1 + rng.uniform(0, 0.3) * np.sin(2 * np.pi * rng.uniform(0.2, 3) * time_s)
    )
    phase = 2 * np.pi * np.cumsum(base_hz) / SAMPLE_RATE_HZ
    tone = sum(rng.uniform(0.2, 1) / h * np.sin(h * phase) for h in range(1, 8))
    gate = _slow(length, 8000, rng) > rng.uniform(-0.5, 1.0)
    return unit(np.asarray(tone * gate) + 0.4 * road_and_wind(length, 50, rng))


def music(length: int, rng: Generator) -> FloatArray:
    """Chords with harmonics and a drum: what a radio leaks into the microphone."""
    total = np.zeros(length)
    at, beat_s, root_hz = 0, rng.uniform(0.15, 0.5), rng.uniform(80, 300)
    while at < length:
        size = min(int(beat_s * SAMPLE_RATE_HZ * rng.choice([1, 1, 2])), length - at)
        time_s = np.arange(size) / SAMPLE_RATE_HZ
        for _ in range(int(rng.integers(1, 4))):
            note_hz = root_hz * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12, 16, 19]) / 12)
            decay = np.exp(-time_s * rng.uniform(0.5, 6))
            for harmonic in range(1, 7):
                total[at : at + size] += (
                    np.sin(2 * np.pi * note_hz * harmonic * time_s) * rng.uniform(0, 1) / harmonic * decay
                )
        if rng.random() < 0.5:
            total[at : at + size] += rng.standard_normal(size) * np.exp(-time_s * 30) * rng.uniform(0, 2)
        at += size
    return unit(total)


def voices(length: int, utterances: list[FloatArray], talkers: int, rng: Generator) -> FloatArray:
    """So many talkers at once, each saying one of the utterances of float32 samples after another."""
    total = np.zeros(length, np.float32)
    for _ in range(talkers):
        at, gain = 0, rng.uniform(0.3, 1)
        while at < length:
            speech = utterances[int(rng.integers(len(utterances)))]
            size = min(len(speech), length - at)
            total[at : at + size] += gain * speech[:size]
            at += size + int(rng.uniform(0, 0.6) * SAMPLE_RATE_HZ)
    return total


def babble(length: int, utterances: list[FloatArray], rng: Generator) -> FloatArray:
    """Two to eight talkers at once, from utterances of float32 samples."""
    return unit(voices(length, utterances, int(rng.integers(2, 9)), rng))


def cabin(length: int, speed_kmh: float, rng: Generator, window_open: bool = False) -> FloatArray:
    """A driving car: road and wind at `speed_kmh`, the engine, the fan; an open window adds buffeting
    wind.
    """
    total = road_and_wind(length, speed_kmh, rng)
    total = total + rng.uniform(0.0, 0.7) * engine(length, rng.uniform(800, 1200) + speed_kmh * 18, rng)
    total = total + rng.uniform(0.0, 0.5) * fan(length, rng)
    if window_open:
        buffeting = 1 + 0.8 * np.sin(2 * np.pi * rng.uniform(8, 20) * np.arange(length) / SAMPLE_RATE_HZ)
        total = total + rng.uniform(0.3, 1.0) * coloured(length, rng.uniform(0.2, 1.0), rng) * buffeting
    return unit(total)


def draw(length: int, utterances: list[FloatArray], rng: Generator) -> FloatArray:
    """One random sound of the kinds above, cabins most often."""
    kinds: list[tuple[float, Callable[[], FloatArray]]] = [
        (0.40, lambda: cabin(length, rng.uniform(0, 160), rng, rng.random() < 0.25)),
        (0.06, lambda: rain(length, rng)),
        (0.06, lambda: fan(length, rng)),
        (0.10, lambda: coloured(length, rng.uniform(-0.5, 2.2), rng)),
        (0.12, lambda: clatter(length, rng)),
        (0.03, lambda: indicator(length, rng)),
        (0.03, lambda: horn(length, rng)),
        (0.10, lambda: music(length, rng)),
        (0.10, lambda: babble(length, utterances, rng) if utterances else coloured(length, 1.0, rng)),
    ]
    weights = np.array([weight for weight, _ in kinds])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))][1]()
