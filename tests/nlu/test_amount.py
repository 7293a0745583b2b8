"""Numbers heard, in range or not: one is never taken for another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.grammar import compile_grammar, parse_grammar
from carvoice.grammar.numbers import spoken
from carvoice.nlu import Understander
from carvoice.nlu.amount import amounts, in_digits, place_in_words
from carvoice.nlu.exact import ExactParser

GRAMMAR = """
language: en
lists: {degrees: {range: {from: 14, to: 32, fractions: halves}}, level: {range: {from: 0, to: 10, step: 2}}}
intents:
  Temperature: {data: [{sentences: ["set the temperature to {degrees} [degrees]"]}]}
  Fan: {data: [{sentences: ["set the fan to {level}"]}]}
  Open: {data: [{sentences: ["open the window"]}]}
"""
AUTOMATON = compile_grammar(parse_grammar(GRAMMAR))
UNDERSTANDER = Understander(AUTOMATON)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("set the temperature to fifty", (14, 32)),
        ("set the temperature to 50", (14, 32)),
        ("Set the temperature to fifty degrees!", (14, 32)),
        ("set the temperature to ninety", (14, 32)),
        ("set the temperature to minus ten", (14, 32)),
        ("set the temperature to twenty one point two", (14, 32)),
        ("set the fan to eleven", (0, 10)),
        ("set the fan to three", (0, 10)),
        ("set the temperature to fifty and open the window", (14, 32)),
        ("open the window and set the fan to forty", (0, 10)),
        ("set the temperature to twenty no fifty", (14, 32)),
    ],
)
def test_out_of_range_is_said_so(text, limits):
    (found,) = UNDERSTANDER.parse(text)
    assert found.rejected == "out of range"
    assert (found.values["min"], found.values["max"]) == limits
    assert found.intent == ""


@given(st.integers(-99, 999))
@settings(max_examples=80, deadline=None)
def test_no_number_becomes_another(number):
    for said in (str(number), spoken(number)[0]):
        (found,) = UNDERSTANDER.parse(f"set the temperature to {said}")
        assert found.values == ({"degrees": number} if 14 <= number <= 32 else {"min": 14, "max": 32})


def test_numbers_are_found_with_their_places():
    text = "from twenty one and a half to 7.5, minus ten or one oh one point three; two hundred and five"
    found = amounts(text, "en")
    assert [amount.value for amount in found] == [21.5, 7.5, -10, 101.3, 205]
    assert text[found[0].start : found[0].end] == "twenty one and a half"
    digits = in_digits(text, found)
    assert digits == "from 21.5 to 7.5, -10 or 101.3; 205"
    for word in ("from", "to", "or"):
        assert place_in_words(digits.index(word), found) == text.index(word)
        assert place_in_words(digits.index(word) + len(word), found) == text.index(word) + len(word)
    assert place_in_words(len(digits), found) == len(text)
    assert amounts("open the window", "en") == []


def test_slots_keep_their_place_in_the_words():
    text = "Set the temperature to twenty-one point five degrees"
    (found,) = Understander(AUTOMATON).parse(text.replace("-", " "))
    slot = found.slots["degrees"]
    assert (slot.value, slot.text) == (21.5, "twenty one point five")


@given(st.integers(-500, 5000), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_the_range_says_what_the_matcher_says(whole, rest):
    number = whole + rest / 100
    program = next(item for item in AUTOMATON.lists if item.name == "degrees")
    readings = ExactParser(AUTOMATON).parse(f"set the temperature to {number}", any_number=True)
    assert readings
    assert (readings[0].out_of_range is None) == program.has_number(number)
    assert program.has_number(number) == (14 <= np.floor(number) <= 32 and rest in (0, 50))
