"""What a sentence template means, as a tree.

A template is a :data:`Node`. The shapes follow the HassIL template language, in which
``turn [the] (light|lamp)[s] (on|off)`` is a sequence of texts, options and alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

_INLINE_RANGE = re.compile(r"^(-?\d+)\.\.(-?\d+)(?:,(\d+))?$")


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text with its spaces: a word ends only where the text has a space."""

    text: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Sequence:
    """All items, one after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the items; ``[x]`` is the alternative of ``x`` and nothing."""

    items: tuple[Node, ...]
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Permutation:
    """All items in any order, spaces between them."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class ListReference:
    """``{list}``, ``{list:slot}``, ``{@capture}`` or ``{0..100,10:slot}``.

    ``slot`` is "" for a capture, whose text is heard but fills no slot.
    """

    name: str
    slot: str
    offset: int = 0

    @classmethod
    def parse(cls, inside: str, offset: int = 0) -> ListReference:
        """Read what stands between the braces."""
        if inside.startswith("@"):
            return cls(inside[1:], "", offset)
        name, _, slot = inside.partition(":")
        if slot.startswith("@"):
            return cls(name, "", offset)
        return cls(name, slot or name, offset)

    @property
    def inline_range(self) -> tuple[int, int, int] | None:
        """(from, to, step) when the name is a range written in place."""
        match = _INLINE_RANGE.match(self.name)
        if match is None:
            return None
        return int(match[1]), int(match[2]), int(match[3] or 1)


@dataclass(frozen=True, slots=True)
class RuleReference:
    """``<rule>``: the rule's template stands here."""

    name: str
    offset: int = 0


Node: TypeAlias = Text | Sequence | Alternative | Permutation | ListReference | RuleReference


def references(node: Node) -> Iterator[ListReference | RuleReference]:
    """Every list and rule the template names, in order, without following the rules."""
    stack: list[Node] = [node]
    while stack:
        item = stack.pop()
        if isinstance(item, (ListReference, RuleReference)):
            yield item
        elif not isinstance(item, Text):
            stack.extend(reversed(item.items))


def text_pieces(node: Node) -> int:
    """How many literal pieces the template has (HassIL sorts wildcard templates by it)."""
    if isinstance(node, Text):
        return 1
    if isinstance(node, (ListReference, RuleReference)):
        return 0
    return sum(text_pieces(item) for item in node.items)
