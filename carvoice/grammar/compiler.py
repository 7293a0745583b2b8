"""Compile a grammar to its automaton."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from carvoice.errors import GrammarError
from carvoice.grammar.automaton import (
    KIND_RANGE,
    KIND_TEXT,
    KIND_WILDCARD,
    NO_MASK,
    NO_SLOT,
    Automaton,
    BlockInfo,
    Int32Array,
    ListProgram,
    TemplateInfo,
    Uint8Array,
)
from carvoice.grammar.conditions import excluded_passes, required_passes
from carvoice.grammar.expression import ListReference, Node, RuleReference, Text, references, text_pieces
from carvoice.grammar.model import (
    FRACTIONS,
    Block,
    Grammar,
    ListValue,
    RangeList,
    Template,
    TextList,
    WildcardList,
    WordList,
)
from carvoice.grammar.network import TooLargeError, WordNetwork, word_network
from carvoice.grammar.numbers import spoken
from carvoice.grammar.source import error_at
from carvoice.grammar.store import FORMAT, load, save
from carvoice.grammar.template import normalize_text
from carvoice.grammar.words import split_words

_LOG = logging.getLogger(__name__)

MAX_RANGE = 200_000
MAX_VALUE_FORMS = 2_000


def compile_grammar(grammar: Grammar, cache: Path | None = None) -> Automaton:
    """Compile a grammar.

    Args:
        grammar: what to compile.
        cache: folder to keep compiled grammars in, by content; None compiles each time.

    Raises:
        GrammarError: an unknown list or rule, a rule inside itself, a list without values, or a
            template that stands for too much; it names the place.
    """
    if cache is None or not grammar.digest:
        return _Compiler(grammar).automaton()
    file = cache / f"{grammar.language}-{grammar.digest[:24]}-{FORMAT}.automaton"
    try:
        return load(file)
    except GrammarError:
        automaton = _Compiler(grammar).automaton()
    try:
        save(automaton, file)
    except OSError:
        _LOG.warning("the compiled grammar cannot be kept in %s", cache)
    return automaton


def compile_template(grammar: Grammar, block: Block, template: Template) -> WordNetwork:
    """The word network of one sentence, its lists checked to exist and to have values.

    Raises:
        GrammarError: as :func:`compile_grammar`.
    """

    def rule_named(reference: RuleReference) -> Node:
        return _rule(grammar, block, reference, template)

    network = _network(template.node, rule_named, template, grammar.ignore_whitespace)
    for row in network.list_arcs:
        for reference, _ in row:
            _find_list(grammar, block, reference, template)
    return network


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
            _starts(arcs),
            _int32(word for row in arcs for word, _ in row),
            _int32(node for row in arcs for _, node in row),
            _starts(self._values),
            _int32(value for row in self._values for value in row),
        )


def compile_list(
    word_list: WordList, grammar: Grammar, block: Block | None, vocabulary: Vocabulary
) -> ListProgram:
    """Lay out one list."""
    trie = TrieBuilder(vocabulary)
    if isinstance(word_list, WildcardList):
        return ListProgram(word_list.name, KIND_WILDCARD, *trie.arrays())
    if isinstance(word_list, RangeList):
        return _compile_range(word_list, grammar.language, trie)
    contexts: dict[int, Mapping[str, Any]] = {}
    metadata: dict[int, Mapping[str, Any]] = {}
    for index, value in enumerate(word_list.values):
        for words in _value_forms(value, word_list, grammar, block):
            trie.insert(words, index)
        if value.context:
            contexts[index] = value.context
        if value.metadata:
            metadata[index] = value.metadata
    outs = [value.out for value in word_list.values]
    return ListProgram(word_list.name, KIND_TEXT, *trie.arrays(), outs, contexts, metadata)


def _compile_range(word_list: RangeList, language: str, trie: TrieBuilder) -> ListProgram:
    values: list[Any] = []
    if word_list.words:
        numbers = word_list.numbers()
        if len(numbers) > MAX_RANGE:
            raise GrammarError(
                f"the range {{{word_list.name}}} has {len(numbers)} numbers, at most {MAX_RANGE} are "
                "compiled to words; use a larger step or 'words: false'"
            )
        for number in numbers:
            for form in spoken(number, word_list.words_language or language):
                trie.insert(form.split(), len(values))
            values.append(word_list.value(number))
    limits = np.array([word_list.start, word_list.stop, word_list.step, word_list.digits], np.int32)
    hundredths = _int32(round(100 * part) for part in FRACTIONS.get(word_list.fractions, ()))
    return ListProgram(
        word_list.name, KIND_RANGE, *trie.arrays(), values,
        limits=limits, hundredths=hundredths, multiplier=word_list.multiplier,
    )  # fmt: skip


def _value_forms(
    value: ListValue, word_list: TextList, grammar: Grammar, block: Block | None
) -> Iterator[tuple[str, ...]]:
    node = value.template.node
    if isinstance(node, Text):
        yield tuple(
            word for piece in node.text.split() for word in split_words(piece, grammar.ignore_whitespace)
        )
        return

    def rule_named(reference: RuleReference) -> Node:
        return _rule(grammar, block, reference, value.template)

    network = _network(node, rule_named, value.template, grammar.ignore_whitespace)
    if any(network.list_arcs):
        raise error_at(
            value.template.text,
            f"a value of the list {{{word_list.name}}} names a list; write its values out",
        )
    forms = 0
    stack: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while stack:
        state, said = stack.pop()
        if state in network.finals:
            forms += 1
            if forms > MAX_VALUE_FORMS:
                raise error_at(
                    value.template.text, f"this list value stands for more than {MAX_VALUE_FORMS} phrases"
                )
            yield said
        stack.extend((then, (*said, word)) for word, _, then in network.word_arcs[state])


def _rule(grammar: Grammar, block: Block | None, reference: RuleReference, where: Template) -> Node:
    rule = (block.rules.get(reference.name) if block else None) or grammar.rules.get(reference.name)
    if rule is None:
        known = ", ".join(sorted(grammar.rules)[:12])
        message = f"there is no rule <{reference.name}>; add it to 'expansion_rules'"
        raise error_at(where.text, message + (f" (rules: {known} ...)" if known else ""), reference.offset)
    return rule.node


def _find_list(grammar: Grammar, block: Block, reference: ListReference, where: Template) -> WordList:
    word_list = grammar.list_named(block, reference.name)
    if word_list is None:
        inline = reference.inline_range
        if inline is None:
            known = ", ".join(sorted(grammar.lists)[:12])
            message = f"there is no list {{{reference.name}}}; add it to 'lists'"
            message += f" (lists: {known} ...)" if known else ""
            raise error_at(where.text, message, reference.offset)
        if inline[0] > inline[1] or inline[2] < 1:
            raise error_at(where.text, f"the range {reference.name} is empty", reference.offset)
        return RangeList(reference.name, inline[0], inline[1], inline[2])
    if isinstance(word_list, TextList) and not word_list.values:
        raise error_at(where.text, f"the list {{{reference.name}}} has no values", reference.offset)
    return word_list


def _network(node: Node, rule_named: Any, where: Template, cjk: bool) -> WordNetwork:
    try:
        return word_network(node, rule_named, cjk)
    except TooLargeError as error:
        raise error_at(where.text, str(error)) from None


class _Compiler:
    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._vocabulary = Vocabulary()
        self._word_arcs: list[list[tuple[int, int, int]]] = [[]]
        self._list_arcs: list[list[tuple[int, int, int, int]]] = [[]]
        self._finals: list[list[int]] = [[]]
        self._lists: list[ListProgram] = []
        self._list_ids: dict[int, int] = {}
        self._kept: list[WordList] = []
        self._inline: dict[str, RangeList] = {}
        self._slots: dict[str, int] = {}
        self._masks: list[Uint8Array] = []
        self._mask_of: list[tuple[int, int]] = []
        self._mask_ids: dict[tuple[int, int], int] = {}

    def automaton(self) -> Automaton:
        grammar = self._grammar
        templates: list[TemplateInfo] = []
        for block_index, block in enumerate(grammar.blocks):
            for template in self._in_order(block):
                self._add(template, block, block_index, len(templates))
                path = template.text.path
                templates.append(
                    TemplateInfo(str(template.text), block_index, str(path or ""), template.text.line)
                )
        skip_phrases = [
            tuple(self._vocabulary.id(word) for piece in phrase.split() for word in split_words(piece))
            for phrase in grammar.skip_words
        ]
        for arcs in self._word_arcs:
            arcs.sort(key=lambda arc: arc[0])  # stable: the order of preference stays within a word
        after_wildcard = np.zeros(len(self._word_arcs), np.uint8)
        for rows in self._list_arcs:
            for list_id, _, then, _ in rows:
                if self._lists[list_id].kind == KIND_WILDCARD:
                    after_wildcard[then] = 1
        return Automaton(
            language=grammar.language,
            digest=grammar.digest,
            vocabulary=self._vocabulary.ids,
            arc_start=_starts(self._word_arcs),
            arc_word=_column(self._word_arcs, 0),
            arc_next=_column(self._word_arcs, 2),
            arc_weight=_column(self._word_arcs, 1),
            list_start=_starts(self._list_arcs),
            list_id=_column(self._list_arcs, 0),
            list_slot=_column(self._list_arcs, 1),
            list_next=_column(self._list_arcs, 2),
            list_mask=_column(self._list_arcs, 3),
            final_start=_starts(self._finals),
            final_template=_int32(template for row in self._finals for template in row),
            after_wildcard=after_wildcard,
            masks=self._masks,
            mask_of=self._mask_of,
            lists=self._lists,
            slots=list(self._slots),
            templates=templates,
            blocks=[_block_info(block) for block in grammar.blocks],
            skip_phrases=[phrase for phrase in skip_phrases if phrase],
            cjk=grammar.ignore_whitespace,
            settings=grammar.settings,
        )

    def _in_order(self, block: Block) -> list[Template]:
        """HassIL tries wildcard sentences with more literal text first."""

        def rank(template: Template) -> int:
            for reference in references(template.node):
                if isinstance(reference, ListReference) and isinstance(
                    self._grammar.list_named(block, reference.name), WildcardList
                ):
                    return -text_pieces(template.node)
            return 0

        return sorted(block.sentences, key=rank)

    def _add(self, template: Template, block: Block, block_index: int, template_index: int) -> None:
        network = compile_template(self._grammar, block, template)
        base = len(self._word_arcs) - 1  # the network's state 0 is the common start
        for _ in range(len(network.word_arcs) - 1):
            self._word_arcs.append([])
            self._list_arcs.append([])
            self._finals.append([])

        def moved(state: int) -> int:
            return state + base if state else 0

        for state, words in enumerate(network.word_arcs):
            row = self._word_arcs[moved(state)]
            row.extend((self._vocabulary.id(word), weight, moved(then)) for word, weight, then in words)
        for state, lists in enumerate(network.list_arcs):
            if not lists:
                continue
            list_row = self._list_arcs[moved(state)]
            for reference, then in lists:
                list_row.append(self._list_arc(reference, moved(then), template, block, block_index))
        for state in network.finals:
            if state:
                self._finals[moved(state)].append(template_index)

    def _list_arc(
        self, reference: ListReference, then: int, template: Template, block: Block, block_index: int
    ) -> tuple[int, int, int, int]:
        word_list = _find_list(self._grammar, block, reference, template)
        if isinstance(word_list, RangeList) and reference.inline_range:
            word_list = self._inline.setdefault(reference.name, word_list)
        list_id = self._list_ids.get(id(word_list), -1)
        if list_id < 0:
            list_id = self._list_ids[id(word_list)] = len(self._lists)
            self._kept.append(word_list)
            self._lists.append(compile_list(word_list, self._grammar, block, self._vocabulary))
        slot = NO_SLOT if not reference.slot else self._slots.setdefault(reference.slot, len(self._slots))
        return list_id, slot, then, self._mask(list_id, block, block_index)

    def _mask(self, list_id: int, block: Block, block_index: int) -> int:
        program = self._lists[list_id]
        if not program.contexts or not (block.requires_context or block.excludes_context):
            return NO_MASK
        key = (list_id, block_index)
        if key not in self._mask_ids:
            mask = value_mask(program, block.requires_context, block.excludes_context)
            self._mask_ids[key] = len(self._masks)
            self._masks.append(mask)
            self._mask_of.append(key)
        return self._mask_ids[key]


def replace_list(automaton: Automaton, name: str, values: Mapping[str, Any] | Iterable[str]) -> Automaton:
    """See :meth:`Automaton.with_list`."""
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
        text = normalize_text(said)
        trie.insert((word for piece in text.split() for word in split_words(piece, automaton.cjk)), index)
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


def _block_info(block: Block) -> BlockInfo:
    return BlockInfo(
        intent=block.intent,
        slots=block.slots,
        requires_context=block.requires_context,
        excludes_context=block.excludes_context,
        required_keywords=block.required_keywords,
        response=block.response,
        metadata=block.metadata,
    )


def _int32(values: Iterable[int]) -> Int32Array:
    return np.fromiter(values, np.int32)


def _starts(rows: list[Any]) -> Int32Array:
    starts = np.zeros(len(rows) + 1, np.int32)
    np.cumsum(np.fromiter((len(row) for row in rows), np.int32, len(rows)), out=starts[1:])
    return starts


def _column(rows: list[Any], index: int) -> Int32Array:
    return _int32(item[index] for row in rows for item in row)
