"""Compile lists to tries, and replace them at run time.

A value may be a template and name other lists: then each of its phrases becomes a value of its own, which
fills the other lists' slots too, as HassIL does it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.arrays import int32, starts_of
from carvoice.grammar.automaton import (
    KIND_RANGE,
    KIND_TEXT,
    KIND_WILDCARD,
    Automaton,
    Int32Array,
    ListProgram,
    Uint8Array,
)
from carvoice.grammar.conditions import excluded_passes, required_passes
from carvoice.grammar.expression import ListReference, Node, RuleReference, Text
from carvoice.grammar.model import FRACTIONS, Block, Grammar, ListValue, RangeList, WildcardList, WordList
from carvoice.grammar.numbers import spoken
from carvoice.grammar.resolve import find_list, find_rule, network_of
from carvoice.grammar.source import error_at
from carvoice.grammar.template import normalize_text
from carvoice.grammar.words import split_words

MAX_RANGE = 200_000
MAX_VALUE_FORMS = 2_000


class Vocabulary:
    """Words by number."""

    def __init__(self, words: dict[str, int] | None = None) -> None:
        self.ids: dict[str, int] = {} if words is None else words

    def id(self, word: str) -> int:
        """The number of a word, a new one if it has none."""
        return self.ids.setdefault(word, len(self.ids))


class TrieBuilder:
    """Collects the phrases of a list and lays them out as arrays."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._children: list[dict[int, int]] = [{}]
        self._values: list[list[int]] = [[]]

    def insert(self, words: Iterable[str], value: int) -> None:
        """A phrase and the index of its value; no words, no entry."""
        node = 0
        for word in words:
            word_id = self._vocabulary.id(word)
            after = self._children[node].get(word_id)
            if after is None:
                after = self._children[node][word_id] = len(self._children)
                self._children.append({})
                self._values.append([])
            node = after
        if node and value not in self._values[node]:
            self._values[node].append(value)

    def arrays(self) -> tuple[Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]:
        """arc_start, arc_word, arc_node, value_start, value_at."""
        arcs = [sorted(children.items()) for children in self._children]
        return (
            starts_of(arcs),
            int32(word for row in arcs for word, _ in row),
            int32(node for row in arcs for _, node in row),
            starts_of(self._values),
            int32(value for row in self._values for value in row),
        )


@dataclass(frozen=True, slots=True)
class _Form:
    """A phrase of a list's value, and what the lists that the value names contribute to it."""

    words: tuple[str, ...]
    inner: tuple[tuple[str, Any], ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)


def compile_list(word_list: WordList, grammar: Grammar, block: Block, vocabulary: Vocabulary) -> ListProgram:
    """Lay out one list.

    Raises:
        GrammarError: a value stands for too much, names a rule or list that there is not, a wildcard or
            its own list; or a range is too long.
    """
    trie = TrieBuilder(vocabulary)
    if isinstance(word_list, WildcardList):
        return ListProgram(word_list.name, KIND_WILDCARD, *trie.arrays())
    if isinstance(word_list, RangeList):
        return _compile_range(word_list, grammar.language, trie)
    outs: list[Any] = []
    contexts: dict[int, Mapping[str, Any]] = {}
    metadata: dict[int, Mapping[str, Any]] = {}
    inner: dict[int, Mapping[str, Any]] = {}
    for value in word_list.values:
        plain = -1
        for form in _forms_of(value, grammar, block, (word_list.name,)):
            index = plain
            if index < 0 or form.inner or form.context:
                index = len(outs)
                outs.append(value.out)
                if context := {**form.context, **value.context}:
                    contexts[index] = context
                if value.metadata:
                    metadata[index] = value.metadata
                if form.inner:
                    inner[index] = dict(form.inner)
                elif not form.context:
                    plain = index
            trie.insert(form.words, index)
    return ListProgram(word_list.name, KIND_TEXT, *trie.arrays(), outs, contexts, metadata, inner)


def _compile_range(word_list: RangeList, language: str, trie: TrieBuilder) -> ListProgram:
    values: list[Any] = []
    if word_list.words:
        for number in _numbers(word_list):
            for form in spoken(number, word_list.words_language or language):
                trie.insert(form.split(), len(values))
            values.append(word_list.value(number))
    limits = np.array([word_list.start, word_list.stop, word_list.step, word_list.digits], np.int32)
    hundredths = int32(round(100 * part) for part in FRACTIONS.get(word_list.fractions, ()))
    return ListProgram(
        word_list.name, KIND_RANGE, *trie.arrays(), values,
        limits=limits, hundredths=hundredths, multiplier=word_list.multiplier,
    )  # fmt: skip


def _numbers(word_list: RangeList) -> list[int | float]:
    numbers = word_list.numbers()
    if len(numbers) > MAX_RANGE:
        raise GrammarError(
            f"the range {{{word_list.name}}} has {len(numbers)} numbers, at most {MAX_RANGE} are "
            "compiled to words; use a larger step or 'words: false'"
        )
    return numbers


