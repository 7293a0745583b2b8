"""How often we say what hassil says, on sentences drawn from the shipped grammar and on its tests.

python bench/nlu_agreement.py [sentences]      writes bench/results/nlu_agreement.md
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from nlu_compare import GRAMMAR, Hassil

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.sample import sample
from carvoice.nlu.exact import ExactParser
from carvoice.nlu.trial import load_tests

RESULT = Path(__file__).parent / "results" / "nlu_agreement.md"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    grammar = load_grammar(GRAMMAR)
    ours, theirs = ExactParser(compile_grammar(grammar)), Hassil(grammar)
    texts = [item.sentence for item in sample(grammar, count // 2, seed=11)]
    tests = [case.sentence for case in load_tests(GRAMMAR)]
    texts += random.Random(11).sample(tests, min(len(tests), count - len(texts)))
    matched = same = same_intent = only_ours = neither = 0
    differing: list[str] = []
    for text in texts:
        expected = theirs.parse(text)
        readings = ours.parse(text)
        if not expected:
            only_ours += bool(readings)
            neither += not readings
            continue
        matched += 1
        found = [(r.intent, {n: s.value for n, s in r.slots.items()}) for r in readings[:1]]
        same_intent += bool(found) and found[0][0] == expected[0][0]
        same += found == expected
        if found != expected:
            differing.append(f"- `{text}`: hassil {expected[0]}, ours {found[0] if found else None}")
    lines = [
        "# Agreement with hassil on the shipped grammar\n",
        f"{len(texts)} sentences, half drawn from the grammar, half from its tests.\n",
        f"- matched by hassil: {matched}; same intent {100 * same_intent / matched:.2f} %, same intent and "
        f"slots {100 * same / matched:.2f} %",
        f"- matched by us only: {only_ours}; by neither: {neither}\n",
        *differing[:25],
    ]
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
