"""Accuracy, speed and size of the acoustic model from 3 to 14 M parameters, each heard the same speech.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_sizes.py FEATURES HELD_OUT WORK --steps 1500

FEATURES are the shards of training/features.py, HELD_OUT those of training/held_out.py, WORK keeps
checkpoints and figures: a run that was stopped goes on. Every size takes the same number of steps with a
schedule of its own, far too few to converge: the curve says which size learns how fast, not where it ends.
With --long STEPS:CHECKPOINT ... the losses of one long run stand beside them.
Writes ``bench/results/asr-sizes.md``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.batches import Corpus, RowMaker
from training.checkpoints import load_average
from training.evaluate import (
    SlotReader,
    build_graph,
    hearing,
    load_recognizer,
    measure,
    recognize,
    shard_recordings,
)
from training.export import export, write_description
from training.model import ModelSettings, parameter_count
from training.prior import label_prior
from training.scene import NoiseBank, Scene, SceneSettings
from training.train import DEFAULT_WEIGHTS, Trainer, TrainSettings, ctc_loss

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "asr-sizes.md"
SIZES = {
    "4.4 M": ModelSettings(),
    "8.2 M": ModelSettings(channels=352, hidden=896),
    "3.2 M": ModelSettings(channels=224, hidden=512),
    "13.9 M": ModelSettings(channels=448, hidden=1216),
}
ALPHA = 0.6
CHUNK_FRAMES = 16
SNR_DB = (None, 10.0, 0.0)


def train(size: ModelSettings, features: Path, work: Path, steps: int) -> float:
    """Train or go on; returns the processor minutes of all sittings."""
    spent = work / "spent.json"
    before = json.loads(spent.read_text())["cpu_minutes"] if spent.exists() else 0.0
    losses: list[float] = []
    settings = replace(TrainSettings(), minutes=0.0, steps=steps, save_every=50)
    trainer = Trainer(features, work, size, settings, "cpu")
    began = time.process_time()
    while trainer.step < steps:
        losses.append(trainer.train_step())
        if trainer.step % 50 == 0 or trainer.step == steps:
            trainer.save()
            minutes = before + (time.process_time() - began) / 60
            spent.write_text(json.dumps({"cpu_minutes": minutes}))
            print(f"  step {trainer.step} loss {sum(losses) / len(losses):.3f}", flush=True)
            losses = []
    return float(json.loads(spent.read_text())["cpu_minutes"])


@torch.no_grad()
def noisy_loss(checkpoint: Path, features: Path, batches: int = 3) -> float:
    """CTC loss per phone of the averaged weights on eight minutes of rows in noise, for all the same ones."""
    network = load_average(checkpoint)
    corpus = Corpus(features, DEFAULT_WEIGHTS, 1000, seed=9)
    rows = RowMaker(corpus, 1024, network.settings.delayed_blocks, seed=9)
    bank = NoiseBank(features / "noise" / "noise.json", torch.device("cpu"))
    scene = Scene(bank, SceneSettings(), torch.device("cpu"), seed=9)
    losses = []
    for _ in range(batches):
        batch = rows.batch(16)
        losses.append(float(ctc_loss(network(scene(torch.from_numpy(batch.speech))), batch)))
    return sum(losses) / batches


def network_rtf(model: Path, seconds: float = 20.0) -> float:
    """Processor time of the network alone, decoded freely, over the length of the sound; best of three."""
    recognizer = load_recognizer(model)
    sound = (0.05 * np.random.default_rng(1).standard_normal(int(seconds * 16_000))).astype(np.float32)
    times = []
    for _ in range(3):
        began = time.process_time()
        recognize(recognizer, sound)
        times.append(time.process_time() - began)
    return min(times) / seconds


def figures(size: ModelSettings, features: Path, held_out: Path, work: Path, steps: int) -> dict[str, float]:
    cpu_minutes = train(size, features, work, steps)
    network = load_average(work / "last.pt")
    corpus = Corpus(features, DEFAULT_WEIGHTS, 1000, seed=5)
    bank = NoiseBank(features / "noise" / "noise.json", torch.device("cpu"))
    prior = label_prior(network, corpus, bank, batches=6)
    del corpus, bank
    exported = export(work / "last.pt", np.log(prior), ALPHA, work, CHUNK_FRAMES)
    write_description(work, exported.int8, CHUNK_FRAMES, ALPHA, size.lookahead_ms)
    found = {
        "parameters": parameter_count(network),
        "megabytes": exported.int8.stat().st_size / 1e6,
        "cpu_minutes": cpu_minutes,
        "loss": noisy_loss(work / "last.pt", features),
        "network_rtf": network_rtf(work),
    }
    reader = SlotReader(ROOT / "grammars" / "en")
    recordings = shard_recordings(held_out, reader)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.fst"
        words = build_graph(ROOT / "grammars" / "en", graph)
        hear = hearing(load_recognizer(work, str(graph)))
    for snr_db in SNR_DB:
        score = measure(hear, words, recordings, reader.slots, snr_db)
        print(score.line(), flush=True)
        found[score.condition] = 100 * score.exact / score.count
    return found


def table(rows: dict[str, dict[str, float]], steps: int, long: dict[int, float]) -> str:
    settings = TrainSettings()
    hours = steps * settings.rows * settings.row_frames / 100 / 3600
    lines = ["# Size of the acoustic model\n"]
    lines.append(
        f"Made by `bench/asr_sizes.py`: every size took {steps} steps ({hours:.0f} h of rows, two thirds of "
        "them speech) from random weights with the same recipe and a full schedule of its own; the shipped "
        f"model took many times more. Orders of the car grammar by held-out voices, exact, alpha {ALPHA}; "
        "int8, one thread; the network's RTF is processor time without a grammar; the loss is of the "
        "averaged weights on eight minutes of rows in noise. The runs are far from convergence: they show "
        "what a size costs and how fast it learns, not the best it can reach.\n"
    )
    conditions = [name for name in next(iter(rows.values())) if name == "clean" or name.endswith("dB")]
    head = "| parameters | int8 file | training, CPU min | CTC loss per phone | network RTF | "
    lines.append(head + " | ".join(conditions) + " |")
    lines.append("|---|---|---|---|---|" + "---|" * len(conditions))
    for row in sorted(rows.values(), key=lambda row: row["parameters"]):
        shares = " | ".join(f"{row[name]:.1f} %" for name in conditions)
        lines.append(
            f"| {row['parameters'] / 1e6:.2f} M | {row['megabytes']:.1f} MB | {row['cpu_minutes']:.1f} "
            f"| {row['loss']:.2f} | {row['network_rtf']:.4f} | {shares} |"
        )
    if max(row["clean"] for row in rows.values()) < 10:
        lines.append(
            "\nNone recognizes orders after so few steps: compare size and speed here, not accuracy."
        )
    if long:
        lines.append("\nThe same loss along the training of the shipped size, 4.39 M parameters:\n")
        lines.append("| steps | hours of rows | CTC loss per phone |\n|---|---|---|")
        hour = steps / hours
        lines += [f"| {step:,} | {step / hour:.0f} | {loss:.2f} |" for step, loss in sorted(long.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("features", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--long", nargs="*", default=[], metavar="STEPS:CHECKPOINT")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for name, size in SIZES.items():
        work = args.work / name.replace(" ", "").replace(".", "_")
        work.mkdir(parents=True, exist_ok=True)
        kept = work / "figures.json"
        if not kept.exists():
            print(name, flush=True)
            kept.write_text(json.dumps(figures(size, args.features, args.held_out, work, args.steps)))
        rows[name] = json.loads(kept.read_text())
    long = {}
    for steps, _, checkpoint in (item.partition(":") for item in args.long):
        kept = args.work / f"{Path(checkpoint).stem}.loss"
        if not kept.exists():
            kept.write_text(str(noisy_loss(Path(checkpoint), args.features)))
        long[int(steps)] = float(kept.read_text())
    text = table(rows, args.steps, long)
    print(text)
    RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
