"""Cabin scenes for the voice activity network: what our front end makes of them, and the truth.

A scene is ten seconds of a talker with pauses (or nobody), cabin noise, and now and then the echo of a reply
or of music, with everything before the network done by the front end itself. Held-out voices are in none of
the shards of ``training.synthesize`` that it is made of.

Command: ``python -m training.vad_scenes AUDIO OUT --scenes 2700``. Writes OUT/NNNNN.npz of 100 scenes
each, and skips those that are there.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_dilation
from scipy.signal import butter, fftconvolve, sosfilt

from carvoice.audio import FrontEnd
from training import noise
from training.augment import change_rate, distort, room
from training.noise import SAMPLE_RATE_HZ, FloatArray, Generator
from training.shards import Shard, tables

FRAME = 160
SECONDS = 10
LENGTH = SECONDS * SAMPLE_RATE_HZ
SCENES_PER_FILE = 100
SEED = 7
RECORDED_SHARE = 0.5  # of the utterances: synthesizers are many voices, but few kinds of voice
HANG_FRAMES = 4  # even
GAP_FRAMES = 10  # closures and hesitations within a word or phrase are speech
BELOW_DB = -30.0  # quieter than this below the utterance's mean is no speech
FOR_ECHO_EXCLUDED = "real-ljspeech"  # the bench plays these


class Speech:
    """Draws utterances from shards."""

    def __init__(self, folder: Path) -> None:
        shards = [Shard.load(table) for table in tables(folder)]
        self._recorded = [shard for shard in shards if shard.name.startswith("real-")]
        self._made = [shard for shard in shards if not shard.name.startswith("real-")]

    def draw(self, rng: Generator, for_echo: bool = False) -> FloatArray:
        """One utterance at unit power of its active part, float32."""
        recorded = self._recorded and rng.random() < RECORDED_SHARE
        shards = self._recorded if recorded else self._made
        if for_echo:
            shards = [shard for shard in shards if shard.name != FOR_ECHO_EXCLUDED]
        shard = shards[int(rng.integers(len(shards)))]
        entry = shard.entries[int(rng.integers(len(shard.entries)))]
        samples = shard.data[entry.start : entry.start + min(entry.length, LENGTH)].astype(np.float32)
        power = frame_power(samples)
        return samples / np.float32(np.sqrt(power[power >= 0.1 * power.mean()].mean()) + 1e-9)


def frame_power(samples: FloatArray) -> FloatArray:
    """Mean square of each whole frame, (n // 160,)."""
    return np.asarray(np.mean(np.square(samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)), axis=1))


def active_frames(samples: FloatArray) -> NDArray[np.bool_]:
    """Frames of one clean utterance that hold speech; a recording's own noise does not count."""
    power = frame_power(samples)
    mean = power.mean() + 1e-12
    threshold = np.clip(4 * np.percentile(power, 10), 10 ** (BELOW_DB / 10) * mean, 0.03 * mean)
    return np.asarray(power > threshold)


