"""The very first reply of a drive, loud, in a recorded voice: writes bench/results/audio_first_reply.md.

The canceller knows neither the room nor the voice when it begins, so what comes back could pass for somebody
who talks over it. Counted is what the listener's onset (carvoice.assistant.onset) makes of the front end's
voice probabilities in the first three seconds:

* only the reply sounds: starts at which it is softened (a first sign of speech) and held (speech has begun);
* a driver talks over it: how many are noticed, and how long after the first word.

The reply is a recorded reader at -17 dBFS, twice the level of the other benches, at four speeds and so
pitches, half of the time from the first moment on; rooms are image sources and decaying noise, couplings -4
to -18 dB, delays 5 to 100 ms. Voices and seeds were used for no tuning; with ``--choosing`` others are taken.

Run: ``PYTHONPATH=. python bench/audio_first_reply.py``.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from audio_room import CABIN_M, DRIVER_M, MICROPHONE_M, RATE, impulse_response
from audio_scenes import SHARED, cabin_noise
from scipy.ndimage import binary_opening
from scipy.signal import fftconvolve, resample_poly

from carvoice.assistant.onset import SpeechOnset
from carvoice.audio import FrontEnd
from carvoice.audio.cabin import cabin_response
from carvoice.records import FloatArray
from training.vad_scenes import active_frames, frame_power

STARTS = 40
SECONDS = 5.0
LISTENED_S = 3.0
REPLY_DBFS = -17.0
BLOCK_FRAMES = 2  # of the assistant's blocks
NOISES = {"quiet, -68 dBFS": ("white", -68.0), "driving, -45 dBFS": ("drive", -45.0)}
LEVELS_DB = (6.0, 0.0, -6.0)  # of the driver, over the echo


@dataclass(frozen=True)
class Start:
    """A first reply: far end and its echo, which begin after lead_s; noise."""

    far: FloatArray
    echo: FloatArray
    noise: FloatArray
    lead_s: float


def sentences(choosing: bool) -> list[Path]:
    """The reader's, half of them for choosing, half for measuring."""
    return sorted((SHARED / "speech" / "ljspeech").rglob("*.flac"))[0 if choosing else 1 :: 2]


def talkers(choosing: bool) -> list[Path]:
    """Orders for measuring, other people's calls for choosing."""
    folders = ("precise",) if choosing else ("coffee-dev",)
    return [path for folder in folders for path in sorted((SHARED / "speech" / folder).rglob("*.flac"))]


def spoken(path: Path, rng: np.random.Generator | None = None) -> FloatArray:
    """From its first word on, loud frames at RMS 1; with a generator at another speed."""
    sound, _ = soundfile.read(path, dtype="float32")
    if rng is not None:
        sound = resample_poly(sound, 10, int(rng.choice((8, 9, 10, 11)))).astype(np.float32)
    found = np.flatnonzero(binary_opening(active_frames(sound), np.ones(3)))
    sound = sound[found[0] * 160 : (found[-1] + 1) * 160]
    power = frame_power(sound)
    return np.asarray(sound / np.sqrt(power[power > 0.1 * power.mean()].mean()), np.float32)


def make_start(seed: int, kind: str, noise_db: float, choosing: bool) -> Start:
    rng = np.random.default_rng([seed, choosing])
    files = sentences(choosing)
    count = int(SECONDS * RATE)
    lead_s = 0.0 if rng.random() < 0.5 else rng.uniform(0.1, 1.5)
    far = np.zeros(count)
    at = int(lead_s * RATE)
    while at < count:
        reply = spoken(files[rng.integers(len(files))], rng)[: count - at]
        far[at : at + len(reply)] = reply
        at += len(reply) + int(0.2 * RATE)
    far *= 10 ** (REPLY_DBFS / 20)
    if rng.random() < 0.5:
        response = cabin_response(rng).astype(np.float64)
    else:
        place = rng.uniform(0.1, 0.9, 3) * CABIN_M
        response = impulse_response(place, MICROPHONE_M, rng.uniform(0.05, 0.09), seed=seed)
    response = np.concatenate([np.zeros(int(rng.uniform(0.005, 0.1) * RATE)), response])
    echo = fftconvolve(far, response)[:count]
    coupling_db = rng.uniform(-18, -4)
    echo *= 10 ** (coupling_db / 20) * np.sqrt(np.mean(far**2) / np.mean(echo**2))
    noise = cabin_noise(SECONDS, seed, kind) * 10 ** (noise_db / 20)
    return Start(far.astype(np.float32), echo.astype(np.float32), noise.astype(np.float32), lead_s)


