"""Voice activity where it is used: writes bench/results/audio_vad_events.md.

* Orders of the shared coffee-dev recordings (real talkers, quiet rooms, no long pauses) in simulated cabins:
  when the listener's gate opens after the first word, and where the endpointer sees the end of speech.
* Nobody speaks: noise by kind and speed, music, and our own reply coming back from the loudspeaker.

The noise generators are those of ``training.noise``, with seeds that no training used; the truth is the
clean recording's runs of 60 ms and more within 30 dB of its mean. Beside ours the shared folder's Silero.

Run: ``PYTHONPATH=. python bench/audio_vad_events.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from audio_room import DRIVER_M, LOUDSPEAKER_M, MICROPHONE_M, impulse_response
from audio_scenes import SHARED, speech
from audio_vad import silero
from scipy.ndimage import binary_opening
from scipy.signal import fftconvolve

from carvoice.asr.endpoint import EndpointSettings
from carvoice.assistant.onset import SpeechGate, SpeechOnset
from carvoice.audio import FrontEnd
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from training import noise
from training.vad_scenes import active_frames, frame_power

SEED = 90_000
CLIPS = 30
LONGEST_PAUSE_FRAMES = 30
LEAD_FRAMES, TAIL_FRAMES = 300, 150
THRESHOLD = EndpointSettings().threshold
RUN_FRAMES = EndpointSettings().speech_ms // 10
Detector = Callable[[FloatArray, FloatArray | None], FloatArray]
Sound = Callable[[int, np.random.Generator], FloatArray]

CABINS: dict[str, tuple[float, bool, float]] = {
    "standing, 10 dB": (0, False, 10),
    "60 km/h, 10 dB": (60, False, 10),
    "60 km/h, 5 dB": (60, False, 5),
    "130 km/h, 5 dB": (130, False, 5),
    "130 km/h, 0 dB": (130, False, 0),
    "60 km/h, window open, 5 dB": (60, True, 5),
    "60 km/h, window open, 0 dB": (60, True, 0),
    "130 km/h, window open, 5 dB": (130, True, 5),
}


def kinds() -> dict[str, Sound]:
    """What sounds while nobody speaks."""
    found: dict[str, Sound] = {}
    for speed in (0, 30, 60, 100, 130):
        found[f"cabin, {speed} km/h"] = lambda n, rng, v=speed: noise.cabin(n, v, rng)  # type: ignore[misc]
    for speed in (30, 60, 100, 130):
        found[f"cabin, window open, {speed} km/h"] = lambda n, rng, v=speed: noise.cabin(n, v, rng, True)  # type: ignore[misc]
    for one in (noise.rain, noise.fan, noise.indicator, noise.horn, noise.clatter, noise.music):
        found[one.__name__] = one
    return found


def carvoice(mic: FloatArray, far: FloatArray | None) -> FloatArray:
    return FrontEnd().process(mic, far).speech


def detectors() -> dict[str, Detector]:
    """Ours, and Silero where it is installed."""
    found: dict[str, Detector] = {"carvoice": carvoice}
    try:
        peer = silero()
    except (ImportError, OSError, RuntimeError):
        return found
    found["Silero on our asr output"] = lambda mic, far: peer(FrontEnd().process(mic, far).asr)
    return found


def orders() -> list[tuple[FloatArray, int, int]]:
    """Recordings at -26 dBFS with silence around, their first frame of speech and the one after the last."""
    found: list[tuple[FloatArray, int, int]] = []
    for file in sorted((SHARED / "speech" / "coffee-dev").rglob("*.flac"))[::2]:
        sound, _ = soundfile.read(file, dtype="float32")
        power = frame_power(sound)
        spoken = np.flatnonzero(binary_opening(active_frames(sound), np.ones(RUN_FRAMES)))
        if np.percentile(power, 10) > 1e-4 * power.mean() or np.diff(spoken).max() > LONGEST_PAUSE_FRAMES:
            continue
        if len(found) == CLIPS:
            break
        sound = sound[spoken[0] * 160 : (spoken[-1] + 1) * 160]
        power = frame_power(sound)
        sound = sound * np.float32(10 ** (-26 / 20) / np.sqrt(power[power > 0.1 * power.mean()].mean()))
        padded = np.pad(sound, (LEAD_FRAMES * 160, TAIL_FRAMES * 160))
        wet = fftconvolve(padded, impulse_response(DRIVER_M, MICROPHONE_M, 0.05))[: len(padded)]
        wet = wet * np.sqrt(np.mean(padded**2) / np.mean(wet**2))
        delay = 1  # of the front end's window
        found.append((wet.astype(np.float32), LEAD_FRAMES + delay, LEAD_FRAMES + len(sound) // 160 + delay))
    return found


def opens(probabilities: FloatArray) -> int | None:
    """The frame at which the gate of the listener opens."""
    gate = SpeechGate()
    for frame, probability in enumerate(probabilities):
        if gate.update(np.array([probability], np.float32)):
            return frame
    return None


def last_speech(probabilities: FloatArray) -> int | None:
    """The frame after the last run that the endpointer takes for speech."""
    run, last = 0, None
    for frame, probability in enumerate(probabilities):
        run = run + 1 if probability >= THRESHOLD else 0
        last = frame + 1 if run >= RUN_FRAMES else last
    return last


def talking(found: dict[str, Detector]) -> list[str]:
    lines = [
        "| order in | detector | gate open before | not opened | opens after, ms p50 | p95 "
        "| end of speech seen, ms p5 | p50 | p95 | 300 ms late and more |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    clips = orders()
    for number, (name, (speed, window, snr_db)) in enumerate(CABINS.items()):
        rows: dict[str, list[tuple[int | None, int | None]]] = {detector: [] for detector in found}
        early = dict.fromkeys(found, 0)
        for index, (clean, start, end) in enumerate(clips):
            rng = np.random.default_rng([SEED, number, index])
            level = 10 ** (-26 / 20) * 10 ** (-snr_db / 20)
            mic = clean + np.float32(level) * noise.cabin(len(clean), speed, rng, window)
            for detector, run in found.items():
                probabilities = run(mic, None)
                if opens(probabilities[100 : start - 2]) is not None:
                    early[detector] += 1
                opened = opens(probabilities[start - 2 :])
                last = last_speech(probabilities)
                rows[detector].append(
                    (None if opened is None else opened - 2, None if last is None else last - end)
                )
        for detector, row in rows.items():
            late = np.array([10 * opened for opened, _ in row if opened is not None])
            error = np.array([10 * last for _, last in row if last is not None])
            lines.append(
                f"| {name} | {detector} | {early[detector] / len(row):.0%} | {1 - len(late) / len(row):.0%}"
                f" | {np.median(late):.0f} | {np.percentile(late, 95):.0f}"
                f" | {np.percentile(error, 5):.0f} | {np.median(error):.0f} | {np.percentile(error, 95):.0f}"
                f" | {np.mean(error >= 300):.0%} |"
            )
            print(lines[-1], flush=True)
    return lines


def silent(found: dict[str, Detector]) -> list[str]:
    lines = [
        "| nobody speaks | detector | frames taken for speech | gate opens, per minute |",
        "|---|---|---|---|",
    ]
    seconds, repeats = 20, 4
    for number, (name, make) in enumerate(kinds().items()):
        for detector, run in found.items():
            scores = []
            for repeat in range(repeats):
                rng = np.random.default_rng([SEED + 1, number, repeat])
                sound = make(seconds * SAMPLE_RATE_HZ, rng) * np.float32(10 ** (rng.uniform(-42, -22) / 20))
                scores.append(run(sound, None)[200:])
            lines.append(f"| {name} | {detector} | {rates(scores)} |")
            print(lines[-1], flush=True)
    return lines


def rates(scores: list[FloatArray], over_reply: bool = False) -> str:
    """Share of frames, and how often the gate would open (it is closed again after each opening)."""
    openings = 0
    for score in scores:
        onset = SpeechOnset()
        for frame in score:
            if onset.update(np.array([frame], np.float32), over_reply):
                openings += 1
                onset.reset()
    frames = np.concatenate(scores)
    return f"{np.mean(frames >= THRESHOLD):.2%} | {openings / (len(frames) / 6000):.1f}"


def replying(found: dict[str, Detector]) -> list[str]:
    lines = [
        "| only our reply sounds, from a cold start | detector | first 2 s: frames | gate, per minute "
        "| after: frames | gate, per minute |",
        "|---|---|---|---|---|---|",
    ]
    for name, noise_db in (("in a quiet cabin", -65.0), ("driving, echo 15 dB above the noise", -41.0)):
        for detector, run in found.items():
            scores = []
            for repeat in range(6):
                rng = np.random.default_rng([SEED + 2, repeat])
                far = speech("ljspeech", 12.0, 70 + repeat).astype(np.float32)
                place = LOUDSPEAKER_M + rng.uniform(-0.2, 0.2, 3)
                echo = fftconvolve(far, impulse_response(place, MICROPHONE_M, seed=repeat))[: len(far)]
                echo = np.pad(echo, (int(rng.uniform(0.01, 0.1) * SAMPLE_RATE_HZ), 0))[: len(far)]
                echo *= 10 ** (-26 / 20) / np.sqrt(np.mean(echo**2))
                mic = echo + 10 ** (noise_db / 20) * noise.cabin(len(far), 60, rng)
                scores.append(run(mic.astype(np.float32), far))
            first, after = [s[:200] for s in scores], [s[200:] for s in scores]
            lines.append(f"| {name} | {detector} | {rates(first, True)} | {rates(after, True)} |")
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    found = detectors()
    lines = [f"Made by `bench/audio_vad_events.py`. {CLIPS} orders of real talkers in each cabin.", ""]
    lines += [*talking(found), "", *silent(found), "", *replying(found)]
    if len(found) == 1:
        lines += ["", "Absent: Silero (onnxruntime or its model is not here)."]
    results = Path(__file__).parent / "results"
    (results / "audio_vad_events.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
