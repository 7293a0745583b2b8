"""Waveform augmentation: playback rate, room and microphone, clipping and companding.

Noise, level, band limits and pauses are added later, in the log-mel domain (`scene.py`), so that every pass
over the same utterance meets a different cabin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import resample

from training.noise import SAMPLE_RATE_HZ, FloatArray

_RESPONSE_SAMPLES = int(0.45 * SAMPLE_RATE_HZ)
_TAIL_SAMPLES = int(0.25 * SAMPLE_RATE_HZ)


def change_rate(samples: FloatArray, ratio: float) -> FloatArray:
    """Play `ratio` times faster: pitch, formants and tempo move together."""
    padded = next_fast_len(len(samples))
    target = next_fast_len(int(padded / ratio))
    return np.asarray(resample(np.pad(samples, (0, padded - len(samples))), target), dtype=np.float32)


def _response_spectrum(size: int, rng: np.random.Generator) -> NDArray[np.complex128]:
    """A random room (RT60 0.05-0.5 s, direct-to-reverberant -2-18 dB) seen by a random microphone."""
    impulse = np.zeros(_RESPONSE_SAMPLES, np.float32)
    impulse[0] = 1.0
    if rng.random() < 0.8:
        decay_s = rng.uniform(0.05, 0.2) if rng.random() < 0.5 else rng.uniform(0.15, 0.5)
        count = int(min(decay_s * 1.2, 0.43) * SAMPLE_RATE_HZ)
        tail = rng.standard_normal(count) * np.exp(-6.9 * np.arange(count) / SAMPLE_RATE_HZ / decay_s)
        tail *= 10 ** (-rng.uniform(-2, 18) / 20) / np.sqrt(np.sum(tail**2))
        delay = int(rng.uniform(0.0005, 0.008) * SAMPLE_RATE_HZ)
        impulse[delay : delay + count] += tail[: _RESPONSE_SAMPLES - delay]
        for _ in range(int(rng.integers(0, 6))):
            impulse[rng.integers(5, 250)] += rng.uniform(-0.6, 0.6)
    spectrum = rfft(impulse, size)
    octave = np.log2(np.maximum(np.linspace(0, 8000, len(spectrum)), 40) / 40) / np.log2(200)
    curve_db = rng.uniform(-6, 6) * (octave - 0.5)
    for harmonic in range(1, 6):
        curve_db += rng.normal(0, 2.5 / np.sqrt(harmonic)) * np.cos(
            np.pi * harmonic * octave + rng.uniform(0, np.pi)
        )
    return np.asarray(spectrum * 10 ** (curve_db / 20))


def room(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Convolve with a random room and microphone, keeping 0.25 s of tail."""
    length = len(samples) + _TAIL_SAMPLES
    size = next_fast_len(length + _RESPONSE_SAMPLES)
    return np.asarray(
        irfft(rfft(samples, size) * _response_spectrum(size, rng), size)[:length], dtype=np.float32
    )


def distort(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Now and then clip, or pass through 8-bit mu-law."""
    peak = float(np.abs(samples).max()) + 1e-9
    draw = rng.random()
    if draw < 0.06:
        limit = peak * rng.uniform(0.2, 0.7)
        return np.clip(samples, -limit, limit)
    if draw < 0.10:
        scaled = samples / peak
        code = np.round(np.sign(scaled) * np.log1p(255 * np.abs(scaled)) / np.log(256) * 127) / 127
        return np.asarray(np.sign(code) * (256 ** np.abs(code) - 1) / 255 * peak, dtype=np.float32)
    return samples


def augment(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return one random rendering of an utterance (float32, 16 kHz)."""
    if rng.random() < 0.5:
        samples = change_rate(samples, rng.uniform(0.92, 1.09))
    samples = room(samples, rng) if rng.random() < 0.85 else np.pad(samples, (0, _TAIL_SAMPLES // 2))
    return distort(samples, rng)
