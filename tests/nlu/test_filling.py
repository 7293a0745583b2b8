"""A value that a meaning lacks, found among the words."""

import pytest

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.nlu.exact import ExactParser
from carvoice.nlu.filling import filled
from carvoice.nlu.gist import Guess

GRAMMAR = """
language: en
lists:
  level: {range: {from: 0, to: 10}}
  who: {values: [anna, {in: uncle bob, out: bob}]}
  place: {values: [front, {in: back, out: rear}]}
intents:
  Fan:
    data:
      - sentences: ["fan [in the {place:zone}] [to] {level}"]
  Call:
    data:
      - sentences: ["call {who} [back]"]
"""
NUMBERS = frozenset({"one", "five", "ten", "twenty"})
FAN = Guess("Fan", (), 0.9, False, ("fan #", "fan to #"))
CALL = Guess("Call", (), 0.9, False, ("call #",))


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    path = tmp_path_factory.mktemp("grammar") / "en.yaml"
    path.write_text(GRAMMAR, encoding="utf-8")
    return ExactParser(compile_grammar(load_grammar(path)))


def is_plain(words):
    return not NUMBERS.intersection(words)


def said(text, guess, exact):
    slots = filled(text, guess, exact, is_plain)
    return slots and {name: (slot.value, slot.text, slot.start) for name, slot in slots.items()}


def test_the_value_is_the_part_that_a_carrier_takes(exact):
    assert said("let it blow at five please", FAN, exact) == {"level": (5, "five", 15)}
    assert said("give uncle bob a ring", CALL, exact) == {"who": ("bob", "uncle bob", 5)}


def test_slots_that_are_known_stay_and_must_be_those_of_the_carrier(exact):
    behind = Guess("Fan", (("zone", "rear"),), 0.9, False, ("fan in the back to #",))
    assert said("let it blow behind us at five", behind, exact) == {
        "zone": ("rear", "", -1),
        "level": (5, "five", 25),
    }
    elsewhere = Guess("Fan", (("zone", "rear"),), 0.9, False, ("fan #",))
    assert said("let it blow at five", elsewhere, exact) is None


@pytest.mark.parametrize(
    "text", ["let it blow", "let it blow at five or ten", "let it blow at twenty", "", "a " * 40]
)
def test_no_value_two_or_one_out_of_range_fill_nothing(text, exact):
    assert said(text, FAN, exact) is None


def test_what_a_carrier_takes_beside_the_value_is_none(exact):
    assert said("give back anna", CALL, exact) == {"who": ("anna", "anna", 10)}
    assert said("anna back", CALL, exact) == {"who": ("anna", "anna", 0)}  # not "anna back"
