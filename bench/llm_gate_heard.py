"""The gate of ``llm_gate.py`` on what is heard, not on what is written.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/llm_gate_heard.py FOLDER

FOLDER keeps the sound, which is synthesized when it is not there: the English test sentences of
``llm_data/questions.tsv``, by voices held out of training in turn. They are heard by the recognizer that
ships, clean and in a simulated cabin. What is understood as an order counts as such; of the rest the free
words are judged, as the assistant does. Writes ``bench/results/llm_gate_heard.md``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from asr_calibrate import cabin
from asr_listening import CarEars, FinalsStream
from rapidfuzz.distance import Levenshtein

from carvoice.asr.evaluate import Condition
from carvoice.llm.gate import question_score
from carvoice.records import SAMPLE_RATE_HZ
from training.held_out import VOICES
from training.shards import Shard, tables
from training.synthesize import synthesize

HERE = Path(__file__).parent
RESULT = HERE / "results" / "llm_gate_heard.md"
CONDITIONS = (Condition("clean"), Condition("cabin, 10 dB", cabin, 10.0))
THRESHOLDS = (0.5, 0.7, 0.8, 0.9)
LEVEL = 0.4
SEED = 17


def sentences() -> dict[str, str]:
    """Kind ("q" or "c") of each test sentence, by its words as they are spoken."""
    lines = (HERE / "llm_data" / "questions.tsv").read_text(encoding="utf-8").splitlines()[1::2]
    return {text.lower().strip(" ?."): kind for kind, text in (line.split("\t") for line in lines)}


def spoken(folder: Path, texts: list[str]) -> None:
    for index, (kind, name, _) in enumerate(VOICES):
        synthesize(kind, texts[index :: len(VOICES)], folder, name, SEED)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    kinds = sentences()
    if not args.folder.is_dir():
        spoken(args.folder, list(kinds))
    ears = CarEars()
    stream = FinalsStream(ears.recognizer)
    pad = np.zeros(SAMPLE_RATE_HZ // 2, np.float32)
    lines = [
        "# Open question or cabin chatter, heard",
        "Made by `bench/llm_gate_heard.py`: the English test sentences of `llm_gate.md`, spoken by synthetic "
        "voices held out of training. *Orders* were understood as one (asked back or done).",
        "| heard | threshold | questions let through | chatter let through | orders, of questions / chatter "
        "| word errors, % |\n|---|---|---|---|---|---|",
    ]
    for number, condition in enumerate(CONDITIONS):
        scores: dict[str, list[float]] = {"q": [], "c": []}
        orders, errors, words = {"q": 0, "c": 0}, 0, 0
        for table in tables(args.folder):
            for index, (entry, data) in enumerate(Shard.load(table).items()):
                sound = np.concatenate([pad, LEVEL * np.asarray(data, np.float32) / 32768, pad])
                stream.accept(condition.apply(sound, (SEED, number, index)))
                heard = stream.finish()
                kind, text = kinds[entry.text], heard.open_text or heard.text
                errors += Levenshtein.distance(entry.text.split(), text.split())
                words += len(entry.text.split())
                is_order = any(item.rejected is None for item in ears.understander.parse(heard))
                orders[kind] += is_order
                scores[kind].append(0.0 if is_order else question_score(text))
        for threshold in THRESHOLDS:
            through = {kind: sum(score >= threshold for score in some) for kind, some in scores.items()}
            shares = [
                f"{through[kind]}/{len(scores[kind])} ({through[kind] / len(scores[kind]):.0%})"
                for kind in ("q", "c")
            ]
            lines[-1] += (
                f"\n| {condition.name} | {threshold} | {shares[0]} | {shares[1]} "
                f"| {orders['q']} / {orders['c']} | {100 * errors / words:.0f} |"
            )
    text = "\n\n".join(lines) + "\n"
    print(text)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
