"""Wake phrases: misses against false alarms per hour, on real voices.

    PYTHONPATH=. python bench/asr_wake.py SPEECH

SPEECH is a folder with ``manifest.tsv``, and in it ``wakewords`` and ``precise`` (clips of one phrase
each, many speakers) and ``ljspeech`` to raise false alarms on. Those the model was trained on, so that the
first table flatters it. The second is of phrases in ``coffee-dev``, whose talkers and words it does not
know: the phrase must be heard within an order, and neither in other orders nor in ``digits-dev``.
All is heard clean and in a simulated cabin. *Operating points* are read off afterwards: one threshold for all
phrases of a table, the loosest with so many alarms for an hour of one phrase. Writes
``bench/results/asr-wake.md``.
"""

from __future__ import annotations

import argparse
import json
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
ALARMS_PER_HOUR = (0.5, 1.0, 2.0, 5.0)
PHRASES = ("alexa", "snowboy", "view glass", "athena", "amelia")
UNKNOWN = ("cappuccino", "americano", "brown sugar", "medium roast", "almond milk")


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
        _spotters = {
            phrase: WakeSpotter(_model, [phrase], lexicon, loosest) for phrase in (*PHRASES, *UNKNOWN)
        }
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
    rest = [row[0] for row in table if row[0].startswith("ljspeech/")]
    known = []
    for phrase in PHRASES:
        names = clips[phrase]
        known += [({phrase}, name) for name in names[:: max(1, len(names) // args.clips)][: args.clips]]
    known += [(set(), name) for name in rest[:: max(1, len(rest) // args.others)][: args.others]]
    digits = [row[0] for row in table if row[0].startswith("digits-dev/")]
    unknown = [*orders(args.speech / "coffee-dev"), *((set(), name) for name in digits[::4])]
    jobs = [
        (args.speech / name, condition, number)
        for number, (_, name) in enumerate([*known, *unknown])
        for condition in range(len(CONDITIONS))
    ]
    with ProcessPoolExecutor(args.processes) as pool:
        heard = list(pool.map(best_scores, jobs, chunksize=8))

    out = ["# Wake phrases with the embedded model\n"]
    out.append(
        "Misses in % / false alarms per hour of speech without the phrase. No threshold was fitted on these "
        "recordings; made by `bench/asr_wake.py`.\n"
    )
    at = len(known) * len(CONDITIONS)
    for title, phrases, chosen, found in (
        ("Phrases and talkers of the training, so better than yours will be", PHRASES, known, heard[:at]),
        ("Phrases and talkers unknown to the model, within orders", UNKNOWN, unknown, heard[at:]),
    ):
        for index, condition in enumerate(CONDITIONS):
            out += [f"\n## {title}: {condition.name}\n"]
            out += tabulate(phrases, chosen, found[index :: len(CONDITIONS)])
        out += operating_points(
            phrases, chosen, [found[i :: len(CONDITIONS)] for i in range(len(CONDITIONS))]
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(out) + "\n")
    print("\n".join(out))


def orders(folder: Path) -> list[tuple[set[str], str]]:
    """The phrases in each recorded order, and its file."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    texts = {name: " ".join(map(str, label["slots"].values())) for name, label in labels.items()}
    return [
        ({phrase for phrase in UNKNOWN if phrase in text}, f"{folder.name}/{name}")
        for name, text in texts.items()
    ]


def tabulate(phrases, chosen, found):
    """A table by threshold, for (phrases in it, file) and what was found in each."""
    lines = ["| threshold | " + " | ".join(phrases) + " |", "|---|" + "---|" * len(phrases)]
    for threshold in THRESHOLDS:
        cells = []
        for phrase in phrases:
            hits = [
                (phrase in labels, sum(score >= threshold for score in scores[phrase]), seconds / 3600)
                for (labels, _), (seconds, scores) in zip(chosen, found, strict=True)
            ]
            spoken = [count for is_in, count, _ in hits if is_in]
            alarms = sum(max(0, count - is_in) for is_in, count, _ in hits)
            hours = sum(length for is_in, _, length in hits if not is_in)
            cells.append(f"{100 * spoken.count(0) / max(1, len(spoken)):.0f} / {alarms / hours:.1f}")
        lines.append(f"| {threshold} | " + " | ".join(cells) + " |")
    counts = ", ".join(f"{phrase} {sum(phrase in labels for labels, _ in chosen)}" for phrase in phrases)
    total = sum(seconds for seconds, _ in found) / 3600
    return [*lines, f"\n{counts}; {len(chosen)} recordings, {total:.2f} hours."]


def operating_points(phrases, chosen, by_condition):
    """What is missed at a number of alarms per hour, both conditions and all phrases together."""
    alarms, best, hours = [], [], 0.0
    for found in by_condition:
        for (labels, _), (seconds, scores) in zip(chosen, found, strict=True):
            for phrase in phrases:
                if phrase in labels:
                    best.append(max(scores[phrase], default=-np.inf))
                else:
                    alarms += scores[phrase]
                    hours += seconds / 3600
    alarms.sort(reverse=True)
    lines = ["\n### Operating points\n", "| alarms per hour | threshold | missed, % |", "|---|---|---|"]
    for rate in ALARMS_PER_HOUR:
        allowed = int(rate * hours)
        threshold = alarms[allowed] if allowed < len(alarms) else THRESHOLDS[-1]
        missed = 100 * np.mean(np.array(best) <= threshold)
        lines.append(f"| {rate:g} | {threshold:.2f} | {missed:.0f} |")
    return [*lines, f"\n{len(best)} phrases said, {hours:.1f} hours listened for one that was not."]


if __name__ == "__main__":
    main()
