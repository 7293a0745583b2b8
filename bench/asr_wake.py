"""Wake phrases: misses against false alarms per hour, on real voices.

    PYTHONPATH=. python bench/asr_wake.py SPEECH

SPEECH is a folder with ``manifest.tsv``, and in it ``wakewords`` and ``precise`` (clips of one phrase
each, many speakers) and ``ljspeech``, ``coffee-dev`` and the other phrases' clips to raise false alarms
on. Clips are heard clean and in a simulated cabin. Writes ``bench/results/asr-wake.md``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.evaluate import Condition
from carvoice.asr.models import embedded_model
from carvoice.asr.wake import WakeSettings, WakeSpotter
from carvoice.grammar.lexicon import Lexicon
from training import noise

RESULT = Path(__file__).parent / "results" / "asr-wake.md"
THRESHOLDS = (-0.4, -0.6, -0.8, -1.0, -1.2, -1.5, -2.0, -2.5)
PHRASES = ("alexa", "snowboy", "view glass", "athena", "amelia")


def cabin(n, rng):
    return noise.cabin(n, float(rng.choice([60, 100, 130])), rng, False)


CONDITIONS = (Condition("clean"), Condition("10 dB", cabin, 10.0))
_model: AcousticModel | None = None
_spotters: dict[str, WakeSpotter] = {}


def best_scores(job):
    """Of one clip in one condition: its length, and per phrase the scores above the loosest threshold."""
    global _model, _spotters
    path, condition, seed = job
    if _model is None:
        _model, lexicon = AcousticModel(embedded_model()), Lexicon.load()
        loosest = WakeSettings(threshold=THRESHOLDS[-1])
        _spotters = {phrase: WakeSpotter(_model, [phrase], lexicon, loosest) for phrase in PHRASES}
    sound, _ = soundfile.read(path, dtype="float32")
    quiet = np.zeros(8_000, np.float32)
    padded = np.concatenate([quiet, sound, quiet, quiet])
    rows = _model.create_stream().accept(CONDITIONS[condition].apply(padded, (seed, condition)))
    found = {
        phrase: [wake.score for wake in spotter.create_stream().accept_rows(rows)]
        for phrase, spotter in _spotters.items()
    }
    return len(padded) / 16_000, found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speech", type=Path)
    parser.add_argument("--clips", type=int, default=60, help="clips of each phrase")
    parser.add_argument("--others", type=int, default=200, help="recordings without any phrase")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()

    lines = (args.speech / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    table = [line.split("\t") for line in lines]
    clips = defaultdict(list)
    for row in table:
        if row[0].startswith(("wakewords/", "precise/")):
            clips[row[-1].strip().lower()].append(row[0])
    rest = [row[0] for row in table if row[0].startswith(("ljspeech/", "coffee-dev/"))]
    chosen = []
    for phrase in PHRASES:
        names = clips[phrase]
        chosen += [(phrase, name) for name in names[:: max(1, len(names) // args.clips)][: args.clips]]
    chosen += [("", name) for name in rest[:: max(1, len(rest) // args.others)][: args.others]]
    jobs = [
        (args.speech / name, condition, number)
        for number, (_, name) in enumerate(chosen)
        for condition in range(len(CONDITIONS))
    ]
    with ProcessPoolExecutor(args.processes) as pool:
        heard = list(pool.map(best_scores, jobs, chunksize=8))

    out = ["# Wake phrases with the embedded model\n"]
    out.append(
        "Misses in % of clips / false alarms per hour of other speech (read sentences, orders, the other "
        "phrases). No threshold was fitted on these clips; made by `bench/asr_wake.py`.\n"
    )
    for index, condition in enumerate(CONDITIONS):
        out.append(f"\n## {condition.name}\n")
        out.append("| threshold | " + " | ".join(PHRASES) + " |")
        out.append("|---|" + "---|" * len(PHRASES))
        for threshold in THRESHOLDS:
            cells = []
            for phrase in PHRASES:
                clips_n = misses = alarms = 0
                hours = 0.0
                for (label, _), (seconds, found) in zip(chosen, heard[index :: len(CONDITIONS)], strict=True):
                    hits = sum(score >= threshold for score in found[phrase])
                    if label == phrase:
                        clips_n += 1
                        misses += hits == 0
                    else:
                        hours += seconds / 3600
                        alarms += hits
                cells.append(f"{100 * misses / max(1, clips_n):.0f} / {alarms / hours:.1f}")
            out.append(f"| {threshold} | " + " | ".join(cells) + " |")
        hours = sum(seconds for seconds, _ in heard[index :: len(CONDITIONS)]) / 3600
        out.append(f"\n{len(chosen)} recordings, {hours:.2f} hours.")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(out) + "\n")
    print("\n".join(out))


if __name__ == "__main__":
    main()
