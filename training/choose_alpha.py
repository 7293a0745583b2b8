"""Choose the weight of the label prior on orders by held-out voices, never on real test speech.

Command: `python -m training.choose_alpha CHECKPOINT PRIOR HELD_OUT [HELD_OUT ...] --grammar grammars/en`.
Prints exact orders per weight and condition, and the weight in the middle of those within half a per cent of
the best. The exported models stay in --keep FOLDER if one is named.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from training.evaluate import SlotReader, build_graph, hearing, load_recognizer, measure, shard_recordings
from training.export import export, write_description

SNR_DB = (None, 10.0, 5.0, 0.0)


def main() -> None:
    """Export at each weight, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("prior", type=Path)
    parser.add_argument("held_out", type=Path, nargs="+")
    parser.add_argument("--grammar", type=Path, required=True)
    parser.add_argument("--alphas", default="0.45,0.6,0.75,0.9")
    parser.add_argument("--keep", type=Path, help="keep the exported models here")
    arguments = parser.parse_args()
    log_prior = np.log(np.load(arguments.prior))
    reader = SlotReader(arguments.grammar)
    orders = [order for folder in arguments.held_out for order in shard_recordings(folder, reader)]
    exact: dict[float, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.fst"
        words = build_graph(arguments.grammar, graph)
        for alpha in (float(part) for part in arguments.alphas.split(",")):
            out = (arguments.keep or Path(folder)) / f"alpha-{alpha:g}"
            exported = export(arguments.checkpoint, log_prior, alpha, out, chunk_frames=16)
            write_description(out, exported.int8, 16, alpha, 0)
            hear = hearing(load_recognizer(out, str(graph)))
            scores = [measure(hear, words, orders, reader.slots, snr_db) for snr_db in SNR_DB]
            exact[alpha] = sum(score.exact for score in scores)
            shares = ", ".join(f"{s.condition} {100 * s.exact / s.count:.1f} %" for s in scores)
            print(f"alpha {alpha:g}: {shares}; {exact[alpha]} of {len(orders) * len(scores)}", flush=True)
    best = sorted(alpha for alpha, count in exact.items() if count >= 0.995 * max(exact.values()))
    print(f"chosen: {best[len(best) // 2]:g}")


if __name__ == "__main__":
    main()
