"""Lists replaced at run time, and long ones."""

import pytest

from carvoice.errors import GrammarError
from carvoice.grammar import compile_grammar, parse_grammar, replace_list
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.records import PrefixState

GRAMMAR = """
lists:
  contact: {values: [mom]}
  level: {range: {from: 1, to: 3}}
intents:
  Call: {data: [{sentences: ["call {contact} [now]"]}]}
  Level: {data: [{sentences: ["level {level}"]}]}
"""


def understander(**settings):
    return Understander(compile_grammar(parse_grammar(GRAMMAR)), None, UnderstanderSettings(**settings))


def test_values_come_and_go():
    parser = understander()
    assert parser.parse("call mom")[0].values == {"contact": "mom"}
    parser.replace_list("contact", {"Zoë Müller": 7, "zoë": 8})
    assert parser.parse("call ZOË MÜLLER now")[0].values == {"contact": 7}
    assert parser.parse("call zoë")[0].values == {"contact": 8}
    assert parser.prefix("call zoë") is PrefixState.COMPLETE
    assert parser.parse("call mom")[0].rejected
    assert parser.parse("level two")[0].values == {"level": 2}
    parser.replace_list("contact", [])
    assert parser.parse("call zoë")[0].rejected


def test_the_automaton_itself_stays():
    automaton = compile_grammar(parse_grammar(GRAMMAR))
    other = replace_list(automaton, "contact", ["dad"])
    assert automaton.lists[0].values == ["mom"]
    assert automaton.digest != other.digest
    assert "dad" not in automaton.vocabulary


@pytest.mark.parametrize("name", ["nobody", "level"])
def test_only_text_lists_can_be_replaced(name):
    with pytest.raises(GrammarError, match="the text lists are: contact"):
        understander(near_misses=False).replace_list(name, ["x"])


def test_ten_thousand_names():
    parser = understander(near_misses=False)
    names = [f"name{index % 100} surname{index // 100}" for index in range(10_000)]
    parser.replace_list("contact", names)
    for index in (0, 1, 4711, 9999):
        assert parser.parse(f"call {names[index]}")[0].values == {"contact": names[index]}
    assert parser.parse("call name1 surname100")[0].rejected
