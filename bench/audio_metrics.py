"""What the audio benchmarks measure of a system's output."""

from __future__ import annotations

import numpy as np
from audio_peers import Result
from audio_scenes import RATE, Scene
from pesq import NoUtterancesError, pesq
from pystoi import stoi

FRAME = 160
PESQ_S = 8  # longer pieces are not what the standard was made for
HEARD_DB = -50.0  # echo below this level says nothing about its cancellation


def power_db(x: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.asarray(x, np.float64) ** 2) + 1e-20))


def erle_db(scene: Scene, result: Result, from_s: float, to_s: float) -> float:
    """Power of the microphone over the output's, both of the same stretch of sound."""
    start, stop, lag = int(from_s * RATE), int(to_s * RATE), result.latency_samples
    return power_db(scene.mic[start:stop]) - power_db(result.out[start + lag : stop + lag])


def frame_powers(scene: Scene, result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Power of microphone and output in each 10 ms of sound."""
    out = result.out[result.latency_samples :]
    frames = min(len(scene.mic), len(out)) // FRAME
    before, after = (
        (x[: frames * FRAME].astype(np.float64).reshape(frames, FRAME) ** 2).mean(axis=1)
        for x in (scene.mic, out)
    )
    return before, after


def erle_curve_db(scene: Scene, result: Result, frames: int = 50) -> np.ndarray:
    """ERLE of each half second; NaN where hardly any echo is heard."""
    before, after = (
        x[: len(x) // frames * frames].reshape(-1, frames).mean(axis=1) + 1e-20
        for x in frame_powers(scene, result)
    )
    return np.where(10 * np.log10(before) > HEARD_DB, 10 * np.log10(before / after), np.nan)


def seconds_to(
    scene: Scene, result: Result, level_db: float, from_s: float, to_s: float, for_s: float = 0.5
) -> float | None:
    """Seconds from the first echo after from_s to the first for_s of sound whose ERLE is level_db or more.

    None: not by to_s.
    """
    before, after = (x[round(from_s * 100) : round(to_s * 100)] for x in frame_powers(scene, result))
    start = int(np.argmax(10 * np.log10(before + 1e-20) > HEARD_DB))
    window = np.ones(round(for_s * 100))
    ratio = np.convolve(before[start:], window, "valid") / (
        np.convolve(after[start:], window, "valid") + 1e-20
    )
    reached = np.flatnonzero(10 * np.log10(ratio + 1e-20) >= level_db)
    return float(reached[0]) / 100 if len(reached) else None


def si_sdr_db(clean: np.ndarray, out: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio (J. Le Roux et al., ICASSP 2019)."""
    clean, out = clean.astype(np.float64), out.astype(np.float64)
    target = np.dot(out, clean) / np.dot(clean, clean) * clean
    return float(10 * np.log10(np.sum(target**2) / (np.sum((out - target) ** 2) + 1e-20)))


def talker(scene: Scene, result: Result, from_s: float, to_s: float) -> dict[str, float]:
    """STOI, wide-band PESQ, SI-SDR and change of level (dB) of the talker in a stretch of the output."""
    start, stop = int(from_s * RATE), int(to_s * RATE)
    clean = scene.near[start:stop].astype(np.float64)
    out = np.concatenate([result.out, np.zeros(2000)])[start : stop + 1000].astype(np.float64)
    size = 2 * len(out)
    cross = np.fft.irfft(np.fft.rfft(out, size) * np.conj(np.fft.rfft(clean, size)))
    lag = int(np.argmax(np.abs(cross[:1000])))
    out = out[lag : lag + len(clean)]
    gain = np.dot(out, clean) / np.dot(clean, clean)
    scores = []
    for at in range(0, len(clean) - PESQ_S * RATE + 1, PESQ_S * RATE):
        piece = slice(at, at + PESQ_S * RATE)
        try:
            scores.append(pesq(RATE, clean[piece], out[piece], "wb"))
        except NoUtterancesError:  # nothing of the talker is left
            scores.append(1.0)
    return {
        "stoi": float(stoi(clean, out, RATE)),
        "pesq": float(np.mean(scores)),
        "si_sdr_db": si_sdr_db(clean, out),
        "near_db": float(20 * np.log10(abs(gain) + 1e-10)),
    }
