"""Commands taken from what holds none: hours of speech outside the grammar, and of noise without speech.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_false_accepts.py WORK --audio SHARDS [SHARDS ...]
        --speech SPEECH [--hours 10] [--seed 11] [--processes 2]

SHARDS are folders of synthesized utterances (training/synthesize.py), SPEECH a folder with ``manifest.tsv``
of real recordings. Lines that hold a command of two words or more are left out. The rest is strung together
to scenes of three minutes in a simulated cabin and heard by the assistant's ears as they ship, always
listening. What is taken from an order that the grammar does not hold ("add a stop at the gas
station", where the grammar says it otherwise) counts in a row of its own. Every scene is kept in
WORK/false-*.jsonl, a file for each weights and seed, so a run that was stopped goes on. Seeds other than 11
are for development. Writes ``bench/results/asr-false-accepts.md``.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from asr_listening import ANSWERS, CarEars
from asr_rows import kept_rows, rows_of

from carvoice.asr.evaluate import active_power
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from training import noise
from training.shards import Shard, tables

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "asr-false-accepts.md"
SCENE_S = 180.0
SNR_DB = (5.0, 30.0)
# Shares of the hours. Synthesized speech has many voices, the recordings are real people.
SHARES = {"synthesized speech": 0.5, "recorded speech": 0.2, "cabin noise": 0.15, "music and babble": 0.15}
FREE_ORDER = re.compile(
    "(navigate to|take me to|drive to|how do i get to|find a route to|call|phone|text|ring|send a message to|"
    "play (songs by|the album|the song|some)) "
)
IN_BABBLE = 40  # sentences, said over each other
LEFT_OUT = ("coffee-dev", "digits-dev")


def synthesized(folders: list[Path], rng: np.random.Generator) -> list[tuple[Path, int]]:
    """All utterances, as shard and number, mixed."""
    found = []
    for folder in folders:
        for table in tables(folder):
            found += [(table, number) for number in range(len(Shard.load(table).entries))]
    return [found[i] for i in rng.permutation(len(found))]


def recorded(folder: Path, rng: np.random.Generator) -> list[tuple[Path, str]]:
    """All recordings but the sets that are only for measuring recognition, mixed."""
    rows = [
        line.split("\t") for line in (folder / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    rows = [row for row in rows if not row[0].startswith(LEFT_OUT)]
    return [(folder / rows[i][0], rows[i][4]) for i in rng.permutation(len(rows))]


def holds_command(text: str, ears: CarEars) -> bool:
    """Whether two or more of the words, in a row, are a command, or the whole of it is."""
    words = re.sub("[^a-z' ]", " ", text.lower()).split()
    spans = [(a, b) for a in range(len(words)) for b in range(a + 2, min(len(words), a + 14) + 1)]
    return any(ears.meaning(" ".join(words[a:b])) for a, b in [(0, len(words)), *spans])


def is_like_order(text: str, ears: CarEars) -> bool:
    """Whether it is an order, though none of the grammar's: worded otherwise, about what this car has not, or
    to a place, a contact or a title that it does not know.

    So is what begins as a command of the grammar and takes half its words, the most frequent of English
    aside, from it; what begins as ``training/text.py`` begins free orders; and what the understanding takes
    for a command by its sound.
    """
    words = text.split()
    telling = [word for word in words if word not in ears.frequent]
    if FREE_ORDER.match(text):
        return True
    if telling and ears.may_begin(" ".join(words[:2])) and 2 * ears.known_words(telling) >= len(telling):
        return True
    found = ears.understander.parse(text)
    return any(item.rejected is None and does_something(item.intent) for item in found)


@dataclass(frozen=True)
class Line:
    """What is said in a scene, and when."""

    text: str
    start_s: float
    end_s: float


class Scenes:
    """Makes scene number n of a kind; the same in every run of a seed."""

    def __init__(self, audio: list[Path], speech: Path, seed: int) -> None:
        self._seed = seed
        rng = np.random.default_rng(seed)
        self.synthesized = synthesized(audio, rng)
        self.recorded = recorded(speech, rng)
        self._shards: dict[Path, Shard] = {}

    def _utterance(self, kind: str, number: int) -> tuple[str, FloatArray]:
        if kind == "recorded speech":
            path, text = self.recorded[number % len(self.recorded)]
            return text, soundfile.read(path, dtype="float32")[0]
        table, index = self.synthesized[number % len(self.synthesized)]
        shard = self._shards.setdefault(table, Shard.load(table))
        entry = shard.entries[index]
        data = shard.data[entry.start : entry.start + entry.length]
        return entry.text, np.asarray(data, np.float32) / 32768

    def babbling(self, number: int) -> list[tuple[str, FloatArray]]:
        """What the voices of a babble may say."""
        return [self._utterance("synthesized speech", number * IN_BABBLE + i) for i in range(IN_BABBLE)]

    def make(self, kind: str, number: int, ears: CarEars) -> tuple[FloatArray, list[Line]]:
        """The sound, and what is said in it."""
        rng = np.random.default_rng([self._seed, number, *kind.encode()])
        length = int(SCENE_S * SAMPLE_RATE_HZ)
        if kind == "cabin noise":
            sound = noise.cabin(length, float(rng.uniform(0, 160)), rng, rng.random() < 0.2)
            for _ in range(10):  # and things that happen: rain, indicator, horn, clatter
                piece = noise.draw(int(rng.uniform(1, 8) * SAMPLE_RATE_HZ), [], rng)
                start = int(rng.integers(length - len(piece)))
                sound[start : start + len(piece)] += piece * rng.uniform(0.2, 1.5)
            return np.asarray(0.03 * sound, np.float32), []
        if kind == "music and babble":
            talkers = [sound for _, sound in self.babbling(number)]
            sounds = noise.music(length, rng), noise.babble(length, talkers, rng)
            sound = sounds[number % 2] + 0.2 * noise.cabin(length, 60.0, rng)
            return np.asarray(0.05 * sound, np.float32), []
        return self._talk(kind, number, rng, ears)

    def _talk(
        self, kind: str, number: int, rng: np.random.Generator, ears: CarEars
    ) -> tuple[FloatArray, list[Line]]:
        length = int(SCENE_S * SAMPLE_RATE_HZ)
        sound, said = np.zeros(length, np.float32), list[Line]()
        stride = 220  # more utterances than a scene can hold
        at, index = int(0.5 * SAMPLE_RATE_HZ), number * stride
        while index < (number + 1) * stride:
            text, speech = self._utterance(kind, index)
            index += 1
            if holds_command(text, ears):
                continue
            speech = speech * (0.05 * 10 ** (rng.uniform(-8, 4) / 20) / np.sqrt(active_power(speech) + 1e-12))
            if at + len(speech) > length:
                break
            sound[at : at + len(speech)] += speech
            said.append(Line(text, at / SAMPLE_RATE_HZ, (at + len(speech)) / SAMPLE_RATE_HZ))
            at += len(speech) + int(
                rng.choice([rng.uniform(0.05, 0.4), rng.uniform(0.4, 2.5)]) * SAMPLE_RATE_HZ
            )
        level = 0.05 * 10 ** (-rng.uniform(*SNR_DB) / 20)
        cabin = noise.cabin(length, float(rng.choice([0, 60, 100, 130])), rng, rng.random() < 0.1)
        return np.asarray(sound + level * cabin, np.float32), said


_ears: CarEars | None = None
_scenes: Scenes | None = None


def start(model: Path | None, audio: list[Path], speech: Path, seed: int) -> None:
    global _ears, _scenes
    _ears, _scenes = CarEars(model), Scenes(audio, speech, seed)


def job(item: tuple[str, int]) -> dict[str, Any]:
    assert _ears is not None
    assert _scenes is not None
    kind, number = item
    sound, said = _scenes.make(kind, number, _ears)
    began = time.process_time()
    taken = _ears.hear(sound)
    cpu_s = time.process_time() - began
    babbling = _scenes.babbling(number) if kind == "music and babble" and number % 2 else []
    babbled = [meaning for text, _ in babbling for meaning in _ears.meaning(text)]
    rows = []
    for command in taken:
        around = [line for line in said if line.start_s < command.end_s and line.end_s > command.start_s]
        rows.append(
            {
                **asdict(command),
                "said": [line.text for line in around],
                "is_like_order": any(is_like_order(line.text, _ears) for line in around),
                "is_babbled": command.meaning in babbled,
            }
        )
    return {
        "kind": kind,
        "sound_s": len(sound) / SAMPLE_RATE_HZ,
        "utterances": len(said),
        "like_orders": sum(is_like_order(line.text, _ears) for line in said),
        "cpu_s": cpu_s,
        "taken": rows,
    }


def does_something(intent: str) -> bool:
    """Whether the command acts by itself; answers and corrections need a command or question before them."""
    return intent not in ANSWERS and intent != "SystemCancel" and not intent.startswith("Context")


def table(rows: list[dict[str, Any]], least: float, sure: float) -> str:
    lines = ["# False accepts\n"]
    lines.append(
        "Made by `bench/asr_false_accepts.py`: speech without a command and noise without speech, heard by "
        "the assistant as it ships, always listening without a wake phrase. *Acted upon* are commands of "
        f"confidence {sure:g} and more; from {least:g} a command counts only when the driver had called the "
        "assistant, and is asked back. A stray yes, no or correction counts for nothing, since nothing "
        "was asked. Lines that are commands word for word are left out; voices of a babble say some, and "
        "what was understood of these is counted apart, below the table. Orders that the grammar does not "
        "hold, worded otherwise, about what this car has not or to places and people it does not know, are "
        "spoken to the assistant and have a row of their own (told by their first words and their share of "
        "the grammar's words: see `is_like_order`). Synthesized speech is broad English and car talk by "
        "espeak-ng, flite, "
        "festival, Pico and CMU ARCTIC voices, recorded speech read sentences, wake-word clips and single "
        "words of real people, 5-30 dB above a simulated cabin, for the most part without a pause that "
        "would be worth the name. Most of these voices (not their noise) were in training: expect rates of "
        "this order, not exactly these.\n"
    )
    lines.append("| what is heard | hours | utterances | acted upon | per hour | asked back at most | RTF |")
    lines.append("|---|---|---|---|---|---|---|")
    for kind in [*SHARES, "all"]:
        some = [row for row in rows if kind in (row["kind"], "all")]
        if not some:
            continue
        hours = sum(row["sound_s"] for row in some) / 3600
        taken = [command for command in accepted(some) if not command["is_like_order"]]
        acted = sum(command["confidence"] >= sure for command in taken)
        cpu = sum(row["cpu_s"] for row in some) / 3600 / hours
        count = sum(row["utterances"] - row["like_orders"] for row in some)
        lines.append(
            f"| {kind} | {hours:.2f} | {count} | {acted} | {acted / hours:.2f} "
            f"| {len(taken) - acted} | {cpu:.3f} |"
        )
    taken = [command for command in accepted(rows) if command["is_like_order"]]
    acted = sum(command["confidence"] >= sure for command in taken)
    count = sum(row["like_orders"] for row in rows)
    lines.append(
        f"| orders that the grammar does not hold | | {count} | {acted} | | {len(taken) - acted} | |"
    )
    babbled = sum(command["is_babbled"] for row in rows for command in row["taken"])
    lines.append(f"\nCommands that a voice of a babble said, and that were understood: {babbled}.")
    for title, like in (
        ("The surest of the false commands", False),
        ("The surest of those from orders", True),
    ):
        some = [command for command in accepted(rows) if command["is_like_order"] == like]
        some.sort(key=lambda command: -command["confidence"])
        if some:
            heard = "; ".join(
                f"{command['text']!r} ({command['intent']}, {command['confidence']:.2f}) from "
                + " / ".join(map(repr, command["said"]))
                for command in some[:12]
            )
            lines.append(f"\n{title}: {heard}.")
    lines.append("\nTarget: less than one in ten hours, 0.1 per hour.")
    return "\n".join(lines) + "\n"


def accepted(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The commands taken that would do something, and that nobody said."""
    taken = [command for row in rows for command in row["taken"]]
    return [item for item in taken if does_something(item["intent"]) and not item["is_babbled"]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--audio", type=Path, nargs="+", required=True)
    parser.add_argument("--speech", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--hours", type=float, default=10.2)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    args = parser.parse_args()
    counts = {kind: max(1, round(share * args.hours * 3600 / SCENE_S)) for kind, share in SHARES.items()}
    picks = [(kind, number) for kind, count in counts.items() for number in range(count)]
    picks.sort(key=lambda pick: (pick[1] + 0.5) / counts[pick[0]])  # a part of them holds the kinds in shares
    kept = kept_rows(args.work, f"false-{args.seed}", args.model)
    jobs = {f"{kind} {number}": (kind, number) for kind, number in picks}
    rows = rows_of(kept, jobs, job, start, (args.model, args.audio, args.speech, args.seed), args.processes)
    nlu = CarEars(args.model).config.nlu
    text = table(rows, nlu.min_confidence, nlu.sure_confidence)
    print(text)
    if not args.no_write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
