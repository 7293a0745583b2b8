"""Draw sentences from a grammar, and count what it holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from carvoice.errors import GrammarError
from carvoice.grammar.acceptor import WordAcceptor, build_acceptor
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.compiler import compile_template
from carvoice.grammar.expression import Node, RuleReference
from carvoice.grammar.model import Block, Grammar, ListValue, RangeList, TextList
from carvoice.grammar.network import WordNetwork
from carvoice.grammar.numbers import spoken
from carvoice.grammar.resolve import find_rule, network_of
from carvoice.grammar.words import WILDCARD

WILDCARD_SAMPLE = ("something", "anything else", "a b c")


@dataclass(frozen=True, slots=True)
class Sample:
    """A sentence of the grammar, its intent and its template."""

    sentence: str
    intent: str
    template: str


def sample(grammar: Grammar, count: int, seed: int = 0, intent: str = "") -> Iterator[Sample]:
    """Draw sentences; templates take turns, choices within them are random.

    Args:
        grammar: the grammar.
        count: how many.
        seed: the same seed gives the same sentences.
        intent: only of this intent; "" for all.

    Raises:
        GrammarError: there is no such intent, or a template cannot be compiled.
    """
    rng = random.Random(seed)
    pairs = [
        (block, template)
        for block in grammar.blocks
        if not intent or block.intent == intent
        for template in block.sentences
    ]
    if not pairs:
        known = ", ".join(grammar.intents[:12])
        raise GrammarError(f"there is no sentence of intent {intent!r} (intents: {known} ...)")
    rng.shuffle(pairs)
    for index in range(count):
        block, template = pairs[index % len(pairs)]
        words = _walk(compile_template(grammar, block, template), grammar, block, rng)
        yield Sample(words, block.intent, str(template.text))


def _walk(network: WordNetwork, grammar: Grammar, block: Block, rng: random.Random) -> str:
    """The words on a random way through a network."""
    state = 0
    words: list[str] = []
    while True:
        arcs: list[tuple[str, int]] = [(word, then) for word, _, then in network.word_arcs[state]]
        lists = network.list_arcs[state]
        choices = len(arcs) + len(lists) + (state in network.finals)
        choice = rng.randrange(choices) if choices else 0
        if choice < len(arcs):
            words.append(arcs[choice][0])
            state = arcs[choice][1]
        elif choice < len(arcs) + len(lists):
            reference, state = lists[choice - len(arcs)]
            words.append(_value(grammar, block, reference.name, reference.inline_range, rng))
        else:
            return " ".join(words)


def _value(
    grammar: Grammar, block: Block, name: str, inline: tuple[int, int, int] | None, rng: random.Random
) -> str:
    word_list = grammar.list_named(block, name)
    if word_list is None and inline is not None:
        word_list = RangeList(name, *inline)
    if isinstance(word_list, RangeList):
        number = rng.choice(word_list.numbers())
        if not word_list.words:
            return str(number)
        return rng.choice(spoken(number, word_list.words_language or grammar.language))
    if isinstance(word_list, TextList):
        return _said(grammar, block, rng.choice(word_list.values), rng)
    return rng.choice(WILDCARD_SAMPLE)


def _said(grammar: Grammar, block: Block, value: ListValue, rng: random.Random) -> str:
    def rule_named(reference: RuleReference) -> Node:
        return find_rule(grammar, block, reference, value.template)

    network = network_of(value.template.node, rule_named, value.template, grammar.ignore_whitespace)
    return _walk(network, grammar, block, rng)


@dataclass(frozen=True, slots=True)
class GrammarStats:
    """What a grammar holds.

    Attributes:
        intents, blocks, templates, lists, list_values, words: counts.
        sentences: number of different word sequences, wildcards passing one word.
        states, arcs: of the word automaton.
        acceptor_states, acceptor_arcs: of the minimal acceptor.
        automaton_bytes: memory of the automaton's arrays.
    """

    intents: int
    blocks: int
    templates: int
    lists: int
    list_values: int
    words: int
    sentences: int
    states: int
    arcs: int
    acceptor_states: int
    acceptor_arcs: int
    automaton_bytes: int


def grammar_stats(grammar: Grammar, automaton: Automaton) -> GrammarStats:
    """Count.

    Raises:
        GrammarError: the acceptor would be too large.
    """
    acceptor = build_acceptor(automaton)
    return GrammarStats(
        intents=len(grammar.intents),
        blocks=len(grammar.blocks),
        templates=sum(len(block.sentences) for block in grammar.blocks),
        lists=len(automaton.lists),
        list_values=sum(len(program.values) for program in automaton.lists),
        words=len(automaton.vocabulary),
        sentences=count_sentences(acceptor),
        states=automaton.n_states,
        arcs=len(automaton.arc_word) + len(automaton.list_id),
        acceptor_states=acceptor.n_states,
        acceptor_arcs=len(acceptor.labels),
        automaton_bytes=automaton.nbytes,
    )


def count_sentences(acceptor: WordAcceptor) -> int:
    """How many sentences an acceptor has; a wildcard counts as one word."""
    rows: list[list[int]] = [[] for _ in range(acceptor.n_states)]
    wildcard = acceptor.words.index(WILDCARD)
    for source, label, target in zip(
        acceptor.sources.tolist(), acceptor.labels.tolist(), acceptor.targets.tolist(), strict=True
    ):
        if source != target or label != wildcard:
            rows[source].append(target)
    counts: dict[int, int] = {}
    stack = [acceptor.start]
    while stack:
        state = stack[-1]
        waiting = [target for target in rows[state] if target not in counts]
        if waiting and state not in counts:
            stack.extend(waiting)
            continue
        stack.pop()
        counts[state] = (state in acceptor.finals) + sum(counts[target] for target in rows[state])
    return counts[acceptor.start]
