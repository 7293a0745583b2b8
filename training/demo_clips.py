"""Make the demonstration clips: spoken orders by voices the model never heard in training, some in a noisy
cabin.

Command: `python -m training.demo_clips carvoice/data/demo`.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from training import noise
from training.noise import SAMPLE_RATE_HZ, FloatArray
from training.synthesize import Utterance, espeak, festival, flite, tidy


@dataclass(frozen=True, slots=True)
class Clip:
    """What to say, with which held-out voice, at which speed of the car (None: standing, silent) and SNR."""

    name: str
    voice: str
    text: str
    speed_kmh: float | None = None
    snr_db: float = 15.0


CLIPS = (
    Clip("set_temperature", "flite:rms", "set the temperature to twenty one degrees"),
    Clip("open_driver_window_halfway", "festival:ked", "open the driver window halfway", 60, 15),
    Clip("seat_heating", "espeak:en-us+adam", "turn on the seat heating"),
    Clip("rear_defroster", "flite:rms", "turn on the rear defroster", 100, 12),
    Clip("next_song", "festival:ked", "play the next song"),
    Clip("fan_speed_four", "flite:rms", "set the fan speed to four", 60, 15),
    Clip("outside_temperature", "espeak:en-gb+Andrea", "what is the outside temperature"),
    Clip("open_driver_door", "flite:rms", "open the driver door", 60, 15),
    Clip("too_cold", "festival:ked", "it is too cold"),
    Clip("close_all_windows", "flite:rms", "close all windows", 60, 15),
    Clip("volume_up", "espeak:en-us+m6", "turn the volume up"),
    Clip("navigate_home", "flite:rms", "navigate home"),
    Clip("how_a_hybrid_works", "flite:rms", "can you explain how a hybrid engine works"),
    Clip("chat_late_for_dinner", "festival:ked", "i told him that we would be late for dinner"),
)


class SteadyRandom(random.Random):
    """Answers every draw with the middle of its range, so that a voice speaks at its natural rate and
    pitch.
    """

    def uniform(self, a: float, b: float) -> float:
        """Return the middle."""
        return (a + b) / 2

    def randint(self, a: int, b: int) -> int:
        """Return the middle."""
        return (a + b) // 2


def speak(voice: str, text: str) -> Utterance:
    """Say `text` with `flite:NAME`, `festival:ked` or `espeak:ACCENT+VARIANT`."""
    engine, _, name = voice.partition(":")
    rng = SteadyRandom(1)
    if engine == "flite":
        utterance = flite(text, rng, name)
    elif engine == "festival":
        utterance = next(festival([text], rng, "voice_ked_diphone"), None)
    else:
        accent, _, variant = name.partition("+")
        utterance = espeak(text, rng, variant, accent)
    if utterance is None:
        raise RuntimeError(f"{voice} could not say {text!r}")
    return utterance


def render(clip: Clip) -> FloatArray:
    """Return the clip with 0.6 s before and 1.0 s after the speech, in its cabin's noise."""
    trimmed = tidy(speak(clip.voice, clip.text).samples)
    if trimmed is None:
        raise RuntimeError(f"{clip.voice} said nothing for {clip.text!r}")
    speech = trimmed.astype(np.float32) / 32768 * 0.5
    power = np.mean(np.square(speech))
    samples = np.pad(speech, (int(0.6 * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ))
    rng = np.random.default_rng([len(clip.name), *clip.name.encode()])
    floor = 3e-4 * noise.coloured(len(samples), 1.0, rng)
    if clip.speed_kmh is not None:
        floor = noise.cabin(len(samples), clip.speed_kmh, rng) * np.sqrt(power) * 10 ** (-clip.snr_db / 20)
    return np.clip(samples + floor, -1, 1).astype(np.float32)


def main() -> None:
    """Write the clips and `clips.toml`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    lines = ["# Clips spoken by voices held out of training (made by training/demo_clips.py)."]
    for clip in CLIPS:
        soundfile.write(out / f"{clip.name}.wav", render(clip), SAMPLE_RATE_HZ, subtype="PCM_16")
        where = (
            "quiet" if clip.speed_kmh is None else f"cabin at {clip.speed_kmh:g} km/h, {clip.snr_db:g} dB SNR"
        )
        lines += ["", "[[clip]]", f'file = "{clip.name}.wav"', f'voice = "{clip.voice}"']
        lines += [f'noise = "{where}"', f'text = "{clip.text}"']
    (out / "clips.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