def listen(mic: FloatArray, far: FloatArray) -> tuple[float | None, float | None]:
    """Seconds to the first sign of speech and to speech, None for never; while the reply sounds."""
    out = FrontEnd().process(mic, far)
    onset = SpeechOnset()
    sign_s = None
    for frame in range(0, len(out.speech) - BLOCK_FRAMES + 1, BLOCK_FRAMES):
        part = slice(frame, frame + BLOCK_FRAMES)
        end_s = (frame + BLOCK_FRAMES) / 100
        if onset.update(out.speech[part], over_reply=bool(out.far_active[part].any())):
            return (end_s if sign_s is None else sign_s), end_s
        if sign_s is None and onset.is_suspected:
            sign_s = end_s
    return sign_s, None


def alone(choosing: bool) -> list[str]:
    lines = ["| only the reply sounds | starts | softened | held |", "|---|---|---|---|"]
    for name, (kind, noise_db) in NOISES.items():
        softened = held = 0
        for seed in range(STARTS):
            start = make_start(seed, kind, noise_db, choosing)
            until = int((start.lead_s + LISTENED_S) * RATE)
            sign_s, begun_s = listen((start.echo + start.noise)[:until], start.far[:until])
            softened += sign_s is not None
            held += begun_s is not None
        lines.append(f"| {name} | {STARTS} | {softened} | {held} |")
        print(lines[-1], flush=True)
    return lines


def talked_over(choosing: bool) -> list[str]:
    lines = [
        "| a driver talks over it | level over the echo | starts | taken for one before | within 0.3 s "
        "| within 1 s | ms p50 | p95 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    files = talkers(choosing)
    for name, (kind, noise_db) in NOISES.items():
        for level_db in LEVELS_DB:
            before, late_s = 0, []
            for seed in range(STARTS):
                start = make_start(1000 + seed, kind, noise_db, choosing)
                rng = np.random.default_rng([seed, choosing, 1])
                talk = spoken(files[rng.integers(len(files))])
                talk = fftconvolve(talk, impulse_response(DRIVER_M, MICROPHONE_M, 0.05, seed=seed % 8))
                first = int((start.lead_s + rng.uniform(0.3, 1.2)) * RATE)
                talk = talk[: len(start.far) - first]
                loud = 10 ** (level_db / 20) * np.sqrt(np.mean(start.echo[int(start.lead_s * RATE) :] ** 2))
                mic = start.echo + start.noise
                mic[first : first + len(talk)] += talk * loud / np.sqrt(np.mean(talk**2))
                begun_s = listen(mic.astype(np.float32), start.far)[1]
                if begun_s is not None and begun_s * RATE < first:
                    before += 1
                else:
                    late_s.append(np.inf if begun_s is None else begun_s - first / RATE)
            late = np.array(late_s)
            p50, p95 = np.percentile(late, (50, 95), method="higher") * 1e3
            lines.append(
                f"| {name} | {level_db:+.0f} dB | {STARTS} | {before} | {np.sum(late <= 0.3)}"
                f" | {np.sum(late <= 1)} | {p50:.0f} | {p95:.0f} |"
            )
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--choosing", action="store_true", help="voices for choosing; writes nothing")
    choosing = parser.parse_args().choosing
    lines = ["Made by `bench/audio_first_reply.py`, which tells what is played.", ""]
    lines += [*alone(choosing), "", *talked_over(choosing)]
    if not choosing:
        (Path(__file__).parent / "results" / "audio_first_reply.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
