"""How orders are usually worded, counted in the tests beside a grammar."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carvoice.errors import GrammarError
from carvoice.grammar import kept, store
from carvoice.grammar.usage import WordUsage, files_of_tests, sentences_of_tests
from carvoice.resources import data_path

TESTS = """
tests:
  - intent: Light
    sentences: ["Light on!", "light off"]
  - intent:
    sentences: ["no order"]
compounds:
  - {sentence: light on and light off, intents: [Light, Light]}
rejected: ["what a night"]
"""
WORDS = st.lists(st.sampled_from(["light", "on", "off", "and"]), max_size=6)


@pytest.fixture
def grammar(tmp_path):
    (tmp_path / "car" / "tests").mkdir(parents=True)
    (tmp_path / "car" / "tests" / "light.yaml").write_text(TESTS)
    return tmp_path / "car"


def test_sentences_that_mean_something(grammar):
    found = list(sentences_of_tests(files_of_tests([grammar])))
    assert found == ["Light on!", "light off", "light on and light off"]


def test_a_file_has_the_tests_beside_it(grammar):
    assert files_of_tests([grammar / "car.yaml", grammar]) == files_of_tests([grammar])


def test_witten_bell_by_hand():
    usage = WordUsage.of(["light on", "light on", "light off"])
    room = 9 + 0.5 * (4 + 2000)  # nine words with the ends, four kinds
    alone = {word: (count + 0.5) / room for word, count in {"light": 3, "on": 2, "off": 1, "</s>": 3}.items()}
    chance = [
        (3 + 1 * alone["light"]) / (3 + 1),  # after the beginning: one kind, three times
        (2 + 2 * alone["on"]) / (3 + 2),
        (2 + 1 * alone["</s>"]) / (2 + 1),
    ]
    other = [chance[0], (1 + 2 * alone["off"]) / (3 + 2), (1 + 1 * alone["</s>"]) / (1 + 1)]
    more = sum(map(math.log, chance)) - sum(map(math.log, other))
    assert usage.cost(["light", "off"]) - usage.cost(["light", "on"]) == pytest.approx(more)


@given(sentences=st.lists(WORDS, min_size=1, max_size=5))
def test_what_was_counted_costs_nothing_on_average(sentences):
    usage = WordUsage.of(" ".join(words) for words in sentences)
    assert sum(usage.cost(words) for words in sentences) == pytest.approx(0.0, abs=1e-6)


@given(words=WORDS)
def test_without_tests_nothing_is_preferred(words):
    assert WordUsage.of([]).cost(words) == 0.0


def test_a_strange_name_is_no_reason():
    usage = WordUsage.of(["call mom", "call dad", "call home"])
    assert usage.cost(["call", "xanthippe"]) - usage.cost(["call", "mom"]) < 16.0  # two pairs of 8 nats


def test_kept_and_counted_anew_when_the_tests_change(grammar, tmp_path):
    first = kept.kept_usage([grammar], tmp_path / "cache")
    again = kept.kept_usage([grammar], tmp_path / "cache")
    assert first.pairs == again.pairs
    assert len(list((tmp_path / "cache").iterdir())) == 1
    (grammar / "tests" / "more.yaml").write_text("tests: [{intent: Light, sentences: [more light]}]")
    assert kept.kept_usage([grammar], tmp_path / "cache").pairs["more"] == {"light": 1}


@pytest.mark.parametrize("content", ["", "[1]", '{"a": {"b": "c"}}', '{"a": 3}'])
def test_damaged_counts_are_refused(tmp_path, content):
    (tmp_path / "x.usage").write_text(content)
    with pytest.raises(GrammarError, match="count again"):
        store.load_usage(tmp_path / "x.usage")


def test_the_shipped_tests_prefer_what_people_say():
    usage = WordUsage.of(sentences_of_tests(files_of_tests([data_path("grammars", "en")])))
    said, odd = "could you angle the mirror down a little", "would you winter drive and mirror down a little"
    assert usage.cost(said.split()) < usage.cost(odd.split()) - 5.0
