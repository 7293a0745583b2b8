"""The sentences of a grammar for the decoding graph, with long lists put in once."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.automaton import KIND_TEXT, Automaton
from carvoice.grammar.graft import graft_list
from carvoice.grammar.kept import kept_acceptor

_LONGEST = 50_000  # values of a list
_LONG = 1_000
"""A list of more values is shared by all its places. Then "text john back" can be heard as well, which no
sentence holds; that is for the understanding to reject."""


def sentences(automaton: Automaton, keep_in: Path | None = None) -> WordAcceptor:
    """All sentences of a grammar.

    Args:
        automaton: the compiled grammar.
        keep_in: folder where they are kept for the next start; None for none.

    Raises:
        GrammarError: there are too many for a decoding graph.
    """
    apart = [item.name for item in automaton.lists if item.kind == KIND_TEXT and len(item.values) > _LONG]
    names = sorted(set(apart))
    return with_lists(kept_acceptor(automaton, _LONGEST, names, keep_in), automaton, names)


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
