"""Compile a grammar to its automaton."""

from __future__ import annotations

import numpy as np

from carvoice.grammar.arrays import column, int32, starts_of
from carvoice.grammar.automaton import (
    KIND_WILDCARD,
    NO_MASK,
    NO_SLOT,
    Automaton,
    BlockInfo,
    ListProgram,
    TemplateInfo,
    Uint8Array,
)
from carvoice.grammar.beginnings import share_beginnings
from carvoice.grammar.expression import ListReference, Node, RuleReference, references, text_pieces
from carvoice.grammar.lists import Vocabulary, compile_list, value_mask
from carvoice.grammar.model import Block, Grammar, RangeList, Template, WildcardList, WordList
from carvoice.grammar.network import WordNetwork
from carvoice.grammar.resolve import find_list, find_rule, network_of
from carvoice.grammar.words import split_words


def compile_grammar(grammar: Grammar) -> Automaton:
    """Compile a grammar.

    Raises:
        GrammarError: an unknown list or rule, a rule inside itself, a list without values, or a
            template that stands for too much; it names the place.
    """
    return _Compiler(grammar).automaton()


def compile_template(grammar: Grammar, block: Block, template: Template) -> WordNetwork:
    """The word network of one sentence, its lists checked to exist and to have values.

    Raises:
        GrammarError: as :func:`compile_grammar`.
    """

    def rule_named(reference: RuleReference) -> Node:
        return find_rule(grammar, block, reference, template)

    network = network_of(template.node, rule_named, template, grammar.ignore_whitespace)
    for row in network.list_arcs:
        for reference, _ in row:
            find_list(grammar, block, reference, template)
    return network


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
        behind_wildcards = {
            then
            for rows in self._list_arcs
            for list_id, _, then, _ in rows
            if self._lists[list_id].kind == KIND_WILDCARD
        }
        share_beginnings(self._word_arcs, self._list_arcs, self._finals, behind_wildcards)
        for arcs in self._word_arcs:
            arcs.sort(key=lambda arc: arc[0])  # stable: the order of preference stays within a word
        after_wildcard = np.zeros(len(self._word_arcs), np.uint8)
        after_wildcard[list(behind_wildcards)] = 1
        return Automaton(
            language=grammar.language,
            digest=grammar.digest,
            vocabulary=self._vocabulary.ids,
            arc_start=starts_of(self._word_arcs),
            arc_word=column(self._word_arcs, 0),
            arc_next=column(self._word_arcs, 2),
            arc_weight=column(self._word_arcs, 1),
            list_start=starts_of(self._list_arcs),
            list_id=column(self._list_arcs, 0),
            list_slot=column(self._list_arcs, 1),
            list_next=column(self._list_arcs, 2),
            list_mask=column(self._list_arcs, 3),
            final_start=starts_of(self._finals),
            final_template=int32(template for row in self._finals for template in row),
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
        word_list = find_list(self._grammar, block, reference, template)
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
