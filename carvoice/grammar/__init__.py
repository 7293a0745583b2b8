"""The template language: loader, checker, compiler to the automaton; lexicon and text-to-phoneme."""

from carvoice.grammar.automaton import Automaton
from carvoice.grammar.compiler import compile_grammar
from carvoice.grammar.loader import load_grammar, parse_grammar
from carvoice.grammar.model import Grammar

__all__ = ["Automaton", "Grammar", "compile_grammar", "load_grammar", "parse_grammar"]
