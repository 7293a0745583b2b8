"""What a grammar holds once its files are read: intents, blocks of sentences, lists, rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from carvoice.grammar.expression import Node
from carvoice.grammar.source import Located

FRACTIONS: Mapping[str, tuple[float, ...]] = {
    "halves": (0.5,),
    "quarters": (0.25, 0.5, 0.75),
    "tenths": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
}


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence, rule or list value: its text as written and what it means."""

    text: Located
    node: Node


@dataclass(frozen=True, slots=True)
class ListValue:
    """One value of a text list: what is said, what it stands for, and what it tells the context."""

    template: Template
    out: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TextList:
    """A list of phrases."""

    name: str
    values: tuple[ListValue, ...]


@dataclass(frozen=True, slots=True)
class RangeList:
    """Numbers from ``start`` to ``stop``, both included, with fractions after each if asked for."""

    name: str
    start: int
    stop: int
    step: int = 1
    fractions: str = ""
    multiplier: float | None = None
    digits: bool = True
    words: bool = True
    words_language: str = ""
    type: str = "number"

    def numbers(self) -> list[int | float]:
        """All numbers, in order."""
        parts = FRACTIONS.get(self.fractions, ())
        return [
            round(whole + part, 2) if part else whole
            for whole in range(self.start, self.stop + 1, self.step)
            for part in (0.0, *parts)
        ]

    def value(self, number: int | float) -> int | float:
        """What the slot gets for a number said."""
        scaled = number if self.multiplier is None else number * self.multiplier
        return int(scaled) if float(scaled).is_integer() and self.multiplier is None else scaled


@dataclass(frozen=True, slots=True)
class WildcardList:
    """Any words, at least one."""

    name: str


WordList: TypeAlias = TextList | RangeList | WildcardList


@dataclass(frozen=True, slots=True)
class Block:
    """Sentences of an intent with what they have in common."""

    intent: str
    sentences: tuple[Template, ...]
    slots: Mapping[str, Any] = field(default_factory=dict)
    requires_context: Mapping[str, Any] = field(default_factory=dict)
    excludes_context: Mapping[str, Any] = field(default_factory=dict)
    required_keywords: frozenset[str] = frozenset()
    lists: Mapping[str, WordList] = field(default_factory=dict)
    rules: Mapping[str, Template] = field(default_factory=dict)
    response: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grammar:
    """Everything the files of one language say.

    Attributes:
        language: language code, e.g. "en".
        blocks: all blocks, in the order in which they were written.
        lists: the lists that every block sees.
        rules: the rules that every block sees.
        skip_words: words and phrases that may be left out of what is heard.
        ignore_whitespace: spaces between CJK characters mean nothing.
        settings: ``settings:`` as written, for what else reads it.
        paths: the files read.
        digest: SHA-256 of their contents, hex.
    """

    language: str
    blocks: tuple[Block, ...]
    lists: Mapping[str, WordList] = field(default_factory=dict)
    rules: Mapping[str, Template] = field(default_factory=dict)
    skip_words: tuple[str, ...] = ()
    ignore_whitespace: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[Path, ...] = ()
    digest: str = ""

    def list_named(self, block: Block, name: str) -> WordList | None:
        """The list a block means by a name; its own before the common ones."""
        return block.lists.get(name) or self.lists.get(name)

    def rule_named(self, block: Block, name: str) -> Template | None:
        """The rule a block means by a name; its own before the common ones."""
        return block.rules.get(name) or self.rules.get(name)

    @property
    def intents(self) -> tuple[str, ...]:
        """Names of the intents, in order."""
        return tuple(dict.fromkeys(block.intent for block in self.blocks))
