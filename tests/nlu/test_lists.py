"""Lists replaced at run time, and long ones."""

import pytest

from carvoice.errors import GrammarError
from carvoice.grammar import build_acceptor, compile_grammar, parse_grammar, replace_list
from carvoice.grammar.graft import graft_list
from carvoice.grammar.lexicon import Lexicon
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


ZOO = """
lists:
  contact: {values: [mom]}
  station: {values: [one]}
intents:
  Call: {data: [{sentences: ["call {contact} [now]", "call {contact} on {station}"]}]}
  Home: {data: [{sentences: ["call anna the cat"]}]}
"""


def phrases(acceptor):
    """All word sequences of an acceptor without cycles."""
    after = {}
    for source, word, target in acceptor.arcs:
        after.setdefault(source, []).append((word, target))
    found, waiting = set(), [(acceptor.start, ())]
    while waiting:
        state, said = waiting.pop()
        if state in acceptor.finals:
            found.add(" ".join(said))
        waiting.extend((then, (*said, word)) for word, then in after.get(state, ()))
    return found


@pytest.mark.parametrize("names", [["anna", "anna maria", "bo li", "mom"], ["mom"], []])
def test_a_grafted_list_is_what_is_built_with_it(names):
    automaton = compile_grammar(parse_grammar(ZOO))
    replaced = replace_list(automaton, "contact", names)
    grafted = graft_list(build_acceptor(automaton, apart=["contact"]), replaced, "contact")
    assert phrases(grafted) == phrases(build_acceptor(replaced))
    again = replace_list(replaced, "station", ["two", "bo two"])
    both = build_acceptor(automaton, apart=["contact", "station"])
    both = graft_list(graft_list(both, again, "contact"), again, "station")
    assert phrases(both) == phrases(build_acceptor(again))


def test_new_values_are_found_by_sound_too():
    parser = Understander(compile_grammar(parse_grammar(GRAMMAR)), Lexicon.load())
    for name in ("zebedee kwimble", "mordecai straffen"):
        parser.replace_list("contact", {name: 1}, wait=True)
        assert parser.parse(f"call {name}")[0].confidence > 0.99
        assert parser.parse(f"call {name}s now")[0].values == {"contact": 1}
    assert parser.parse("call zebedee kwimbles now")[0].rejected
    assert {item.text for item in parser.completions("call mordecai")} == {
        "call mordecai straffen", "call mordecai straffen now"
    }  # fmt: skip


def test_a_list_that_is_too_long_is_matched_word_for_word():
    settings = UnderstanderSettings(max_list_values=3)
    parser = Understander(compile_grammar(parse_grammar(GRAMMAR)), Lexicon.load(), settings)
    parser.replace_list("contact", ["anna berg", "bo carlson", "cy dean", "di ek"], wait=True)
    assert parser.parse("call anna berg")[0].values == {"contact": "anna berg"}
    assert parser.parse("call anna bergs")[0].rejected
