"""Synthesize the held-out test: orders drawn from the grammar, spoken by the voices never trained on.

Command: `python -m training.held_out OUT --grammar grammars/en [--times 2] [--seed 99]`.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from training.synthesize import synthesize
from training.templates import TemplateSampler

VOICES = (
    ("flite:rms", "rms", 50),
    ("festival:voice_ked_diphone", "ked", 40),
    ("espeak:Andrea", "andrea", 20),
    ("espeak:adam", "adam", 20),
    ("espeak:m6", "m6", 20),
)


def main() -> None:
    """Write one shard a voice, 150 utterances in all, or some times that."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--grammar", type=Path, required=True)
    parser.add_argument("--times", type=int, default=1, help="how many times 150 utterances")
    parser.add_argument("--seed", type=int, default=99)
    arguments = parser.parse_args()
    sampler = TemplateSampler(arguments.grammar, random.Random(arguments.seed))
    for kind, name, count in VOICES:
        texts = [sampler.draw() for _ in range(count * arguments.times)]
        print(name, synthesize(kind, texts, arguments.out, name, arguments.seed))


if __name__ == "__main__":
    main()
