"""Voice activity against the truth: python bench/audio_vad.py. Writes bench/results/audio_vad.md.

Truth: the clean talker's 10 ms frames within 30 dB of their mean; frames within 150 ms of them do not count.
Beside ours the Silero model of the shared folder, which needs far more work, on the microphone and on our
``asr`` output.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from audio_scenes import SHARED, make_scene
from scipy.ndimage import maximum_filter1d

from carvoice.audio import FrontEnd
from carvoice.audio.devices import read_wav

SEEDS = (41, 42)  # used for no tuning
SCENES: dict[str, dict[str, object]] = {
    "talker, road noise 20 dB below": {"far_kind": "silence", "noise_db": -20, "noise_kind": "drive"},
    "talker, road noise 5 dB below": {"far_kind": "silence", "noise_db": -5, "noise_kind": "drive"},
    "talker, fan 10 dB below": {"far_kind": "silence", "noise_db": -10, "noise_kind": "fan"},
    "talker, rain 10 dB below": {"far_kind": "silence", "noise_db": -10, "noise_kind": "rain"},
    "talker, wind 5 dB below": {"far_kind": "silence", "noise_db": -5, "noise_kind": "wind"},
    "echo as loud as the talker": {},
    "echo as loud, loudspeaker clips": {"clip": 1.5},
    "music 10 dB louder": {"ser_db": -10, "far_kind": "music"},
    "echo 10 dB louder, fan 20 dB below it": {"ser_db": -10, "noise_db": -20, "noise_kind": "fan"},
}
OURS, SILERO_MICROPHONE, SILERO_ASR = "carvoice", "Silero on the microphone", "Silero on our asr output"


def silero() -> Callable[[np.ndarray], np.ndarray]:
    """Probability of each 10 ms frame, by the model's 32 ms steps."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(SHARED / "models" / "vad" / "silero_vad.onnx"), options)
    rate = np.array(16_000, np.int64)

    def score(sound: np.ndarray) -> np.ndarray:
        state, past = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32)
        out = []
        for at in range(0, len(sound) - 511, 512):
            piece = np.concatenate([past, sound[at : at + 512]])
            past = piece[-64:]
            probability, state = session.run(None, {"input": piece[None], "state": state, "sr": rate})
            out.append(float(probability[0, 0]))
        return np.repeat(out, 512)[::160]

    return score


def area_under_curve(score: np.ndarray, truth: np.ndarray) -> float:
    ranks = np.empty(len(score))
    ranks[np.argsort(score)] = np.arange(len(score))
    return float((ranks[truth].mean() - (truth.sum() - 1) / 2) / (~truth).sum())


def main() -> None:
    lines = [
        f"Mean over seeds {list(SEEDS)}. Found, false alarms: frames at 0.5 and more.",
        "",
        "| scene | detector | area under the curve | speech frames found | false alarms |",
        "|---|---|---|---|---|",
    ]
    try:
        peer = silero()
    except (ImportError, OSError, RuntimeError):
        peer = None
    for name, how in SCENES.items():
        scores: dict[str, list[np.ndarray]] = {OURS: [], SILERO_MICROPHONE: [], SILERO_ASR: []}
        truths = []
        for seed in SEEDS:
            scene = make_scene(seconds=40, near_from_s=15, near_to_s=35, change_s=None, seed=seed, **how)  # type: ignore[arg-type]
            out = FrontEnd().process(scene.mic, scene.far)
            found = {OURS: out.speech}
            if peer is not None:
                found[SILERO_MICROPHONE] = peer(scene.mic)
                found[SILERO_ASR] = peer(out.asr)
            frames = min(map(len, found.values()))
            power = (scene.near[: frames * 160].reshape(frames, 160) ** 2).mean(axis=1)
            spoken = power > 1e-3 * power[power > 0].mean()
            spoken = np.concatenate([[False], spoken[:-1]])  # the latency of one frame
            counts = (spoken | (maximum_filter1d(spoken.astype(int), 31) == 0)) & (np.arange(frames) > 200)
            truths.append(spoken[counts])
            for detector, score in found.items():
                scores[detector].append(score[:frames][counts])
        truth = np.concatenate(truths)
        for detector, each in scores.items():
            if each:
                score = np.concatenate(each)
                lines.append(
                    f"| {name} | {detector} | {area_under_curve(score, truth):.3f}"
                    f" | {np.mean(score[truth] >= 0.5):.1%} | {np.mean(score[~truth] >= 0.5):.2%} |"
                )
                print(lines[-1], flush=True)
    lines += ["", "| real recording | frames taken for speech |", "|---|---|"]
    for mic in sorted((SHARED / "audio" / "dtln-aec").glob("*_mic.wav")):
        near, far = read_wav(mic), read_wav(str(mic).replace("_mic", "_lpb"))
        shorter = min(len(near), len(far))
        out = FrontEnd().process(near[:shorter], far[:shorter])
        kind = " ".join(mic.stem.split("_")[1:-1])
        lines.append(f"| {kind} | {np.mean(out.speech[100:] >= 0.5):.1%} |")
    if peer is None:
        lines += ["", "Absent: Silero (onnxruntime or its model is not here)."]
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    (results / "audio_vad.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
