"""How many orders, worded freely, the shipped English grammar understands word for word, and at all.

The sentences were written from the intents' names by imagining many drivers, when the grammar already had
its templates. A hash of each put one half into the grammar's tests, where templates grow from them; this is
the other half, only measured. Both have the same author, so a stranger's wordings will do somewhat worse.

python bench/grammars_wordings.py      writes bench/results/grammars_wordings.md
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from carvoice.assistant.ears import Ears
from carvoice.config import Config
from carvoice.grammar import compile_grammar, load_grammar
from carvoice.nlu.exact import ExactParser
from carvoice.nlu.trial import TestCase, load_tests, try_all

ROOT = Path(__file__).resolve().parents[1]
GRAMMAR = ROOT / "grammars" / "en"
HELD_OUT = ROOT / "bench" / "grammars" / "wordings_held.yaml"


def exact_kind(parser: ExactParser, case: TestCase) -> str:
    """right, wrong or missed, by the templates alone."""
    readings = parser.parse(case.sentence)
    if not readings:
        return "missed"
    found = readings[0].intent, {name: slot.value for name, slot in readings[0].slots.items()}
    return "right" if [found] == [(name, dict(slots)) for name, slots in case.expected] else "wrong"


def main() -> None:
    cases = load_tests(HELD_OUT)
    parser = ExactParser(compile_grammar(load_grammar(GRAMMAR)))
    exact = Counter(exact_kind(parser, case) for case in cases)
    whole = Counter(result.kind for result in try_all(Ears(Config()).understander, cases))
    strangers = [case for case in load_tests(GRAMMAR) if not case.expected]
    sure = Config().nlu.sure_confidence
    taken = [
        min(reading.confidence for reading in result.found) >= sure
        for result in try_all(Ears(Config()).understander, strangers)
        if result.kind == "false accept"
    ]

    def share(count: int) -> str:
        return f"{100 * count / len(cases):.1f}"

    lines = [
        "# Orders worded freely\n",
        f"{len(cases):,} sentences of drivers that no template was written from; per cent. Right is intent "
        "and slots. Before the templates grew from the other half, 48.7 were right by the templates alone.\n",
        "| | right | wrong | rejected |",
        "|---|---:|---:|---:|",
        f"| by the templates alone | {share(exact['right'])} | {share(exact['wrong'])} "
        f"| {share(exact['missed'])} |",
        f"| with the error-correcting parse | {share(whole['right'])} | {share(whole['wrong'])} "
        f"| {share(whole['missed'])} |\n",
        f"Of {len(strangers):,} sentences that mean nothing to the car, many of them near misses of these, "
        f"{sum(taken)} are taken for an order and {len(taken) - sum(taken)} asked back.",
    ]
    text = "\n".join(lines) + "\n"
    (ROOT / "bench" / "results" / "grammars_wordings.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
