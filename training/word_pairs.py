"""Write carvoice/data/word-pairs-en.txt: which word follows which in questions and talk.

Command: `python -m training.word_pairs`. The sentences are ours (`question_sentences.tsv`), written out in
all their variants; "<s>" begins one. Words that the lexicon does not list are left out.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from carvoice.grammar.lexicon import Lexicon

SENTENCES = Path(__file__).parent / "question_sentences.tsv"
OUT = Path(__file__).parents[1] / "carvoice" / "data" / "word-pairs-en.txt"
BEGIN = "<s>"


def variants(template: str) -> Iterable[str]:
    """The sentences of a template with alternatives, "{a|b} c", in lower case without punctuation."""
    parts = [part.split("|") for part in re.split(r"[{}]", template)]
    for chosen in itertools.product(*parts):
        yield re.sub(r"[^a-z' ]", " ", "".join(chosen).lower())


def word_pairs(sentences: Iterable[str], known: Lexicon) -> set[tuple[str, str]]:
    """The pairs of neighbouring words, of which both are known."""
    return {
        (first, second)
        for sentence in sentences
        for first, second in itertools.pairwise([BEGIN, *sentence.split()])
        if second in known and (first == BEGIN or first in known)
    }


def main() -> None:
    """Write the file."""
    rows = [line.split("\t") for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    sentences = (text for _, language, template in rows if language == "en" for text in variants(template))
    pairs = sorted(word_pairs(sentences, Lexicon.load()))
    OUT.write_text("".join(f"{first} {second}\n" for first, second in pairs), encoding="utf-8")
    print(f"{OUT}: {len(pairs)} pairs")


if __name__ == "__main__":
    main()
