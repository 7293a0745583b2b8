"""The template language: loader, checker, compiler to the automaton; lexicon and text-to-phoneme."""

from carvoice.grammar.acceptor import build_acceptor
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.check import check_grammar
from carvoice.grammar.compiler import compile_grammar
from carvoice.grammar.lists import replace_list
from carvoice.grammar.loader import load_grammar, parse_grammar
from carvoice.grammar.model import Grammar

__all__ = [
    "Automaton",
    "Grammar",
    "build_acceptor",
    "check_grammar",
    "compile_grammar",
    "load_grammar",
    "parse_grammar",
    "replace_list",
]
