"""Voice activity against the truth: python bench/audio_vad.py. Writes bench/results/audio_vad.md.

Truth: the clean talker's 10 ms frames within 30 dB of their mean; frames within 150 ms of them do not count.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from audio_scenes import SHARED, make_scene
from scipy.ndimage import maximum_filter1d

from carvoice.audio import FrontEnd
from carvoice.audio.devices import read_wav

SCENES: dict[str, dict[str, object]] = {
    "talker, road noise 20 dB below": {"far_kind": "silence", "noise_db": -20, "noise_kind": "drive"},
    "talker, road noise 5 dB below": {"far_kind": "silence", "noise_db": -5, "noise_kind": "drive"},
    "echo as loud as the talker": {},
    "echo 10 dB louder, fan 20 dB below it": {"ser_db": -10, "noise_db": -20, "noise_kind": "fan"},
}


def area_under_curve(score: np.ndarray, truth: np.ndarray) -> float:
    ranks = np.empty(len(score))
    ranks[np.argsort(score)] = np.arange(len(score))
    return float((ranks[truth].mean() - (truth.sum() - 1) / 2) / (~truth).sum())


def main() -> None:
    lines = [
        "| scene | area under the curve | speech frames found | false alarms |",
        "|---|---|---|---|",
    ]
    for name, how in SCENES.items():
        scene = make_scene(seconds=40, near_from_s=15, near_to_s=35, change_s=None, **how)  # type: ignore[arg-type]
        out = FrontEnd().process(scene.mic, scene.far)
        frames = len(out)
        power = (scene.near[: frames * 160].reshape(frames, 160) ** 2).mean(axis=1)
        spoken = power > 1e-3 * power[power > 0].mean()
        spoken = np.concatenate([[False], spoken[:-1]])  # the latency of one frame
        counts = (spoken | (maximum_filter1d(spoken.astype(int), 31) == 0)) & (np.arange(frames) > 200)
        score, truth = out.speech[counts], spoken[counts]
        lines.append(
            f"| {name} | {area_under_curve(score, truth):.3f} | {np.mean(score[truth] > 0.5):.1%}"
            f" | {np.mean(score[~truth] > 0.5):.2%} |"
        )
    folder = SHARED / "audio" / "dtln-aec"
    for mic in sorted(folder.glob("*_mic.wav")):
        near, far = read_wav(mic), read_wav(str(mic).replace("_mic", "_lpb"))
        shorter = min(len(near), len(far))
        out = FrontEnd().process(near[:shorter], far[:shorter])
        kind = mic.stem.split("_")[-2]
        lines.append(f"| real recording, {kind} | | {np.mean(out.speech[100:] > 0.5):.1%} of all frames | |")
    text = "\n".join(lines) + "\n"
    print(text)
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "audio_vad.md").write_text(text)


if __name__ == "__main__":
    main()
