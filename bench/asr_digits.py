"""Spoken digits with rejection: ten digits are the grammar, other single words must be refused.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_digits.py SPEECH [--model DIR]

SPEECH is a folder with ``digits-dev`` (real people, 8 kHz, one digit a file) and ``speech-commands`` (real
people, one word a file, listed in ``manifest.tsv``). Heard by the embedded recognizer with its filler and
its confidence, below which a word is refused. Nothing is tuned on them. Writes
``bench/results/asr-digits.md``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.models import load_model
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.records import FloatArray
from training.evaluate import digit_grammar, digit_recordings, in_cabin
from training.numerals import ONES

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "bench" / "results" / "asr-digits.md"
SNR_DB = (None, 12.0, 6.0)
THRESHOLDS = (0.0, 0.3, 0.6, 0.75)
HALF_A_SECOND = 8_000


def other_words(speech: Path) -> list[tuple[str, FloatArray]]:
    """(word, sound) of the single words that are no digits."""
    lines = (speech / "manifest.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines if line.startswith("speech-commands/")]
    rows = [row for row in rows if row[4].lower() not in ONES[:10]]
    return [
        (row[4], np.pad(soundfile.read(speech / row[0], dtype="float32")[0], HALF_A_SECOND)) for row in rows
    ]


def hear(
    recognizer: GrammarRecognizer, sound: FloatArray, snr_db: float | None, seed: int
) -> tuple[str, float]:
    """The text and its confidence."""
    noisy = sound + np.random.default_rng(seed).standard_normal(len(sound)).astype(np.float32) * 1e-4
    if snr_db is not None:
        noisy = in_cabin(noisy, snr_db, [7, seed])
    stream = recognizer.create_stream()
    stream.accept(np.asarray(noisy, np.float32))
    final = stream.finish()
    return final.text, final.confidence or 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("speech", type=Path)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "asr-en")
    parser.add_argument("--every", type=int, default=1, help="take one recording in so many")
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        grammar = load_grammar(digit_grammar(Path(folder)))
        acceptor = build_acceptor(compile_grammar(grammar))
        recognizer = GrammarRecognizer(acceptor, load_model(args.model), cache=Path(folder))
    digits = [(item.text, item.samples) for item in digit_recordings(args.speech / "digits-dev")][
        :: args.every
    ]
    others = other_words(args.speech)[:: args.every]
    lines = ["# Spoken digits, with rejection\n"]
    lines.append(
        "Made by `bench/asr_digits.py`: real people, 8 kHz recordings (digits-dev), the ten digits as "
        "grammar, the embedded recognizer with its filler and confidence. *Other words* are single words "
        "of real people (Google Speech Commands) that are no digits; they must be refused. Confidence was "
        "fitted on car orders by held-out synthetic voices, not on words this short.\n"
    )
    lines.append(
        "| condition | accepted from | digits | right % | wrong % | refused % | other words | accepted % |"
    )
    lines.append("|---|---|---|---|---|---|---|---|")
    for snr_db in SNR_DB:
        inside = [(word, *hear(recognizer, sound, snr_db, n)) for n, (word, sound) in enumerate(digits)]
        outside = [hear(recognizer, sound, snr_db, n) for n, (_, sound) in enumerate(others)]
        for least in THRESHOLDS:
            taken = [(word, text) for word, text, sure in inside if text in ONES[:10] and sure >= least]
            right = sum(word == text for word, text in taken)
            accepted = sum(text in ONES[:10] and sure >= least for text, sure in outside)
            shares = [100 * k / len(inside) for k in (right, len(taken) - right, len(inside) - len(taken))]
            lines.append(
                f"| {'clean' if snr_db is None else f'{snr_db:g} dB'} | {least:g} | {len(inside)} | "
                + " | ".join(f"{share:.1f}" for share in shares)
                + f" | {len(outside)} | {100 * accepted / len(outside):.1f} |"
            )
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.no_write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
