"""What understanding costs per sentence, on the shipped grammar and on long lists.

pytest bench/test_nlu_latency.py --benchmark-only
"""

from __future__ import annotations

import itertools
import random

import pytest

from carvoice.grammar import compile_grammar, load_grammar, store
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.nlu.trial import load_tests
from carvoice.resources import data_path

GRAMMAR = data_path("grammars", "en")


@pytest.fixture(scope="module")
def automaton():
    return compile_grammar(load_grammar(GRAMMAR))


@pytest.fixture(scope="module")
def commands():
    texts = [case.sentence for case in load_tests(GRAMMAR) if len(case.expected) == 1]
    random.Random(1).shuffle(texts)
    return itertools.cycle(texts)


def test_load_and_compile(benchmark):
    benchmark(lambda: compile_grammar(load_grammar(GRAMMAR)))


def test_load_compiled(benchmark, automaton, tmp_path):
    store.save(automaton, tmp_path / "a")
    benchmark(lambda: store.load(tmp_path / "a"))


def test_exact(benchmark, automaton, commands):
    parser = Understander(automaton, None, UnderstanderSettings(near_misses=False))
    benchmark(lambda: parser.parse(next(commands)))


def test_prefix(benchmark, automaton, commands):
    parser = Understander(automaton, None, UnderstanderSettings(near_misses=False))
    benchmark(lambda: parser.prefix(next(commands).rsplit(" ", 1)[0]))


@pytest.fixture(scope="module")
def names():
    words = Lexicon.load().frequent_words(3000)[300:]
    rng = random.Random(1)
    return sorted({f"{rng.choice(words)} {rng.choice(words)}" for _ in range(10_000)})


def test_exact_with_ten_thousand_contacts(benchmark, automaton, names):
    parser = Understander(automaton, None, UnderstanderSettings(near_misses=False))
    parser.replace_list("contact", names)
    turn = itertools.cycle(names)
    benchmark(lambda: parser.parse(f"call {next(turn)}"))


def test_replace_ten_thousand_contacts(benchmark, automaton, names):
    parser = Understander(automaton, Lexicon.load())
    benchmark(lambda: parser.replace_list("contact", names, wait=True))


def test_near_miss_with_ten_thousand_contacts(benchmark, automaton, names):
    parser = Understander(automaton, Lexicon.load())
    parser.replace_list("contact", names, wait=True)
    turn = itertools.cycle(names)
    benchmark(lambda: parser.parse(f"cal {next(turn)} please"))


@pytest.mark.parametrize("text", ["said the temperature too twenty won", "turn on the seat heeding"])
def test_near_miss(benchmark, automaton, text):
    parser = Understander(automaton, Lexicon.load())
    assert not parser.parse(text)[0].rejected
    benchmark(lambda: parser.parse(text))


def test_reject(benchmark, automaton):
    parser = Understander(automaton, Lexicon.load())
    benchmark(lambda: parser.parse("the kids are at school already"))
