"""The sentences of a grammar for the decoding graph, with long lists put in once."""

from __future__ import annotations

from collections.abc import Collection

from carvoice.grammar import build_acceptor
from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.automaton import KIND_TEXT, Automaton
from carvoice.grammar.graft import graft_list

_LONG = 1_000
"""A list of more values is shared by all its places. Then "text john back" can be heard as well, which no
sentence holds; that is for the understanding to reject."""


def sentences(automaton: Automaton) -> WordAcceptor:
    """All sentences of a grammar."""
    apart = [item.name for item in automaton.lists if item.kind == KIND_TEXT and len(item.values) > _LONG]
    names = sorted(set(apart))
    return with_lists(build_acceptor(automaton, apart=names), automaton, names)


def with_lists(acceptor: WordAcceptor, automaton: Automaton, names: Collection[str]) -> WordAcceptor:
    """The acceptor with the values of lists where it had one arc for each.

    Args:
        acceptor: built with ``names`` in ``apart``.
        automaton: has the lists' values.
        names: the lists.
    """
    for name in sorted(names):
        count = max(len(item.values) for item in automaton.lists if item.name == name)
        acceptor = graft_list(acceptor, automaton, name, shared=count > _LONG)
    return acceptor
