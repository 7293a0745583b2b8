"""Shared beginnings change no meaning, only how much work it takes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar import compiler as compiler_module
from carvoice.grammar.beginnings import share_beginnings
from carvoice.nlu.exact import ExactParser

GRAMMAR = """
language: en
intents:
  Warmer:
    data:
      - sentences:
          - "(i want|could we have|[please] can we have) it warmer"
          - "(i want|can we have) {degrees} [degrees]"
  Window:
    data:
      - sentences:
          - "(i want|could we have|can we have) the window (open|down)"
          - "have the window open"
          - "i want {anything} done"
          - "{anything} i want the window open"
lists:
  degrees:
    range: {from: 15, to: 30}
  anything:
    wildcard: true
skip_words: ["can we", "could we", "please"]
"""
SAID = "i want could we have please can it warmer the window open down done 20 twenty x"


@pytest.fixture(scope="module")
def parsers(tmp_path_factory):
    path = tmp_path_factory.mktemp("shared") / "car.yaml"
    path.write_text(GRAMMAR, encoding="utf-8")
    shared = ExactParser(compile_grammar(load_grammar(path)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiler_module, "share_beginnings", lambda *_: None)
        plain = ExactParser(compile_grammar(load_grammar(path)))
    return shared, plain


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(SAID.split()), max_size=9).map(" ".join))
def test_every_sentence_means_what_it_meant(parsers, text):
    shared, plain = parsers
    assert shared.parse(text) == plain.parse(text)
    assert shared.prefix(text) == plain.prefix(text)


@pytest.mark.parametrize(
    "text",
    ["i want it warmer", "can we have the window open", "please can we have 20 degrees", "i want x done"],
)
def test_a_sentence_of_each_kind(parsers, text):
    shared, plain = parsers
    assert shared.parse(text) == plain.parse(text)
    assert shared.parse(text)


def test_what_the_same_words_lead_to_is_one_state():
    word_arcs = [[(7, 1, 1), (7, 1, 2), (7, 2, 3), (8, 1, 4)], [(9, 1, 5)], [(9, 1, 6)], [], [], [], []]
    list_arcs = [[], [(0, 0, 5, -1)], [], [], [], [], []]
    finals = [[], [], [10], [], [], [11], [12]]
    share_beginnings(word_arcs, list_arcs, finals, apart=())
    assert word_arcs[0] == [(7, 1, 7), (7, 2, 3), (8, 1, 4)]
    assert word_arcs[7] == [(9, 1, 8)]
    assert (list_arcs[7], finals[7]) == ([(0, 0, 5, -1)], [10])
    assert (word_arcs[8], finals[8]) == ([], [11, 12])


def test_states_that_must_stay_apart_do():
    word_arcs = [[(7, 1, 1), (7, 1, 2), (7, 1, 3)], [], [], []]
    share_beginnings(word_arcs, [[], [], [], []], [[], [1], [2], [3]], apart={2})
    assert word_arcs[0] == [(7, 1, 4), (7, 1, 2)]
