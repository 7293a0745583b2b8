"""The word sequences of a grammar as one small deterministic automaton.

This is what a recognizer's decoding graph and the phonetic search are built from: no slots, no
templates, just which word may follow which. Lists are written out in place.

The automaton is determinized by the subset construction and minimized from the end by giving one
number to all states with the same future (Revuz, "Minimisation of acyclic deterministic automata in
linear time", TCS 92(1), 1992); the self-loops of wildcards are the only cycles.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.automaton import KIND_TEXT, KIND_WILDCARD, Automaton, Int32Array
from carvoice.grammar.words import WILDCARD

MAX_STATES = 400_000
_SELF = -1


@dataclass(frozen=True, slots=True)
class WordAcceptor:
    """A deterministic, minimal word automaton.

    Attributes:
        words: the vocabulary; ``WILDCARD`` stands for any word.
        start: start state.
        finals: states a sentence may end in.
        sources, labels, targets: int32, the arcs, sorted by source, then label; ``labels`` index ``words``.
    """

    words: tuple[str, ...]
    start: int
    finals: frozenset[int]
    n_states: int
    sources: Int32Array
    labels: Int32Array
    targets: Int32Array

    @property
    def arcs(self) -> list[tuple[int, str | None, int]]:
        """(from, word, to); the word is never None here, but the type leaves room for it."""
        words = self.words
        rows = zip(self.sources.tolist(), self.labels.tolist(), self.targets.tolist(), strict=True)
        return [(source, words[label], target) for source, label, target in rows]


class _Union:
    """The automaton with its lists written out; states are numbered as they are met."""

    def __init__(
        self, automaton: Automaton, words: tuple[str, ...], max_list_values: int, apart: Collection[str] = ()
    ) -> None:
        self.arcs: list[dict[int, list[int]]] = []
        self.epsilons: list[list[int]] = []
        self.is_final: list[bool] = []
        self._lists: dict[tuple[int, int], int] = {}
        self._automaton = automaton
        self._wildcard = words.index(WILDCARD)
        self._apart = {name: words.index(placeholder(name)) for name in apart}
        self._max_list_values = max_list_values
        for state in range(automaton.n_states):
            self._new(automaton.final_start[state] < automaton.final_start[state + 1])
        arc_start, arc_word, arc_next = (
            automaton.arc_start.tolist(), automaton.arc_word.tolist(), automaton.arc_next.tolist()
        )  # fmt: skip
        list_start, list_id, list_next = (
            automaton.list_start.tolist(), automaton.list_id.tolist(), automaton.list_next.tolist()
        )  # fmt: skip
        for state in range(automaton.n_states):
            row = self.arcs[state]
            for arc in range(arc_start[state], arc_start[state + 1]):
                row.setdefault(arc_word[arc], []).append(arc_next[arc])
            entries = {
                self._list(list_id[arc], list_next[arc])
                for arc in range(list_start[state], list_start[state + 1])
            }
            self.epsilons[state].extend(sorted(entries))

    def _new(self, is_final: bool = False) -> int:
        if len(self.arcs) >= 4 * MAX_STATES:
            raise GrammarError("the grammar with its lists written out is too large for a decoding graph")
        self.arcs.append({})
        self.epsilons.append([])
        self.is_final.append(bool(is_final))
        return len(self.arcs) - 1

    def _list(self, list_id: int, then: int) -> int:
        """A copy of the list's trie that leads on to ``then``; one for each pair."""
        key = (list_id, then)
        if key in self._lists:
            return self._lists[key]
        program = self._automaton.lists[list_id]
        entry = self._lists[key] = self._new()
        if program.name in self._apart and program.kind == KIND_TEXT:
            self.arcs[entry][self._apart[program.name]] = [then]
            return entry
        if program.kind == KIND_WILDCARD:
            inside = self._new()
            self.arcs[entry][self._wildcard] = [inside]
            self.arcs[inside][self._wildcard] = [inside]
            self.epsilons[inside].append(then)
            return entry
        arc_start, value_start = program.arc_start.tolist(), program.value_start.tolist()
        arc_word, arc_node = program.arc_word.tolist(), program.arc_node.tolist()
        if len(program.values) > self._max_list_values:
            return entry  # left empty: the list is matched by other means
        copies = {0: entry}
        for node in range(len(arc_start) - 1):  # a trie's children come after their parents
            here = copies[node]
            if node and value_start[node] < value_start[node + 1]:
                self.epsilons[here].append(then)
            for arc in range(arc_start[node], arc_start[node + 1]):
                copies[arc_node[arc]] = child = self._new()
                self.arcs[here].setdefault(arc_word[arc], []).append(child)
        return entry


def placeholder(name: str) -> str:
    """The word that stands for a list that is kept apart."""
    return f"{{{name}}}"


def build_acceptor(
    automaton: Automaton, max_list_values: int = 50_000, apart: Collection[str] = ()
) -> WordAcceptor:
    """Determinize and minimize.

    Args:
        automaton: the compiled grammar.
        max_list_values: lists with more values are left out of the acceptor.
        apart: text lists that stay one arc, to be put in by :func:`carvoice.grammar.graft.graft_list`.

    Raises:
        GrammarError: the result would have more than 400,000 states.
    """
    words = (*automaton.vocabulary, WILDCARD, *map(placeholder, apart))
    union = _Union(automaton, words, max_list_values, apart)
    arcs, finals, _ = _determinize(union)
    return _minimize(arcs, finals, words)


