"""The compiled grammar: flat arrays that the C matcher walks, and the names beside them.

The word automaton has one start state (0). From a state lead word arcs, sorted by word, and list arcs,
which pass any value of a list. Each list is a trie of its own (:class:`ListProgram`), shared by all
arcs that name it, so that a list of 10,000 contacts is stored once and can be replaced at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Int32Array: TypeAlias = NDArray[np.int32]
Uint8Array: TypeAlias = NDArray[np.uint8]

KIND_TEXT, KIND_RANGE, KIND_WILDCARD = 0, 1, 2
NO_SLOT = -1
NO_MASK = -1


@dataclass(slots=True)
class ListProgram:
    """A list as a trie over words; node 0 is the root.

    Attributes:
        name: the list's name.
        kind: KIND_TEXT, KIND_RANGE or KIND_WILDCARD.
        arc_start: int32 (nodes + 1,): where a node's arcs begin.
        arc_word, arc_node: int32: the word of an arc and the node after it; sorted by word per node.
        value_start: int32 (nodes + 1,): where a node's values begin in ``value_at``.
        value_at: int32: value indices.
        values: what a value index stands for; None means the text heard.
        contexts: context of a value, by index, only where there is one.
        metadata: metadata of a value, by index, only where there is one.
        inner: slots that the lists named in a value fill, by index, only where there are some.
        limits: int32 (4,): start, stop, step of a range, and whether digits are accepted.
        hundredths: int32: fractions accepted after each whole number of a range, in hundredths.
        multiplier: factor from the number said to the slot's value, None for 1.
    """

    name: str
    kind: int
    arc_start: Int32Array
    arc_word: Int32Array
    arc_node: Int32Array
    value_start: Int32Array
    value_at: Int32Array
    values: list[Any] = field(default_factory=list)
    contexts: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    metadata: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    inner: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    limits: Int32Array = field(default_factory=lambda: np.zeros(4, np.int32))
    hundredths: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    multiplier: float | None = None

    def texts(self, words: Sequence[str]) -> Iterator[str]:
        """What may be said for its values; nothing for a range or a wildcard.

        Args:
            words: word of each id.
        """
        waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())] if self.kind == KIND_TEXT else []
        while waiting:
            node, said = waiting.pop()
            if self.value_start[node] < self.value_start[node + 1]:
                yield " ".join(said)
            for arc in range(self.arc_start[node], self.arc_start[node + 1]):
                waiting.append((int(self.arc_node[arc]), (*said, words[self.arc_word[arc]])))

    def has_number(self, number: float) -> bool:
        """Whether a range has a number written in digits; the C matcher asks the same."""
        start, stop, step, digits = self.limits.tolist()
        hundredths = round(number * 100)
        whole, rest = divmod(hundredths, 100)
        return (
            bool(digits)
            and abs(number * 100 - hundredths) < 1e-6
            and start <= whole <= stop
            and (whole - start) % step == 0
            and (rest == 0 or rest in self.hundredths)
        )


@dataclass(frozen=True, slots=True)
class TemplateInfo:
    """Where a final state comes from: the template as written, and the block it stands in."""

    text: str
    block: int
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class BlockInfo:
    """What the templates of a block have in common."""

    intent: str
    slots: Mapping[str, Any]
    requires_context: Mapping[str, Any]
    excludes_context: Mapping[str, Any]
    required_keywords: frozenset[str]
    response: str
    metadata: Mapping[str, Any]


@dataclass(slots=True)
class Automaton:
    """A compiled grammar. All arrays are contiguous and read-only by convention.

    Attributes:
        language: language code.
        digest: identifies the grammar it was compiled from.
        vocabulary: word to id; ids are dense.
        arc_start, arc_word, arc_next, arc_weight: word arcs per state, sorted by word id;
            the weight is the number of literal characters.
        list_start, list_id, list_slot, list_next, list_mask: list arcs per state.
        final_start, final_template: templates that end in a state.
        after_wildcard: uint8 per state: a wildcard ends here, so no skip word may follow.
        masks: per mask, uint8 per value of its list: may this block use the value?
        lists, slots, templates, blocks: what the ids stand for.
        skip_phrases: word ids of each phrase that may be left out.
        cjk: every CJK character is a word.
        settings: the grammar's ``settings:`` as written.
    """

    language: str
    digest: str
    vocabulary: dict[str, int]
    arc_start: Int32Array
    arc_word: Int32Array
    arc_next: Int32Array
    arc_weight: Int32Array
    list_start: Int32Array
    list_id: Int32Array
    list_slot: Int32Array
    list_next: Int32Array
    list_mask: Int32Array
    final_start: Int32Array
    final_template: Int32Array
    after_wildcard: Uint8Array
    masks: list[Uint8Array]
    mask_of: list[tuple[int, int]]
    lists: list[ListProgram]
    slots: list[str]
    templates: list[TemplateInfo]
    blocks: list[BlockInfo]
    skip_phrases: list[tuple[int, ...]]
    cjk: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def skip_texts(self) -> list[str]:
        """The phrases that may be left out, as text."""
        words = list(self.vocabulary)
        return [" ".join(words[word] for word in phrase) for phrase in self.skip_phrases]

    def list_texts(self) -> set[str]:
        """What may be said for the values of its text lists."""
        words = list(self.vocabulary)
        return {text for program in self.lists for text in program.texts(words)}

    @property
    def n_states(self) -> int:
        """States of the word automaton, the lists' tries not counted."""
        return len(self.arc_start) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays: Iterable[NDArray[Any]] = (
            self.arc_start, self.arc_word, self.arc_next, self.arc_weight, self.list_start, self.list_id,
            self.list_slot, self.list_next, self.list_mask, self.final_start, self.final_template,
            self.after_wildcard, *self.masks,
        )  # fmt: skip
        own = sum(array.nbytes for array in arrays)
        return own + sum(
            item.arc_start.nbytes + item.arc_word.nbytes + item.arc_node.nbytes
            + item.value_start.nbytes + item.value_at.nbytes
            for item in self.lists
        )  # fmt: skip
