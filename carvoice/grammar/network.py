"""From a template's tree to a small network of words.

A template is text, so its words may be glued from parts ("light[s]", "(un|)lock"). The tree first
becomes a network of character runs and spaces (Thompson's construction, CACM 11(6), 1968); then, from
each place where a word can begin, the runs are followed to the places where it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from carvoice.errors import GrammarError
from carvoice.grammar.expression import (
    Alternative,
    ListReference,
    Node,
    Permutation,
    RuleReference,
    Sequence,
    Text,
)
from carvoice.grammar.words import split_words

MAX_STATES = 60_000
MAX_PERMUTED = 7

_SPACE = 0
_CHARS = 1
_LIST = 2
_EPSILON = 3


@dataclass(slots=True)
class WordNetwork:
    """Words between numbered states; state 0 is the start.

    Attributes:
        word_arcs: per state, (word, literal characters, next state), in order of preference.
        list_arcs: per state, (list reference, next state).
        finals: states a sentence may end in.
    """

    word_arcs: list[list[tuple[str, int, int]]] = field(default_factory=list)
    list_arcs: list[list[tuple[ListReference, int]]] = field(default_factory=list)
    finals: set[int] = field(default_factory=set)


class TooLargeError(GrammarError):
    """A template stands for more than can be compiled."""


def word_network(node: Node, rule_named: Callable[[RuleReference], Node], cjk: bool = False) -> WordNetwork:
    """Build the network of a template.

    Args:
        node: the template.
        rule_named: gives the tree of a rule; raises if there is none.
        cjk: every CJK character is a word of its own (``ignore_whitespace``).

    Raises:
        TooLargeError: rules nested into themselves, a permutation of too many items, or a template that
            stands for more than 60,000 places.
    """
    runs = _Runs(rule_named)
    start = runs.state()
    runs.add(node, start, runs.state())
    return _words_of(runs, start, runs.end, cjk)


class _Runs:
    """The network of character runs and spaces."""

    def __init__(self, rule_named: Callable[[RuleReference], Node]) -> None:
        self.arcs: list[list[tuple[int, object, int]]] = []
        self.end = 1
        self._rule_named = rule_named

    def state(self) -> int:
        if len(self.arcs) >= MAX_STATES:
            raise TooLargeError(
                f"the template stands for more than {MAX_STATES} places; split it or use a list"
            )
        self.arcs.append([])
        return len(self.arcs) - 1

    def add(self, node: Node, start: int, end: int) -> None:
        """Put ``node`` between two states; an explicit stack, as rules may nest deeply."""
        work: list[tuple[Node, int, int, tuple[str, ...]]] = [(node, start, end, ())]
        while work:
            item, source, target, inside = work.pop()
            if isinstance(item, Text):
                self._text(item.text, source, target)
            elif isinstance(item, ListReference):
                before = self.state()
                self.arcs[source].append((_SPACE, None, before))
                self.arcs[before].append((_LIST, item, target))
            elif isinstance(item, RuleReference):
                if item.name in inside:
                    chain = " -> ".join(f"<{name}>" for name in (*inside, item.name))
                    raise TooLargeError(f"a rule is used inside itself: {chain}")
                work.append((self._rule_named(item), source, target, (*inside, item.name)))
            elif isinstance(item, Alternative):
                for branch in item.items:
                    entry = self.state()
                    self.arcs[source].append((_EPSILON, None, entry))
                    work.append((branch, entry, target, inside))
            elif isinstance(item, Sequence):
                here = source
                for index, part in enumerate(item.items):
                    there = target if index == len(item.items) - 1 else self.state()
                    work.append((part, here, there, inside))
                    here = there
                if not item.items:
                    self.arcs[source].append((_EPSILON, None, target))
            else:
                work.extend((*step, inside) for step in self._permutation(item, source, target))

    def _text(self, text: str, source: int, target: int) -> None:
        here = source
        for index, word in enumerate(text.split(" ")):
            if index:
                after = self.state()
                self.arcs[here].append((_SPACE, None, after))
                here = after
            if word:
                after = self.state()
                self.arcs[here].append((_CHARS, word, after))
                here = after
        self.arcs[here].append((_EPSILON, None, target))

    def _permutation(self, item: Permutation, source: int, target: int) -> list[tuple[Node, int, int]]:
        """One state per set of items said so far."""
        count = len(item.items)
        if count > MAX_PERMUTED:
            raise TooLargeError(f"a permutation has {count} items, at most {MAX_PERMUTED} are compiled")
        full = (1 << count) - 1
        states = {0: self.state(), full: self.state()}
        self.arcs[source].append((_SPACE, None, states[0]))
        self.arcs[states[full]].append((_SPACE, None, target))
        steps: list[tuple[Node, int, int]] = []
        for said in range(full):
            here = states.setdefault(said, -1)
            if here < 0:
                here = states[said] = self.state()
            for index, part in enumerate(item.items):
                if said >> index & 1:
                    continue
                then = said | 1 << index
                if states.get(then, -1) < 0:
                    states[then] = self.state()
                entry, leave = self.state(), self.state()
                self.arcs[here].append((_SPACE, None, entry))
                self.arcs[leave].append((_SPACE, None, states[then]))
                steps.append((part, entry, leave))
        return steps


def _words_of(runs: _Runs, start: int, end: int, cjk: bool) -> WordNetwork:
    network = WordNetwork()
    number: dict[int, int] = {}
    pending: list[int] = []
    budget = MAX_STATES * 4

    def place(run_state: int) -> int:
        known = number.get(run_state)
        if known is None:
            known = number[run_state] = _new_state(network)
            pending.append(run_state)
        return known

    place(start)
    while pending:
        origin = pending.pop()
        here = number[origin]
        seen: set[tuple[int, str, int]] = set()
        stack: list[tuple[int, str, int]] = [(origin, "", 0)]
        while stack:
            config = stack.pop()
            if config in seen:
                continue
            seen.add(config)
            budget -= 1
            if budget < 0:
                raise TooLargeError("the template glues too many parts into words; put spaces between them")
            state, partial, weight = config
            if state == end:
                if partial:
                    _word_arc(network, here, split_words(partial, cjk), weight, place(end))
                else:
                    network.finals.add(here)
                continue
            for kind, payload, target in reversed(runs.arcs[state]):
                if kind == _EPSILON:
                    stack.append((target, partial, weight))
                elif kind == _CHARS:
                    run = str(payload)
                    stack.append((target, partial + run, weight + len(run)))
                elif kind == _SPACE:
                    words = split_words(partial, cjk) if partial else ()
                    if words:
                        _word_arc(network, here, words, weight, place(target))
                    else:
                        stack.append((target, "", weight))
                elif isinstance(payload, ListReference):
                    network.list_arcs[here].append((payload, place(target)))
    return network


def _new_state(network: WordNetwork) -> int:
    network.word_arcs.append([])
    network.list_arcs.append([])
    return len(network.word_arcs) - 1


def _word_arc(network: WordNetwork, here: int, words: tuple[str, ...], weight: int, then: int) -> None:
    for word in words[:-1]:
        middle = _new_state(network)
        network.word_arcs[here].append((word, weight, middle))
        here, weight = middle, 0
    if words:
        network.word_arcs[here].append((words[-1], weight, then))
    else:
        network.finals.add(here)  # punctuation only
