"""Word errors of open questions and talk, which no grammar foresees.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_free_words.py FOLDER

FOLDER is that of ``asr_calibrate.py``; the sentences of its test draw are heard, clean, by voices held out of
training. The pairs of words come from those of the other draw only. Writes
``bench/results/asr-free-words.md``.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from asr_calibrate import spoken
from asr_listening import CarEars, FinalsStream
from asr_talk import natural
from rapidfuzz.distance import Levenshtein

from carvoice.asr.free_words import FreeWords
from carvoice.asr.grammar_recognizer import graph_cache
from training.word_pairs import word_pairs

RESULT = Path(__file__).parent / "results" / "asr-free-words.md"
LEVEL = 0.4


def error_rate(pairs: list[tuple[str, str]]) -> float:
    """Word errors per cent of (said, heard)."""
    errors = sum(Levenshtein.distance(said.split(), heard.split()) for said, heard in pairs)
    return 100 * errors / sum(len(said.split()) for said, _ in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=10_000, help="sentences looked through")
    parser.add_argument("--no-write", action="store_true", help="print the table only")
    args = parser.parse_args()
    sentences = natural(random.Random(0))  # as asr_calibrate.py parts them
    measured = set(sentences[1::2])
    ears = CarEars()
    recognizer, lexicon = ears.recognizer, ears.lexicon
    tokens = recognizer.acoustic.tokens
    ways = {
        "frequent words in any order": FreeWords(lexicon, tokens, graph_cache(), ()),
        "with the pairs of other sentences": FreeWords(
            lexicon, tokens, graph_cache(), word_pairs(sentences[0::2], lexicon)
        ),
    }
    by_grammar, heard, talk = [], {name: [] for name in ways}, 0
    for said, sound in spoken(args.folder / "test" / "talk", args.limit):
        if said not in measured:
            continue
        finals = {}
        for name, words in ways.items():
            recognizer.free_words = words
            stream = FinalsStream(recognizer)
            stream.accept(LEVEL * sound)
            finals[name] = stream.finish()
            heard[name].append((said, finals[name].open_text or finals[name].text))
        by_grammar.append((said, finals[name].text))
        talk += bool(finals[name].open_text)
    lines = [
        "# Open questions and talk",
        "Made by `bench/asr_free_words.py`: sentences that are no orders, clean, by voices held out of "
        f"training; {len(by_grammar)} of them, {talk} of which were taken for none and so heard with free "
        "words.",
        "| heard with | word errors, % |\n|---|---|",
    ]
    lines[-1] += f"\n| the grammar's graph, open words at its side | {error_rate(by_grammar):.1f} |"
    for name, pairs in heard.items():
        lines[-1] += f"\n| {name} | {error_rate(pairs):.1f} |"
    text = "\n\n".join(lines) + "\n"
    print(text)
    if not args.no_write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
