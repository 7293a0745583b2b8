"""Our front end beside its peers: python bench/audio_quality.py. Writes bench/results/audio_quality.md.

Needs the peers (pip install pywebrtc-audio livekit speexdsp pyaec) and pesq, pystoi; an absent peer is
named. Figures are of one seeded scene per table, whose seed was not used to tune anything: see
make_scene.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from audio_peers import ECHO_CANCELLERS, Result
from audio_scenes import RATE, Scene, make_scene
from pesq import pesq
from pystoi import stoi

SEED = 21
SCENES: dict[str, dict[str, float]] = {
    "SER 0 dB, 40 ms": {},
    "SER -10 dB, 40 ms": {"ser_db": -10.0},
    "300 ms": {"delay_ms": 300.0},
    "drift 100 ppm": {"drift_ppm": 100.0},
    "loudspeaker clips at 1.5 RMS": {"clip": 1.5},
    "loudspeaker saturates softly": {"saturate": 1.0},
}


def power_db(x: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.asarray(x, np.float64) ** 2) + 1e-20))


def erle_db(scene: Scene, result: Result, from_s: float, to_s: float) -> float:
    start, stop, lag = int(from_s * RATE), int(to_s * RATE), result.latency_samples
    return power_db(scene.mic[start:stop]) - power_db(result.out[start + lag : stop + lag])


def near_end(scene: Scene, result: Result) -> tuple[float, float, float]:
    """STOI, wide-band PESQ and level change (dB) of the talker during double talk."""
    start, stop = 20 * RATE, 40 * RATE
    clean = scene.near[start:stop].astype(np.float64)
    out = result.out[start : stop + 1000].astype(np.float64)
    size = 2 * len(out)
    cross = np.fft.irfft(np.fft.rfft(out, size) * np.conj(np.fft.rfft(clean, size)))
    lag = int(np.argmax(np.abs(cross[:1000])))
    out = out[lag : lag + len(clean)]
    gain = np.dot(out, clean) / np.dot(clean, clean)
    parts = range(0, len(clean) - 8 * RATE + 1, 8 * RATE)
    score = np.mean([pesq(RATE, clean[i : i + 8 * RATE], out[i : i + 8 * RATE], "wb") for i in parts])
    return float(stoi(clean, out, RATE)), float(score), float(20 * np.log10(abs(gain)))


def main() -> None:
    lines = []
    for title, how in SCENES.items():
        scene = make_scene(seed=SEED, **how)  # type: ignore[arg-type]
        lines += [
            f"### {title}",
            "",
            "| system | delay ms | us p50 | us p99 | ERLE 0.2-0.7 s | ERLE 10-20 s | 1-2 s after change"
            " | STOI | PESQ | near end dB |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for name, system in ECHO_CANCELLERS.items():
            try:
                result = system(scene.mic, scene.far)
            except (ImportError, OSError, AttributeError) as error:
                lines.append(f"| {name} | absent: {error} |" + " |" * 8)
                continue
            clarity, quality, level = near_end(scene, result)
            p50, p99 = np.percentile(result.frame_us, [50, 99])
            erle = [erle_db(scene, result, a, b) for a, b in ((0.2, 0.7), (10, 20), (41, 42))]
            lines.append(
                f"| {name} | {result.latency_samples / 16:.0f} | {p50:.0f} | {p99:.0f}"
                f" | {erle[0]:.1f} | {erle[1]:.1f} | {erle[2]:.1f}"
                f" | {clarity:.3f} | {quality:.2f} | {level:+.1f} |"
            )
            print(lines[-1], flush=True)
        lines.append("")
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "audio_quality.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
