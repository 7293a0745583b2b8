"""Spoken orders with and without the front end, paired: python bench/audio_orders.py FOLDER.

FOLDER holds the held-out test of `python -m training.held_out FOLDER --grammar grammars/en`: orders drawn
from the shipped grammar, spoken by voices the model was never trained on. Each is heard in the simulated
cabin and recognized by the embedded model and the shipped grammar, as the microphone has it and as the front
end hands it on. Writes bench/results/audio_orders.md;
`--variants` adds other settings of the front end, to choose by.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy as np
from audio_room import DRIVER_M, LOUDSPEAKER_M, MICROPHONE_M, RATE, impulse_response
from audio_scenes import cabin_noise, music, speech
from rapidfuzz.distance import Levenshtein
from scipy.signal import fftconvolve

from carvoice.assistant import rooms
from carvoice.audio import FrontEnd, FrontEndSettings
from carvoice.config import Config
from carvoice.grammar.lexicon import Lexicon
from carvoice.records import Hypothesis
from training.shards import Shard, tables

RESULT = Path(__file__).parent / "results" / "audio_orders.md"
LEAD = 3 * RATE  # the cabin before the order, in which the canceller finds the echo
PRE_ROLL, POST_ROLL = 2 * RATE // 5, RATE // 5  # what the listener gives around an order
CHUNK = 320
MICROPHONE, FRONT_END = "microphone", "front end"

# name: noise kind and SNR, echo kind and signal-to-echo ratio, dB
CONDITIONS: dict[str, tuple[str | None, float, str | None, float]] = {
    "quiet": (None, 0, None, 0),
    "drive 15 dB": ("drive", 15, None, 0),
    "drive 5 dB": ("drive", 5, None, 0),
    "wind 10 dB": ("wind", 10, None, 0),
    "rain 10 dB": ("rain", 10, None, 0),
    "fan 5 dB": ("fan", 5, None, 0),
    "music as loud as the talker": (None, 0, "music", 0),
    "music 10 dB louder": (None, 0, "music", -10),
    "a voice as loud as the talker": (None, 0, "speech", 0),
    "music as loud, drive 10 dB": ("drive", 10, "music", 0),
}
VARIANTS: dict[str, tuple[dict[str, object], str]] = {
    FRONT_END: ({}, "asr"),
    "no high-pass": ({"highpass_hz": 0.0}, "asr"),
    "high-pass 20 Hz": ({"highpass_hz": 20.0}, "asr"),
    "echo share 0": ({"asr_echo_share": 0.0}, "asr"),
    "echo share 0.8": ({"asr_echo_share": 0.8}, "asr"),
    "noise share 0.3": ({"asr_noise_share": 0.3}, "asr"),
    "vad output": ({}, "vad"),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What was said, and what it means to the grammar."""

    sound: np.ndarray
    text: str
    meaning: object


class Ear:
    """Embedded recognizer and understanding over the shipped grammar."""

    def __init__(self) -> None:
        config, lexicon = Config(), Lexicon.load()
        automaton = rooms.build_automaton(config.language)
        self._recognizer = rooms.build_recognizer(automaton, lexicon, config)
        self._understander = rooms.build_understander(automaton, lexicon, config.nlu)

    def meaning(self, hypothesis: Hypothesis) -> object:
        """Intent and slots of the best reading, None if it is rejected."""
        best = self._understander.parse(hypothesis)[0]
        if best.rejected:
            return None
        return best.intent, tuple(sorted((name, str(slot.value)) for name, slot in best.slots.items()))

    def hear(self, sound: np.ndarray) -> Hypothesis:
        """Recognize in the listener's chunks."""
        stream = self._recognizer.create_stream()
        for start in range(0, len(sound), CHUNK):
            stream.accept(sound[start : start + CHUNK])
        return stream.finish()


def orders(folder: Path, ear: Ear) -> list[Order]:
    out = []
    for table in tables(folder):
        for entry, samples in Shard.load(table).items():
            sound = samples.astype(np.float64) / 32768
            out.append(Order(sound, entry.text, ear.meaning(Hypothesis(entry.text))))
    return out


