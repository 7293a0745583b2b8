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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import kaldifst  # noqa: E402

from carvoice.asr.acoustic import AcousticModel  # noqa: E402
from carvoice.asr.graph import store  # noqa: E402
from carvoice.asr.models import load_model  # noqa: E402
from carvoice.asr.nbest import PathFinder, best_paths  # noqa: E402
from carvoice.asr.posteriors import Posteriors  # noqa: E402
from carvoice.asr.recognizer import quiet_padding  # noqa: E402
from carvoice.asr.utterance_model import UtteranceModel  # noqa: E402
from carvoice.records import FloatArray  # noqa: E402
from training.evaluate import (  # noqa: E402
    Recording,
    Score,
    SlotReader,
    build_graph,
    coffee_recordings,
    digit_grammar,
    digit_recordings,
    measure,
    shard_recordings,
)

COFFEE_SNR_DB = (None, 24.0, 18.0, 12.0, 6.0, 0.0)
CAR_SNR_DB = (None, 15.0, 10.0, 5.0, 0.0, -5.0)
DIGIT_SNR_DB = (None, 12.0, 6.0)
CHUNK_SAMPLES, PAD_S = 1600, 0.6
HOW = f"""
Finals of the networks as they ship, streaming on one thread, int8, decoded by the test's own grammar with
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


class Report:
    """The tables so far; the file, if any, is written anew after every condition: a run may be stopped."""

    def __init__(self, out: Path | None) -> None:
        self._out = out
        self._parts = ["# The embedded speech model, measured", " ".join(HOW.split())]

    def add(self, title: str, note: str, scores: Iterable[Score]) -> None:
        done: list[Score] = []
        self._parts.append("")
        for score in scores:
            print(score.line(), flush=True)
            done.append(score)
            self._parts[-1] = table(title, note, done)
            if self._out:
                self._out.parent.mkdir(parents=True, exist_ok=True)
                self._out.write_text("\n\n".join(self._parts) + "\n", encoding="utf-8")


def run(
    model: Path,
    grammar: Path,
    recordings: list[Recording],
    slots_of: Callable[[str], dict[str, str] | None],
    conditions: tuple[float | None, ...],
) -> Iterator[Score]:
    hear, words = finals_of(model, grammar)
    for snr_db in conditions:
        yield measure(hear, words, recordings, slots_of, snr_db)


def finals_of(folder: Path, grammar: Path) -> tuple[Callable[[FloatArray], Sequence[int]], dict[int, str]]:
    """What the networks of a model make of a recording, decoded by a grammar and nothing around it, as
    labels; and the words of those.
    """
    model = load_model(folder)
    first = AcousticModel(model)
    second = UtteranceModel(model) if "finals" in model.files else None
    with tempfile.TemporaryDirectory() as work:
        graph = Path(work) / "graph.fst"
        words = build_graph(grammar, graph)
        store(kaldifst.StdVectorFst.read(str(graph)), graph)
        search = PathFinder(graph, filler=-1).create()

    def hear(samples: FloatArray) -> Sequence[int]:
        posteriors = Posteriors(first, second)
        for start in range(0, len(samples), CHUNK_SAMPLES):
            posteriors.accept(samples[start : start + CHUNK_SAMPLES])
        paths = best_paths(search, posteriors.at_end(quiet_padding(samples, PAD_S)), 1)
        return paths[0].labels if paths else ()

    return hear, words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "asr-en")
    parser.add_argument("--held-out", type=Path, help="shards made by training/held_out.py")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "asr-model.md")
    parser.add_argument("--limit", type=int, help="recordings of each kind, by default all")
    parser.add_argument("--no-write", action="store_true", help="print the tables only")
    arguments = parser.parse_args()
    limit = arguments.limit
    shared = Path(os.environ.get("CARVOICE_SHARED", ROOT.parent / "shared"))
    model, report = arguments.model, Report(None if arguments.no_write else arguments.out)
    coffee = shared / "speech" / "coffee-dev"
    if coffee.exists():
        grammar = coffee / "coffee.yaml"
        scores = run(
            model, grammar, coffee_recordings(coffee)[:limit], SlotReader(grammar).slots, COFFEE_SNR_DB
        )
        report.add(
            "Spoken coffee orders (coffee-dev)", "Real people; no coffee order was in training.", scores
        )
    if arguments.held_out:
        grammar = ROOT / "grammars" / "en"
        reader = SlotReader(grammar, as_spoken=False)
        orders = shard_recordings(arguments.held_out, reader)[:limit]
        note = (
            "Orders drawn from the whole car grammar, by five synthetic voices held out of training; another "
            "wording of the same order counts as right."
        )
        report.add("Car orders, held-out voices", note, run(model, grammar, orders, reader.slots, CAR_SNR_DB))
    digits = shared / "speech" / "digits-dev"
    if digits.exists():
        with tempfile.TemporaryDirectory() as folder:
            grammar = digit_grammar(Path(folder))
            scores = run(
                model, grammar, digit_recordings(digits)[:limit], lambda text: {"digit": text}, DIGIT_SNR_DB
            )
            note = "Real people, 8 kHz recordings, one word each."
            report.add("Spoken digits (digits-dev)", note, scores)


if __name__ == "__main__":
    main()
