"""Counts what the shipped grammars can say, and how large they are when compiled.

Run: python bench/grammars_size.py   (writes bench/results/grammars_size.md)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "grammars"))

from shipped import GRAMMARS, LANGUAGES, counts  # noqa: E402

from carvoice.grammar import build_acceptor, compile_grammar, load_grammar  # noqa: E402


def main() -> None:
    rows: dict[str, list[str]] = {}
    for language in LANGUAGES:
        for name, count in counts(language).items():
            rows.setdefault(name, []).append(f"{count:,}")
        begin = time.process_time()
        automaton = compile_grammar(load_grammar(GRAMMARS / language, language=language))
        seconds = time.process_time() - begin
        acceptor = build_acceptor(automaton)
        rows.setdefault("load and compile, CPU time", []).append(f"{seconds * 1000:.0f} ms")
        rows.setdefault("states of the word acceptor", []).append(f"{acceptor.n_states:,}")
        rows.setdefault("arcs of the word acceptor", []).append(f"{len(acceptor.arcs):,}")
        words = {arc[1] for arc in acceptor.arcs if arc[1] is not None}
        rows.setdefault("vocabulary", []).append(f"{len(words):,} words")
    lines = ["# Size of the shipped grammars", ""]
    lines += [f"| | {' | '.join(LANGUAGES)} |", "|---|" + "---:|" * len(LANGUAGES)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    text = "\n".join(lines) + "\n"
    target = ROOT / "bench" / "results" / "grammars_size.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