def determinize_with_finals(automaton: Automaton) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Sentences at which two or more templates end, one for each combination of templates.

    Yields (a shortest sentence, the templates' indices).

    Raises:
        GrammarError: the determinized automaton would be too large.
    """
    words = (*automaton.vocabulary, WILDCARD)
    union = _Union(automaton, words, 2_000)
    came: list[tuple[int, int]] = []
    _, _, subsets = _determinize(union, came)
    seen: set[tuple[int, ...]] = set()
    starts, finals = automaton.final_start.tolist(), automaton.final_template.tolist()
    for index, subset in enumerate(subsets):
        templates = tuple(
            sorted(
                {
                    template
                    for state in subset
                    if state < automaton.n_states
                    for template in finals[starts[state] : starts[state + 1]]
                }
            )
        )
        if len(templates) < 2 or templates in seen:
            continue
        seen.add(templates)
        said: list[str] = []
        at = index
        while at:
            at, word = came[at]
            said.append(words[word])
        yield " ".join(reversed(said)), templates


def _closure(union: _Union, states: list[int]) -> tuple[int, ...]:
    seen = set(states)
    stack = list(seen)
    while stack:
        for then in union.epsilons[stack.pop()]:
            if then not in seen:
                seen.add(then)
                stack.append(then)
    return tuple(sorted(state for state in seen if union.arcs[state] or union.is_final[state]))


def _determinize(
    union: _Union, came: list[tuple[int, int]] | None = None
) -> tuple[list[dict[int, int]], list[bool], list[tuple[int, ...]]]:
    """Arcs, final flags and subsets of the deterministic automaton.

    ``came`` receives, per state, the state and word it was first reached by.
    """
    start = _closure(union, [0])
    number = {start: 0}
    subsets = [start]
    arcs: list[dict[int, int]] = []
    finals: list[bool] = []
    closures: dict[tuple[int, ...], tuple[int, ...]] = {}
    if came is not None:
        came.append((0, 0))
    at = 0
    while at < len(subsets):
        subset = subsets[at]
        at += 1
        finals.append(any(union.is_final[state] for state in subset))
        targets: dict[int, list[int]] = {}
        for state in subset:
            for word, then in union.arcs[state].items():
                known = targets.get(word)
                if known is None:
                    targets[word] = list(then)
                else:
                    known.extend(then)
        row: dict[int, int] = {}
        for word, then in targets.items():
            key = tuple(then)
            closed = closures.get(key)
            if closed is None:
                closed = closures[key] = _closure(union, then)
            index = number.get(closed)
            if index is None:
                index = number[closed] = len(subsets)
                subsets.append(closed)
                if came is not None:
                    came.append((at - 1, word))
                if index >= MAX_STATES:
                    raise GrammarError(
                        f"the decoding graph has more than {MAX_STATES} states; shorten lists or "
                        "split templates with many optional parts"
                    )
            row[word] = index
        arcs.append(row)
    return arcs, finals, subsets


def _minimize(arcs: list[dict[int, int]], finals: list[bool], words: tuple[str, ...]) -> WordAcceptor:
    merged: list[int] = [-1] * len(arcs)
    signatures: dict[tuple[bool, tuple[tuple[int, int], ...]], int] = {}
    rows: list[tuple[tuple[int, int], ...]] = []
    is_final: list[bool] = []
    stack = [0]
    open_states = bytearray(len(arcs))
    while stack:
        state = stack[-1]
        if merged[state] >= 0:
            stack.pop()
            continue
        if not open_states[state]:
            open_states[state] = 1
            stack.extend(then for then in arcs[state].values() if merged[then] < 0 and not open_states[then])
            continue
        stack.pop()
        row = []
        for word, then in sorted(arcs[state].items()):
            # A state still open is on a cycle of wildcards; only the loop on itself can be folded.
            target = _SELF if then == state else merged[then]
            if target < 0 and then != state:
                target = merged[then] = len(rows)
                rows.append(())
                is_final.append(finals[then])
            row.append((word, target))
        signature = (finals[state], tuple(row))
        known = signatures.get(signature)
        if known is None or merged[state] >= 0:
            known = merged[state] if merged[state] >= 0 else len(rows)
            if known == len(rows):
                rows.append(())
                is_final.append(finals[state])
            rows[known] = tuple((word, known if then == _SELF else then) for word, then in row)
            signatures[signature] = known
        merged[state] = known
    flat = [(source, word, target) for source, row in enumerate(rows) for word, target in row]
    table = np.array(flat, np.int32).reshape(-1, 3)
    return WordAcceptor(
        words=words,
        start=merged[0],
        finals=frozenset(state for state, final in enumerate(is_final) if final),
        n_states=len(rows),
        sources=np.ascontiguousarray(table[:, 0]),
        labels=np.ascontiguousarray(table[:, 1]),
        targets=np.ascontiguousarray(table[:, 2]),
    )
