"""Size and build time of the decoding graph, for the full car grammar and with long lists.

    OMP_NUM_THREADS=1 PYTHONPATH=. python bench/asr_graph.py

Processor time of one build with an empty cache, on one thread. Writes ``bench/results/asr-graph.md``.
"""

from __future__ import annotations

import platform
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.grammar_recognizer import settings_of
from carvoice.asr.graph import build_graph
from carvoice.asr.models import embedded_model
from carvoice.asr.sentences import sentences
from carvoice.errors import GrammarError
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar, replace_list
from carvoice.grammar.lexicon import Lexicon
from carvoice.resources import data_path

RESULT = Path(__file__).parent / "results" / "asr-graph.md"


def main() -> None:
    model, lexicon = embedded_model(), Lexicon.load()
    tokens, settings = AcousticModel(model).tokens, settings_of(model.decoding)
    automaton = compile_grammar(load_grammar(data_path("grammars", "en")))
    words = [word for word in lexicon.frequent_words(20_000) if len(word) > 3]
    names = [f"{first} {last}" for first, last in zip(words[:10_000], reversed(words), strict=False)]
    contacts = replace_list(automaton, "contact", names)
    plans = {
        "full car grammar": (automaton, settings, sentences),
        "without the open word loop": (automaton, replace(settings, open_words=0), sentences),
        "with 10,000 open words": (automaton, replace(settings, open_words=10_000), sentences),
        "with 10,000 contacts of two words": (contacts, settings, sentences),
        "the same, a copy for each of five places": (contacts, settings, build_acceptor),
    }
    lines = [
        "# The decoding graph\n",
        f"Made by `bench/asr_graph.py` on {platform.machine()}, one thread, processor time of one build; CTC "
        f"topology, lexicon of {len(lexicon):,} words, open loop of {settings.open_words:,} words, filler. A "
        "start finds the graph in the cache unless grammar, lexicon, model or costs have changed. A list of "
        "more than 1,000 values is put in once for all its places. Times taken beside other work are up to "
        "twice those of a quiet machine.\n",
        "| grammar | words | states | arcs | file, MB | acceptor, s | build, s | from the cache, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (grammar, costs, accept) in plans.items():
        with tempfile.TemporaryDirectory() as cache:
            began_s = time.process_time()
            try:
                acceptor = accept(grammar)
            except GrammarError as error:
                lines.append(f"| {name} | refused: {error} | | | | | | |")
                print(lines[-1], flush=True)
                continue
            accepted_s = time.process_time()
            graph = build_graph(acceptor, lexicon, tokens, Path(cache), costs, grammar.skip_texts())
            built_s = time.process_time()
            build_graph(acceptor, lexicon, tokens, Path(cache), costs, grammar.skip_texts())
            cached_s = time.process_time() - built_s
            lines.append(
                f"| {name} | {graph.grammar_words:,} | {graph.states:,} | {graph.arcs:,} | "
                f"{graph.path.stat().st_size / 1e6:.1f} | {accepted_s - began_s:.2f} | "
                f"{built_s - accepted_s:.2f} | {cached_s:.2f} |"
            )
        print(lines[-1], flush=True)
    RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
