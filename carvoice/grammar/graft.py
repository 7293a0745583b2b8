"""Put the values of a list into an acceptor that was built without them.

A list that is replaced at run time (contacts) is left as one arc when the acceptor is built; its trie is
then copied in, once for each state that it leads to, by array operations: ten thousand names take
milliseconds, where determinizing with them takes seconds. The result is not deterministic where a name
begins like another sentence.
"""

from __future__ import annotations

import numpy as np

from carvoice.grammar.acceptor import WordAcceptor, placeholder
from carvoice.grammar.automaton import Automaton, Int32Array
from carvoice.grammar.words import WILDCARD


def graft_list(
    acceptor: WordAcceptor, automaton: Automaton, name: str, *, shared: bool = False
) -> WordAcceptor:
    """The acceptor with the values of a list where it had one arc for it.

    Args:
        acceptor: built with the list named in ``apart``; its words are the first of the automaton's, or it
            has been through this function with the same automaton.
        automaton: has the list and its vocabulary.
        name: the list.
        shared: put the values in once for all places. What follows the list in one sentence may then
            follow it in every other ("text john back"); a list in five places takes a fifth of the states.
    """
    if shared:
        acceptor = _one_place(acceptor, name)
    words, label_of = _labels(acceptor, automaton)
    mine = acceptor.labels == acceptor.words.index(placeholder(name))
    sources, thens = acceptor.sources[mine], acceptor.targets[mine]
    program = next(item for item in automaton.lists if item.name == name)
    degree = np.diff(program.arc_start)
    parent = np.repeat(np.arange(len(degree), dtype=np.int32), degree)
    label, child = label_of[program.arc_word], program.arc_node
    ends, goes_on = np.diff(program.value_start)[child] > 0, degree[child] > 0
    inner = np.cumsum(degree > 0, dtype=np.int32) - 2  # the root, which goes on too, is no state of its own
    n_inner = int(np.count_nonzero(degree[1:]))
    after, copy = np.unique(thens, return_inverse=True)
    rows = [np.stack([acceptor.sources, acceptor.labels, acceptor.targets])[:, ~mine]]
    for source, then, first in zip(sources, thens, acceptor.n_states + copy * n_inner, strict=True):
        root_end, root_on = (parent == 0) & ends, (parent == 0) & goes_on
        rows.append(_rows(source, label[root_end], then))
        rows.append(_rows(source, label[root_on], first + inner[child[root_on]]))
    for index, then in enumerate(after):
        first = acceptor.n_states + index * n_inner
        inside_end, inside_on = (parent > 0) & ends, (parent > 0) & goes_on
        rows.append(_rows(first + inner[parent[inside_end]], label[inside_end], then))
        rows.append(
            _rows(first + inner[parent[inside_on]], label[inside_on], first + inner[child[inside_on]])
        )
    table = np.concatenate(rows, axis=1)
    table = table[:, np.lexsort((table[1], table[0]))]
    return WordAcceptor(
        words=words,
        start=acceptor.start,
        finals=acceptor.finals,
        n_states=acceptor.n_states + n_inner * len(after),
        sources=np.ascontiguousarray(table[0], np.int32),
        labels=np.ascontiguousarray(table[1], np.int32),
        targets=np.ascontiguousarray(table[2], np.int32),
    )


def _one_place(acceptor: WordAcceptor, name: str) -> WordAcceptor:
    """The acceptor with a state more, from which all goes on that may follow the list."""
    mine = acceptor.labels == acceptor.words.index(placeholder(name))
    after = np.unique(acceptor.targets[mine])
    if len(after) < 2:
        return acceptor
    hub = acceptor.n_states
    leaving = np.isin(acceptor.sources, after)
    targets = acceptor.targets.copy()
    targets[mine] = hub
    onward = np.unique(np.stack([acceptor.labels[leaving], targets[leaving]]), axis=1)
    return WordAcceptor(
        words=acceptor.words,
        start=acceptor.start,
        finals=acceptor.finals | ({hub} if acceptor.finals & set(after.tolist()) else frozenset()),
        n_states=hub + 1,
        sources=np.concatenate([acceptor.sources, np.full(onward.shape[1], hub, np.int32)]),
        labels=np.concatenate([acceptor.labels, onward[0]]),
        targets=np.concatenate([targets, onward[1]]),
    )


def _labels(acceptor: WordAcceptor, automaton: Automaton) -> tuple[tuple[str, ...], Int32Array]:
    """The acceptor's words with the automaton's new ones after them, and the label of each word's number."""
    n_known = acceptor.words.index(WILDCARD)
    new = tuple(automaton.vocabulary)[n_known:]
    known = {word: index for index, word in enumerate(acceptor.words)}
    words = (*acceptor.words, *(word for word in new if word not in known))
    labels = {word: index for index, word in enumerate(words)}
    return words, np.array([labels[word] for word in automaton.vocabulary], np.int32)


def _rows(source: object, label: Int32Array, target: object) -> Int32Array:
    """Arcs as three rows: from, label, to."""
    count = len(label)
    return np.stack(
        [np.broadcast_to(np.asarray(item, np.int32), (count,)) for item in (source, label, target)]
    )
