"""Input and grammars that mean harm: bounded work, no crash."""

from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.grammar import compile_grammar, parse_grammar
from carvoice.nlu import Understander
from carvoice.nlu._matcher import Matcher
from carvoice.nlu.exact import ExactParser
from carvoice.records import Interpretation, PrefixState

WILD = """
lists: {any: {wildcard: true}, n: {range: {from: -5, to: 99, fractions: tenths}}, w: {values: [a b, a, b a]}}
skip_words: [a, b c]
intents:
  W: {data: [{sentences: ["{any} a {any} b {any}", "[a] [a] [a] [b] [b] {w} {w} [{n}]", "(a;b;c;d) {any}"]}]}
  N: {data: [{sentences: ["{n} {n} {n}", "{any}"]}]}
"""
PLAIN = compile_grammar(
    parse_grammar("""
lists: {any: {wildcard: true}, w: {values: [a b, über, "l'a", don't, d]}}
skip_words: [a, d b]
intents: {P: {data: [{sentences: ["b {w} [{w}] [b]", "{w}", "b b", "{any} über [d] {w}"]}]}}
""")
)
AUTOMATON = compile_grammar(parse_grammar(WILD))
UNDERSTANDER = Understander(AUTOMATON)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text(text):
    found = UNDERSTANDER.parse(text)
    assert found
    assert all(isinstance(item, Interpretation) for item in found)
    assert UNDERSTANDER.prefix(text) in PrefixState
    for item in found:
        for slot in item.slots.values():
            assert slot.start < 0 or text[slot.start : slot.end] == slot.text


@given(st.lists(st.sampled_from("a b c d 1 -3 2.5 % a-b a_b 12:30 l'a °c".split()), max_size=130))  # noqa: SIM905
@settings(max_examples=150, deadline=None)
def test_words_of_the_grammar_in_any_order(words):
    text = " ".join(words)
    for reading in ExactParser(AUTOMATON).parse(text):
        assert reading.intent in ("W", "N")
    UNDERSTANDER.prefix(text)


@given(st.lists(st.sampled_from("a b c d B über l'a don't x".split()), max_size=12))  # noqa: SIM905
@settings(max_examples=150, deadline=None)
def test_plain_text_is_read_without_a_lattice_and_means_the_same(words):
    text = "  ".join(words)
    parser = ExactParser(PLAIN)
    by_lattice = parser._builder.build(text)
    quick = parser._matcher.match_text(text)
    if not words or any(word in ("c", "x") for word in words):
        assert quick is None  # nothing, and words that are not known, are for the lattice
    else:
        assert quick == parser._match(by_lattice)


def test_text_beyond_plain_letters_goes_through_the_lattice():
    parser = ExactParser(PLAIN)
    assert parser._matcher.match_text("b b") is not None
    for text in ("b 5", "b, b", "b-b", "b ß", "b δ", "", "b" * 70):
        assert parser._matcher.match_text(text) is None
    assert parser.parse("B, b.")
    assert parser.parse("b b")


def test_too_much_is_refused():
    matcher = Matcher(AUTOMATON)
    assert matcher.match([], [0] * 600, [0] * 600, [1] * 600) is None
    assert ExactParser(AUTOMATON).parse("a " * 5000) == []
    assert UNDERSTANDER.parse("a " * 5000)[0].rejected


def test_nested_optionals_stay_small():
    nested = "[" * 60 + "word" + " more]" * 60
    automaton = compile_grammar(parse_grammar(f"intents: {{A: {{data: [{{sentences: ['go {nested}']}}]}}}}"))
    assert automaton.n_states < 500
    assert ExactParser(automaton).parse("go more more more")


def test_many_optionals_side_by_side():
    words = " ".join(f"[w{index}]" for index in range(200))
    automaton = compile_grammar(parse_grammar(f"intents: {{A: {{data: [{{sentences: ['go {words}']}}]}}}}"))
    parser = ExactParser(automaton)
    assert parser.parse("go w3 w77 w199")
    assert not parser.parse("go w77 w3")
    assert parser.prefix("go w3") is PrefixState.COMPLETE
    assert parser.prefix("go w199") is PrefixState.FINAL
