"""Measure the embedded speech model and write bench/results/asr-model.md.

`python bench/asr_model.py --held-out FOLDER [--model models/asr-en]`: real coffee orders and digits from
the shared material (CARVOICE_SHARED or ../shared), and orders by held-out voices (training/held_out.py).
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from training.evaluate import (  # noqa: E402
    Recording,
    Score,
    SlotReader,
    build_graph,
    coffee_recordings,
    digit_grammar,
    digit_recordings,
    load_recognizer,
    measure,
    shard_recordings,
)

COFFEE_SNR_DB = (None, 24.0, 18.0, 12.0, 6.0, 0.0)
CAR_SNR_DB = (None, 15.0, 10.0, 5.0, 0.0, -5.0)
DIGIT_SNR_DB = (None, 12.0, 6.0)
HOW = f"""
Streaming in sherpa-onnx on one thread, 160 ms chunks, int8, decoded by the test's own grammar with
nothing around it (no filler, no rejection, no voice-activity gate). Cabin noise is simulated (60-130
km/h, a fifth with an open window) by the same generators that training used, with other random draws;
the SNR is taken against active speech. RTF is processor time over audio time, decoding included, on
{platform.machine()} with other work running.
"""


def table(title: str, note: str, scores: list[Score]) -> str:
    lines = [f"## {title}", "", note, ""]
    lines += [
        "| condition | utterances | all slots right | exact | nothing heard | RTF |",
        "|---|---|---|---|---|---|",
    ]
    for s in scores:
        share = [f"{100 * part / s.count:.1f} %" for part in (s.accepted, s.exact, s.nothing)]
        lines.append(f"| {s.condition} | {s.count} | {' | '.join(share)} | {s.real_time_factor:.4f} |")
    return "\n".join(lines)


def run(
    model: Path,
    grammar: Path,
    recordings: list[Recording],
    slots_of: Callable[[str], dict[str, str] | None],
    conditions: tuple[float | None, ...],
) -> list[Score]:
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.fst"
        words = build_graph(grammar, graph)
        recognizer = load_recognizer(model, str(graph))
    scores = []
    for snr_db in conditions:
        scores.append(measure(recognizer, words, recordings, slots_of, snr_db))
        print(scores[-1].line(), flush=True)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "asr-en")
    parser.add_argument("--held-out", type=Path, help="shards made by training/held_out.py")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "asr-model.md")
    arguments = parser.parse_args()
    shared = Path(os.environ.get("CARVOICE_SHARED", ROOT.parent / "shared"))
    parts = ["# The embedded speech model, measured", " ".join(HOW.split())]
    if arguments.held_out:
        reader = SlotReader(ROOT / "grammars" / "en")
        scores = run(
            arguments.model,
            ROOT / "grammars" / "en",
            shard_recordings(arguments.held_out, reader),
            reader.slots,
            CAR_SNR_DB,
        )
        note = "Orders drawn from the whole car grammar, by five synthetic voices held out of training."
        parts.append(table("Car orders, held-out voices", note, scores))
    coffee = shared / "speech" / "coffee-dev"
    if coffee.exists():
        reader = SlotReader(coffee / "coffee.yaml")
        scores = run(
            arguments.model, coffee / "coffee.yaml", coffee_recordings(coffee), reader.slots, COFFEE_SNR_DB
        )
        note = "Real people; no coffee order was in training."
        parts.append(table("Spoken coffee orders (coffee-dev)", note, scores))
    digits = shared / "speech" / "digits-dev"
    if digits.exists():
        with tempfile.TemporaryDirectory() as folder:
            grammar = digit_grammar(Path(folder))
            scores = run(
                arguments.model, grammar, digit_recordings(digits), lambda text: {"digit": text}, DIGIT_SNR_DB
            )
        parts.append(
            table("Spoken digits (digits-dev)", "Real people, 8 kHz recordings, one word each.", scores)
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
