"""The minimal acceptor accepts exactly the sentences of the grammar."""

import itertools

from carvoice.grammar import build_acceptor, compile_grammar, parse_grammar, store
from carvoice.grammar.words import WILDCARD

GRAMMAR = """
lists:
  room: {values: [kitchen, living room, bath]}
  level: {range: {from: 1, to: 3}}
  song: {wildcard: true}
intents:
  On: {data: [{sentences: ["(turn|switch) on [the] light[s] [in the {room}]", "lights on"]}]}
  Level: {data: [{sentences: ["level {level}", "(fast;now) go"]}]}
  Play: {data: [{sentences: ["play {song} now"]}]}
"""


def sentences(acceptor, limit=8):
    following = {}
    for source, word, target in acceptor.arcs:
        following.setdefault(source, []).append((word, target))
    found, stack = set(), [(acceptor.start, ())]
    while stack:
        state, said = stack.pop()
        if state in acceptor.finals:
            found.add(" ".join(said))
        if len(said) < limit:
            stack.extend((target, (*said, word)) for word, target in following.get(state, ()))
    return found


def expected():
    for verb, the, light in itertools.product(("turn", "switch"), ("", " the"), ("light", "lights")):
        for where in ("", " in the kitchen", " in the living room", " in the bath"):
            yield f"{verb} on{the} {light}{where}"
    yield from ("lights on", "level one", "level two", "level three", "fast now go", "now fast go")


def test_accepts_exactly_the_sentences():
    acceptor = build_acceptor(compile_grammar(parse_grammar(GRAMMAR)))
    found = {text for text in sentences(acceptor) if WILDCARD not in text}
    assert found == set(expected())
    assert f"play {WILDCARD} now" in sentences(acceptor)
    assert f"play {WILDCARD} {WILDCARD} now" in sentences(acceptor)


def test_is_deterministic_and_minimal():
    acceptor = build_acceptor(compile_grammar(parse_grammar(GRAMMAR)))
    pairs = [(source, word) for source, word, _ in acceptor.arcs]
    assert len(pairs) == len(set(pairs))
    following = {state: set() for state in range(acceptor.n_states)}
    for source, word, target in acceptor.arcs:
        following[source].add((word, target))
    futures = [(state in acceptor.finals, frozenset(row)) for state, row in following.items()]
    assert len(futures) == len(set(futures))


def test_saved_automaton_is_the_same(tmp_path):
    automaton = compile_grammar(parse_grammar(GRAMMAR))
    store.save(automaton, tmp_path / "a.automaton")
    again = store.load(tmp_path / "a.automaton")
    assert again.templates == automaton.templates
    assert again.blocks == automaton.blocks
    assert again.vocabulary == automaton.vocabulary
    assert build_acceptor(again).arcs == build_acceptor(automaton).arcs