def _forms_of(value: ListValue, grammar: Grammar, block: Block, inside: tuple[str, ...]) -> Iterator[_Form]:
    """The phrases of a value; ``inside`` are the lists it is reached through, its own last."""
    node = value.template.node
    if isinstance(node, Text):
        yield _Form(_words(node.text, grammar.ignore_whitespace))
        return

    def rule_named(reference: RuleReference) -> Node:
        return find_rule(grammar, block, reference, value.template)

    network = network_of(node, rule_named, value.template, grammar.ignore_whitespace)
    count = 0
    stack = [(0, _Form(()))]
    while stack:
        state, said = stack.pop()
        if state in network.finals:
            count += 1
            if count > MAX_VALUE_FORMS:
                raise error_at(
                    value.template.text, f"this list value stands for more than {MAX_VALUE_FORMS} phrases"
                )
            yield said
        stack.extend((then, replace(said, words=(*said.words, word)))
                     for word, _, then in network.word_arcs[state])  # fmt: skip
        for reference, then in network.list_arcs[state]:
            for form in _forms_named(reference, value, grammar, block, inside):
                joined = _Form(
                    said.words + form.words, said.inner + form.inner, {**said.context, **form.context}
                )
                stack.append((then, joined))


def _forms_named(
    reference: ListReference, value: ListValue, grammar: Grammar, block: Block, inside: tuple[str, ...]
) -> Iterator[_Form]:
    """The phrases of a list that a list's value names, and what its slot gets from each."""
    word_list = find_list(grammar, block, reference, value.template)
    where = value.template.text
    if reference.name in inside:
        chain = " -> ".join(f"{{{name}}}" for name in (*inside, reference.name))
        raise error_at(where, f"a list is used inside itself: {chain}", reference.offset)
    if isinstance(word_list, WildcardList):
        message = f"a value of the list {{{inside[-1]}}} names the wildcard {{{reference.name}}}; "
        raise error_at(where, message + "put the wildcard into the sentence", reference.offset)

    def filled(out: Any) -> tuple[tuple[str, Any], ...]:
        return ((reference.slot, out),) if reference.slot else ()

    if isinstance(word_list, RangeList):
        for number in _numbers(word_list):
            said = list(spoken(number, word_list.words_language or grammar.language))
            for text in said * word_list.words + [str(number)] * word_list.digits:
                yield _Form(tuple(text.split()), filled(word_list.value(number)))
        return
    for other in word_list.values:
        for form in _forms_of(other, grammar, block, (*inside, reference.name)):
            out = " ".join(form.words) if other.out is None else other.out
            yield _Form(form.words, form.inner + filled(out), {**form.context, **other.context})


def _words(text: str, cjk: bool) -> tuple[str, ...]:
    return tuple(word for piece in text.split() for word in split_words(piece, cjk))


def replace_list(automaton: Automaton, name: str, values: Mapping[str, Any] | Iterable[str]) -> Automaton:
    """The same grammar with other values in a text list (contacts, radio stations); fast.

    Args:
        automaton: the compiled grammar; it stays as it is.
        name: the list.
        values: what is said, or what is said to what it stands for. They are plain text, not
            templates. None at all is allowed: then nothing of the list can be said.

    Raises:
        GrammarError: there is no text list of this name.
    """
    numbers = [
        number
        for number, program in enumerate(automaton.lists)
        if program.name == name and program.kind == KIND_TEXT
    ]
    if not numbers:
        known = ", ".join(sorted({item.name for item in automaton.lists if item.kind == KIND_TEXT}))
        raise GrammarError(f"no sentence uses a text list {{{name}}}; the text lists are: {known}")
    vocabulary = Vocabulary(dict(automaton.vocabulary))
    trie = TrieBuilder(vocabulary)
    pairs = list(values.items()) if isinstance(values, Mapping) else [(value, value) for value in values]
    for index, (said, _) in enumerate(pairs):
        trie.insert(_words(normalize_text(said), automaton.cjk), index)
    program = ListProgram(name, KIND_TEXT, *trie.arrays(), [value for _, value in pairs])
    lists = [program if number in numbers else item for number, item in enumerate(automaton.lists)]
    everyone = np.ones(len(pairs), np.uint8)
    masks = [
        everyone if number in numbers else mask
        for mask, (number, _) in zip(automaton.masks, automaton.mask_of, strict=True)
    ]
    digest = hashlib.sha256(f"{automaton.digest} {name} {pairs}".encode()).hexdigest()
    return replace(automaton, lists=lists, masks=masks, vocabulary=vocabulary.ids, digest=digest)


def value_mask(program: ListProgram, requires: Mapping[str, Any], excludes: Mapping[str, Any]) -> Uint8Array:
    """Which values of a list a block with these conditions may use."""
    mask = np.ones(len(program.values), np.uint8)
    for index, context in program.contexts.items():
        mask[index] = required_passes(requires, context, missing_passes=True) and excluded_passes(
            excludes, context
        )
    return mask
