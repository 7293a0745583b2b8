"""Seeded cabin scenes with an echo: what the microphone hears, and each of its parts.

Speech comes from the folder that CARVOICE_SHARED names; without it, from filtered noise with the rhythm of
speech. The cabin is that of audio_room.py.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from audio_room import (
    BLOCK,
    DRIVER_M,
    LOUDSPEAKER_M,
    LOUDSPEAKER_RIGHT_M,
    MICROPHONE_M,
    RATE,
    impulse_response,
    lean_course,
    leaning_head,
    lowered_window,
    through_changing,
    window_course,
)
from scipy.signal import butter, fftconvolve, lfilter, resample_poly

SHARED = Path(os.environ.get("CARVOICE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
MOVES_FROM_S = 8.0


@functools.lru_cache(maxsize=8)
def speech(corpus: str, seconds: float, seed: int, pause_s: float = 0.25) -> np.ndarray:
    """Sentences of a corpus one after the other, at -23 dBFS RMS."""
    rng = np.random.default_rng(seed)
    folder = SHARED / "speech" / corpus
    files = sorted(folder.rglob("*.flac"))
    wanted = int(seconds * RATE)
    parts: list[np.ndarray] = []
    if files:
        import soundfile

        while sum(map(len, parts)) < wanted:
            x, _ = soundfile.read(files[rng.integers(len(files))], dtype="float64")
            loud = np.flatnonzero(np.abs(x) > 0.02 * np.max(np.abs(x)))
            x = x[loud[0] : loud[-1]]  # recordings begin and end with silence
            x = x / (np.sqrt(np.mean(x**2)) + 1e-9)
            parts += [x, np.zeros(int(pause_s * RATE))]
        x = np.concatenate(parts)[:wanted]
    else:
        x = babble(wanted, rng)
    return x / np.sqrt(np.mean(x**2)) * 10 ** (-23 / 20)


def babble(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with the spectrum and rhythm of speech."""
    b, a = butter(2, [150 / 8000, 1200 / 8000], "band")
    rhythm = np.repeat(rng.random(count // 1600 + 1) ** 2 * (rng.random(count // 1600 + 1) > 0.3), 1600)[
        :count
    ]
    rhythm = lfilter(*butter(1, 12 / 8000), rhythm)
    return lfilter(b, a, rng.standard_normal(count)) * rhythm


def music(seconds: float, seed: int) -> np.ndarray:
    """Chords of decaying harmonics over a beat of noise, -23 dBFS RMS."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    x = np.zeros(count)
    beat = int(0.3 * RATE)
    t = np.arange(4 * beat) / RATE
    for start in range(0, count, beat):
        root = 110 * 2 ** (rng.integers(0, 24) / 12)
        note = np.zeros(len(t))
        for degree in (0, 4, 7):
            f0 = root * 2 ** (degree / 12)
            for h in range(1, 12):
                if h * f0 < 7500:
                    note += np.sin(2 * np.pi * h * f0 * t + rng.random() * 6.28) / h**1.2
        note = note * np.exp(-t * 3) + 1.5 * rng.standard_normal(len(t)) * np.exp(-t * 60)
        stop = min(count, start + len(t))
        x[start:stop] += note[: stop - start]
    return x / np.sqrt(np.mean(x**2)) * 10 ** (-23 / 20)


def cabin_noise(seconds: float, seed: int, kind: str = "drive") -> np.ndarray:
    """Noise of unit RMS: "drive" (engine orders and road), "wind", "rain", "fan" or "white"."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    t = np.arange(count) / RATE
    white = rng.standard_normal(count)
    if kind == "white":
        x = white
    elif kind == "rain":
        drops = (rng.random(count) < 0.01) * rng.standard_normal(count)
        x = lfilter(*butter(1, 500 / 8000, "high"), white) * 0.5 + 6 * lfilter(*butter(2, 3000 / 8000), drops)
    elif kind == "fan":
        x = lfilter(*butter(1, 900 / 8000), white) + 0.15 * np.sin(2 * np.pi * 310 * t)
    elif kind == "wind":
        gust = 1 + 0.6 * lfilter(*butter(1, 1 / 8000), rng.standard_normal(count)) * 30
        x = lfilter(*butter(1, 250 / 8000), white) * np.clip(gust, 0.2, 3)
    else:
        rpm = 2200 + 500 * np.sin(2 * np.pi * 0.05 * t + rng.random() * 6)
        phase = 2 * np.pi * np.cumsum(rpm / 60) / RATE
        orders = sum(np.sin(o * phase + rng.random() * 6) / o for o in (1, 2, 4, 6))
        x = 0.5 * orders + 6 * lfilter(*butter(1, 120 / 8000), white) + 0.25 * white
    return x / np.sqrt(np.mean(x**2))


@dataclass(frozen=True)
class Scene:
    """All signals float32, same length, 16 kHz; mic = near + echo + noise."""

    name: str
    far: np.ndarray  # (n,) or (channels, n)
    mic: np.ndarray
    near: np.ndarray
    echo: np.ndarray
    noise: np.ndarray
    marks_s: dict[str, float] = field(default_factory=dict)


def through_cabin(
    played: np.ndarray, place_m: np.ndarray, t60_s: float, seed: int, moving: str
) -> np.ndarray:
    """What a loudspeaker plays, at the microphone: see `moving` of :func:`make_scene`."""
    if not moving:
        return fftconvolve(played, impulse_response(place_m, MICROPHONE_M, t60_s, seed=seed))[: len(played)]
    ways, course = {"head": (leaning_head, lean_course), "window": (lowered_window, window_course)}[moving]
    time_s = np.arange(len(played) // BLOCK + 1) * BLOCK / RATE
    return through_changing(played, ways(place_m, t60_s, seed), course(np.maximum(0, time_s - MOVES_FROM_S)))


def make_scene(
    name: str = "scene",
    *,
    seconds: float = 60.0,
    near_from_s: float = 20.0,
    near_to_s: float = 40.0,
    change_s: float | None = 40.0,
    ser_db: float = 0.0,
    delay_ms: float = 40.0,
    drift_ppm: float = 0.0,
    noise_db: float = -35.0,
    noise_kind: str = "white",
    t60_s: float = 0.07,
    clip: float = 0.0,
    saturate: float = 0.0,
    moving: str = "",
    far_kind: str = "speech",
    seed: int = 1,
) -> Scene:
    """Far-end talk, then double talk, then a change of the echo path.

    Args:
        seconds: length.
        near_from_s: when the driver starts to talk, near_to_s: when they stop.
        change_s: when the loudspeaker moves (its path changes), None for never.
        ser_db: near-end over echo power, both while active.
        delay_ms: device latency before the echo.
        drift_ppm: how much slower the microphone's clock runs.
        noise_db: noise over echo power.
        noise_kind: see :func:`cabin_noise`.
        t60_s: reverberation time.
        clip: loudspeaker clips at this multiple of the far end's RMS, 0 for never.
        saturate: strength of a soft, asymmetric saturation, 0 for none.
        moving: what moves from 8 s on: "head", the driver leans back and forth, "window", it goes down and
            up, or "".
        far_kind: "speech", "music", "silence" or "stereo" (music, two loudspeakers).
        seed: of everything random.
    """
    count = int(seconds * RATE)
    rng = np.random.default_rng(seed)
    if far_kind == "speech":
        far = speech("ljspeech", seconds, seed)
    elif far_kind == "silence":
        far = np.zeros(count)
    else:
        far = music(seconds, seed)
    sources = [far]
    if far_kind == "stereo":
        second = music(seconds, seed + 100)
        sources = [far + 0.3 * second, 0.3 * far + second]
    echo = np.zeros(count)
    for index, source in enumerate(sources):
        played = source
        rms = np.sqrt(np.mean(source**2)) + 1e-12
        if clip:
            played = np.clip(played, -clip * rms, clip * rms)
        if saturate:
            u = played / (3 * rms)
            played = 3 * rms * np.tanh(saturate * u + 0.2 * saturate * u**2) / saturate
        place = LOUDSPEAKER_RIGHT_M if index else LOUDSPEAKER_M
        part = through_cabin(played, place, t60_s, seed + index, moving)
        if change_s is not None:
            moved = place + np.array([0.25, 0.10 if index == 0 else -0.10, 0.15])
            after = through_cabin(played, moved, t60_s, seed + 7 + index, moving)
            at = int(change_s * RATE)
            part[at:] = after[at:]
        echo += part
    if drift_ppm:
        # band-limited: four times the rate, then linear between the points
        fine = resample_poly(echo, 8, 1)
        where = np.arange(count) * (1 - drift_ppm * 1e-6) * 8
        echo = np.interp(where, np.arange(len(fine)), fine)
    lag = round(delay_ms * RATE / 1000)
    echo = np.concatenate([np.zeros(lag), echo])[:count]
    level = 10 ** (-26 / 20)
    if np.any(echo):
        echo *= level / np.sqrt(np.mean(echo**2))
    near = np.zeros(count)
    start, stop = int(near_from_s * RATE), int(min(near_to_s, seconds) * RATE)
    if stop > start:
        talk = speech("coffee-dev", (stop - start) / RATE, seed + 50)
        talk = fftconvolve(talk, impulse_response(DRIVER_M, MICROPHONE_M, 0.05, seed=seed + 3))[
            : stop - start
        ]
        near[start:stop] = talk * level * 10 ** (ser_db / 20) / np.sqrt(np.mean(talk**2))
    noise = cabin_noise(seconds, int(rng.integers(1 << 30)), noise_kind) * level * 10 ** (noise_db / 20)
    mic = near + echo + noise
    single = np.float32
    far_out = np.stack(sources) if far_kind == "stereo" else far
    return Scene(name, far_out.astype(single), mic.astype(single), near.astype(single), echo.astype(single),
                 noise.astype(single))  # fmt: skip