def talk(speech: Speech, rng: Generator) -> tuple[FloatArray, NDArray[np.bool_]]:
    """A talker with pauses, in a room, active part at about unit power; and the frames with speech."""
    sound = np.zeros(LENGTH, np.float32)
    spoken = np.zeros(LENGTH // FRAME, bool)
    at = int(rng.uniform(0.05, 3) * SAMPLE_RATE_HZ)
    pauses_s = (0.1, 0.8) if rng.random() < 0.4 else (0.5, 4.0)
    while at < LENGTH:
        at -= at % FRAME
        dry = speech.draw(rng)
        if rng.random() < 0.5:
            dry = change_rate(dry, rng.uniform(0.92, 1.09))
        frames = np.flatnonzero(active_frames(dry)) + at // FRAME
        spoken[frames[frames < len(spoken)]] = True
        wet = distort(room(dry, rng) if rng.random() < 0.85 else dry, rng) * 10 ** (rng.uniform(-4, 4) / 20)
        size = min(len(wet), LENGTH - at)
        sound[at : at + size] += wet[:size].astype(np.float32)
        at += len(dry) + int(rng.uniform(*pauses_s) * SAMPLE_RATE_HZ)
    closed = binary_closing(np.pad(spoken, GAP_FRAMES), np.ones(GAP_FRAMES + 1))[GAP_FRAMES:-GAP_FRAMES]
    hang = binary_dilation(closed, np.ones(HANG_FRAMES + 1), origin=-(HANG_FRAMES // 2))
    return sound, np.asarray(hang)


def machine(rng: Generator) -> FloatArray:
    """Noise of any colour that swells or flutters, and hums: what no list of kinds foresees."""
    kind = str(rng.choice(["lowpass", "bandpass", "highpass"], p=[0.6, 0.25, 0.15]))
    low_hz = 60 * 60 ** rng.random()
    edges_hz = (low_hz, min(low_hz * rng.uniform(1.5, 6), 7500)) if kind == "bandpass" else low_hz
    filters = butter(int(rng.integers(1, 3)), edges_hz, kind, fs=SAMPLE_RATE_HZ, output="sos")
    sound = noise.unit(sosfilt(filters, rng.standard_normal(LENGTH)))
    time_s = np.arange(LENGTH) / SAMPLE_RATE_HZ
    if rng.random() < 0.5:
        knots = rng.standard_normal(int(SECONDS * 0.3 * 60 ** rng.random()) + 2)
        swell = np.interp(time_s, np.linspace(0, SECONDS, len(knots)), knots)
        sound = sound * np.exp(rng.uniform(0, 1) * swell).astype(np.float32)
    if rng.random() < 0.3:
        turn = 2 * np.pi * rng.uniform(2, 30) * time_s
        sound = sound * (1 + rng.uniform(0, 0.95) * np.sin(turn)).astype(np.float32)
    if rng.random() < 0.5:
        base_hz, is_harmonic = 60 * 40 ** rng.random(), rng.random() < 0.5
        for order in range(1, int(rng.integers(2, 7))):
            hz = base_hz * order if is_harmonic else 60 * 60 ** rng.random()
            phase = 2 * np.pi * hz * (time_s + rng.uniform(0, 0.002) * np.sin(rng.uniform(0.1, 3) * time_s))
            sound = sound + (rng.uniform(0.01, 0.4) / order * np.sin(phase)).astype(np.float32)
    return noise.unit(sound)


def cabin(speech: Speech, rng: Generator) -> FloatArray:
    """Noise of about unit power; now and then it sets in, or a window is opened, in the middle."""
    draw = rng.random()
    if draw < 0.4:
        sound = noise.draw(LENGTH, [speech.draw(rng) for _ in range(4)], rng)
    elif draw < 0.6:
        sound = noise.cabin(LENGTH, rng.uniform(20, 160), rng, window_open=True)
    elif draw < 0.85:
        sound = machine(rng)
    else:
        events = (noise.indicator, noise.horn, noise.music, noise.clatter)
        sound = events[int(rng.integers(len(events)))](LENGTH, rng)
    if rng.random() < 0.15:
        step = np.clip((np.arange(LENGTH) - rng.uniform(0.1, 0.9) * LENGTH) / (0.3 * SAMPLE_RATE_HZ), 0, 1)
        sound = sound * (10 ** (-rng.uniform(6, 30) / 20) + step).astype(np.float32)
    return sound


def played(speech: Speech, rng: Generator) -> FloatArray:
    """What the loudspeaker plays: replies, or music, from somewhere in the scene on."""
    if rng.random() < 0.35:
        sound = noise.music(LENGTH, rng)
    else:
        sound = np.zeros(LENGTH, np.float32)
        at = 0
        while at < LENGTH:
            reply = speech.draw(rng, for_echo=True)
            size = min(len(reply), LENGTH - at)
            sound[at : at + size] += reply[:size]
            at += size + int(rng.uniform(0.05, 0.6 if rng.random() < 0.7 else 3) * SAMPLE_RATE_HZ)
    start = 0 if rng.random() < 0.4 else int(rng.uniform(0, 6) * SAMPLE_RATE_HZ)
    sound[:start] = 0
    return sound * np.float32(10 ** (rng.uniform(-35, -12) / 20))


def echo_of(far: FloatArray, rng: Generator) -> FloatArray:
    """The loudspeaker's sound at the microphone, of unit power: at times overdriven, in a small room."""
    size = np.sqrt(np.mean(np.square(far))) + 1e-9
    draw = rng.random()
    if draw < 0.15:
        far = np.clip(far, -rng.uniform(1, 3) * size, rng.uniform(1, 3) * size)
    elif draw < 0.3:
        far = np.tanh(far / (rng.uniform(1.5, 5) * size)) * size
    tail = int(rng.uniform(0.04, 0.16) * SAMPLE_RATE_HZ)
    response = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail) * rng.uniform(0.05, 0.4)
    response[0] += 1.0
    delay = int(rng.uniform(0.002, 0.15) * SAMPLE_RATE_HZ)
    echo = np.concatenate([np.zeros(delay), fftconvolve(far, response)])[:LENGTH]
    return np.asarray(echo / (np.sqrt(np.mean(np.square(echo))) + 1e-9), np.float32)


def make_scene(speech: Speech, rng: Generator) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Features (1000, 70) and truth (1000,) of one scene."""
    loudness = 10 ** (rng.uniform(-48, -14) / 20)  # of the talker
    spoken = np.zeros(LENGTH // FRAME, bool)
    mic = np.zeros(LENGTH, np.float32)
    if rng.random() < 0.8:
        mic, spoken = talk(speech, rng)
        mic = mic * np.float32(loudness)
    if rng.random() < 0.95:
        mic = mic + 10 ** (rng.uniform(-90, -65) / 20) * rng.standard_normal(LENGTH).astype(np.float32)
    if rng.random() < 0.9:
        snr_db = rng.uniform(-6, 30) if rng.random() < 0.5 else rng.uniform(-6, 15)
        mic = mic + cabin(speech, rng) * np.float32(loudness * 10 ** (-snr_db / 20))
    far = None
    if rng.random() < 0.4:
        far = played(speech, rng)
        mic = mic + echo_of(far, rng) * np.float32(loudness * 10 ** (rng.uniform(-20, 16) / 20))
    features = FrontEnd().voice_features(np.clip(mic, -1, 1).astype(np.float32), far)
    late = np.concatenate([[False], spoken[:-1]])  # the front end's window lags by one frame
    return features.astype(np.float16), late


def main() -> None:
    """Make the files that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("audio", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=int, default=2700)
    args = parser.parse_args()
    speech = Speech(args.audio)
    args.out.mkdir(parents=True, exist_ok=True)
    for first in range(0, args.scenes, SCENES_PER_FILE):
        path = args.out / f"{first:05d}.npz"
        if path.exists():
            continue
        made = [
            make_scene(speech, np.random.default_rng([7, n])) for n in range(first, first + SCENES_PER_FILE)
        ]
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, features=[f for f, _ in made], spoken=[s for _, s in made])
        os.replace(partial, path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
