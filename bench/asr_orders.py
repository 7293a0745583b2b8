"""Real people's spoken orders through the embedded recognizer and the understanding behind it.

    PYTHONPATH=. python bench/asr_orders.py SPEECH/coffee-dev --snr 12

The recordings, their grammar and their words are unknown to training, and nothing is tuned on them.
Writes ``bench/results/asr-orders.md``.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

from carvoice.asr.evaluate import Condition, evaluate, load_recordings, summarize
from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.report import markdown
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu.understander import Understander, UnderstanderSettings
from training import noise

RESULT = Path(__file__).parent / "results" / "asr-orders.md"


class Ear:
    def __init__(self, grammar: Path, reject_below: float) -> None:
        automaton, lexicon = compile_grammar(load_grammar(grammar)), Lexicon.load()
        parser = Understander(automaton, None, UnderstanderSettings(near_misses=False))

        def meaning(text):
            found = [(item.intent, sorted(item.values.items(), key=str)) for item in parser.parse(text)]
            return repr(found) if any(intent for intent, _ in found) else text

        self.recognizer = GrammarRecognizer(build_acceptor(automaton), lexicon=lexicon, meaning=meaning)
        self.understander = Understander(automaton, lexicon, UnderstanderSettings(reject_below=reject_below))

    def hear(self, sound, chunk_samples):
        stream = self.recognizer.create_stream()
        for start in range(0, len(sound), chunk_samples):
            stream.accept(sound[start : start + chunk_samples])
        began_s = time.perf_counter()
        hypothesis = stream.finish()
        final_ms = (time.perf_counter() - began_s) * 1e3
        meant = self.understander.parse(hypothesis)[0]
        return (
            hypothesis,
            (
                "" if meant.rejected else meant.intent,
                {name: slot.text or slot.value for name, slot in meant.slots.items()},
            ),
            final_ms,
        )


def cabin(n, rng):
    return noise.cabin(n, float(rng.choice([60, 100, 130])), rng, False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--snr", type=float, nargs="*", default=[])
    parser.add_argument("--reject-below", type=float, default=0.5)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    conditions = [Condition("clean"), *(Condition(f"{snr:g} dB", cabin, snr) for snr in args.snr)]
    grammar = next(args.folder.glob("*.yaml"))
    outcomes = list(
        evaluate(
            load_recordings(args.folder),
            partial(Ear, grammar, args.reject_below),
            conditions,
            processes=args.processes,
        )
    )
    text = (
        "# Real spoken orders\n\nMade by `bench/asr_orders.py` in a simulated cabin; rejected below a "
        f'confidence of {args.reject_below:g}. "final ms" is wall time on two busy cores.\n\n'
        + markdown(summarize(outcomes))
    )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text)
    print(text)
    for outcome in outcomes:
        print(outcome.condition, outcome.verdict, outcome.exact, outcome.confidence, outcome.heard, sep="\t")


if __name__ == "__main__":
    main()
