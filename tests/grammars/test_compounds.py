"""Several commands in one breath, and corrections, are understood as the commands that were meant."""

from __future__ import annotations

from shipped import GRAMMARS, read

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu.understander import Understander


def test_compounds_are_taken_apart():
    grammar = load_grammar(GRAMMARS / "en", language="en")
    understander = Understander(compile_grammar(grammar), Lexicon.load())
    wrong = {}
    for compound in read(GRAMMARS / "en" / "tests" / "compounds.yaml")["compounds"]:
        meant = [(intent["name"], intent.get("slots") or {}) for intent in compound["intents"]]
        understood = [(one.intent, one.values) for one in understander.parse(compound["sentence"])]
        if understood != meant:
            wrong[compound["sentence"]] = understood
    assert wrong == {}