def cabin(order: Order, name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What the microphone hears and what the loudspeaker plays, float32."""
    noise_kind, snr_db, echo_kind, ser_db = CONDITIONS[name]
    talk = fftconvolve(order.sound, impulse_response(DRIVER_M, MICROPHONE_M, 0.05, seed=seed % 7))
    loud = np.abs(talk) > 0.05 * np.max(np.abs(talk))
    talk *= 10 ** (-26 / 20) / np.sqrt(np.mean(talk[loud] ** 2))
    level = 10 ** (-26 / 20)
    near = np.concatenate([np.zeros(LEAD), talk, np.zeros(RATE)])
    count = len(near)
    mic = near + level * 10 ** (-35 / 20) * cabin_noise(count / RATE + 0.1, seed, "white")[:count]
    if noise_kind is not None:
        mic += level * 10 ** (-snr_db / 20) * cabin_noise(count / RATE + 0.1, seed, noise_kind)[:count]
    far = np.zeros(count)
    if echo_kind is not None:
        seconds = count / RATE + 0.1
        far = (music(seconds, seed) if echo_kind == "music" else speech("ljspeech", seconds, seed))[:count]
        echo = fftconvolve(far, impulse_response(LOUDSPEAKER_M, MICROPHONE_M, seed=seed % 7))[:count]
        echo = np.concatenate([np.zeros(int(0.06 * RATE)), echo])[:count]
        mic += echo * level * 10 ** (-ser_db / 20) / np.sqrt(np.mean(echo**2))
    return mic.astype(np.float32), far.astype(np.float32)


def cleaned(mic: np.ndarray, far: np.ndarray, how: dict[str, object], output: str) -> np.ndarray:
    front_end = FrontEnd(FrontEndSettings(**how))  # type: ignore[arg-type]
    out = getattr(front_end.process(mic, far), output)
    return np.asarray(out[front_end.latency_samples :])


def sign_test(better: int, worse: int) -> float:
    """Probability of so uneven a split, or more, if neither were better (two-sided)."""
    count, less = better + worse, min(better, worse)
    return min(1.0, 2 * sum(comb(count, k) for k in range(less + 1)) / 2**count) if count else 1.0


def interval(with_it: list[int], without: list[int], words: int) -> tuple[float, float]:
    """95 % interval of the difference in word errors, points: bootstrap over the orders, paired."""
    difference = np.subtract(with_it, without)
    rng = np.random.default_rng(0)
    drawn = difference[rng.integers(len(difference), size=(10_000, len(difference)))].sum(axis=1)
    low, high = np.percentile(100 * drawn / words, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--variants", action="store_true")
    parser.add_argument("--conditions", nargs="*", default=list(CONDITIONS))
    arguments = parser.parse_args()
    ear = Ear()
    said = orders(arguments.folder, ear)
    words = sum(len(order.text.split()) for order in said)
    systems = VARIANTS if arguments.variants else {FRONT_END: VARIANTS[FRONT_END]}
    columns = [MICROPHONE, *systems]
    lines = [
        f"{len(said)} orders of voices unknown to the model, {words} words; embedded model, shipped grammar;",
        "made by bench/audio_orders.py. Understood: intent and every slot as of the words that were said.",
        "Difference: of the word errors, with the front end less without, points, and its 95 % interval",
        "(paired bootstrap over the orders). Better and worse: orders understood only with, only without the",
        "front end; p: of so uneven a split by chance.",
        "",
        "| condition | "
        + " | ".join(f"{name}: word errors %, understood %" for name in columns)
        + " | difference | better | worse | p |",
        "|---|" + "---|" * (len(columns) + 4),
    ]
    for condition in arguments.conditions:
        wrong: dict[str, list[int]] = {name: [] for name in columns}
        right: dict[str, list[bool]] = {name: [] for name in columns}
        for seed, order in enumerate(said):
            mic, far = cabin(order, condition, seed)
            part = slice(LEAD - PRE_ROLL, len(mic) - RATE + POST_ROLL)
            plainly = ear.hear(np.ascontiguousarray(mic[part]))
            for name in columns:
                sound = mic if name == MICROPHONE else cleaned(mic, far, *systems[name])
                same = np.array_equal(sound[part], mic[part])  # then it need not be heard again
                heard = plainly if same else ear.hear(np.ascontiguousarray(sound[part]))
                wrong[name].append(Levenshtein.distance(order.text.split(), heard.text.split()))
                right[name].append(ear.meaning(heard) == order.meaning)
        cells = [
            f"{100 * sum(wrong[name]) / words:.1f}, {100 * np.mean(right[name]):.1f}" for name in columns
        ]
        change = 100 * (sum(wrong[FRONT_END]) - sum(wrong[MICROPHONE])) / words
        low, high = interval(wrong[FRONT_END], wrong[MICROPHONE], words)
        pairs = list(zip(right[MICROPHONE], right[FRONT_END], strict=True))
        better, worse = pairs.count((False, True)), pairs.count((True, False))
        lines.append(
            f"| {condition} | {' | '.join(cells)} | {change:+.1f} ({low:+.1f} to {high:+.1f})"
            f" | {better} | {worse} | {sign_test(better, worse):.3g} |"
        )
        print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    if arguments.variants or arguments.conditions != list(CONDITIONS):
        print(text)
    else:
        RESULT.write_text(text)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
