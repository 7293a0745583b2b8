"""Grammars of other formats."""

import pytest

from carvoice.errors import GrammarError
from carvoice.grammar import compile_grammar, parse_grammar
from carvoice.grammar.convert import import_grammar
from carvoice.nlu.exact import ExactParser

JSGF = """#JSGF V1.0 UTF-8 en;
grammar car;
// what can be said
public <window> = [please] (open {tag} | /0.5/ close) the <which> window;
public <stop> = stop | "shut up";
<which> = driver | rear (left | right) | <NULL>;
"""
RHINO = """
context:
  expressions:
    changeColor:
      - "[turn, make] (all, the) $location:where lights $color:color"
      - "@please set brightness to $pv.Percent:level percent"
  slots:
    location: [kitchen, living room]
    color: [red, blue]
  macros:
    please: [please, kindly]
"""


def sentences(path):
    grammar = parse_grammar(import_grammar(path))
    compile_grammar(grammar)
    from carvoice.grammar.sample import sample

    return {item.sentence for item in sample(grammar, 2000, seed=1)}


def test_jsgf(tmp_path):
    path = tmp_path / "car.jsgf"
    path.write_text(JSGF)
    said = sentences(path)
    assert {"open the driver window", "please close the rear left window", "stop", "shut up"} <= said
    assert "open the window" in said
    assert len(said) == 2 + 2 * 2 * 4


def test_rhino(tmp_path):
    path = tmp_path / "lamp.yml"
    path.write_text(RHINO)
    said = sentences(path)
    assert "turn the kitchen lights red" in said
    assert "make living room lights blue" in said
    assert any(text.startswith("kindly set brightness to") for text in said)


def test_rhino_words_that_yaml_takes_for_truths_and_numbers_stay_words(tmp_path):
    path = tmp_path / "switch.yml"
    path.write_text(
        "context:\n  expressions:\n    on: [turn it $state:state, off]\n"
        "  slots: {state: [on, off, yes, 12]}\n  macros:\n"
    )
    parser = ExactParser(compile_grammar(parse_grammar(import_grammar(path))))
    for word in ("on", "off", "yes", "12"):
        (reading,) = parser.parse(f"turn it {word}")
        assert (reading.intent, reading.slots["state"].value) == ("on", word)
    assert parser.parse("off")


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.jsgf", "#JSGF V1.0;\ngrammar a;\npublic <a> = b*;", "repeats without end"),
        ("a.jsgf", "#JSGF V1.0;\ngrammar a;\n<a> = b;", "no public rule"),
        ("a.jsgf", "#JSGF V1.0;\ngrammar a;\npublic <a> = (b;", "not expected"),
        ("a.jsgf", "#JSGF V1.0;\ngrammar a;\npublic <a> = b", "';' missing"),
        ("a.jsgf", "#JSGF V1.0;\nimport <x.y>;", "imports"),
        ("a.yml", "context: {expressions: {a: ['[b, c']}}", "never closed"),
        ("a.yml", "context: {expressions: {a: ['b, c']}}", "inside brackets"),
        ("a.yml", "context: {expressions: {a: ['$pv.Odd:x']}}", "no counterpart"),
        ("a.yml", "intents: {}", "needs 'context"),
        ("a.txt", "hello", "neither"),
    ],
)
def test_messages(tmp_path, name, text, match):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(GrammarError, match=match):
        import_grammar(path)
