"""Read one sentence template of the HassIL language into its tree.

The grammar of templates::

    (a b)      group            [a]      optional          a|b     alternatives
    (a;b)      any order        {list}   a list's value    <rule>  a rule's template
    \\x         the character x itself

The nesting is kept on an explicit stack, so that a hostile template cannot exhaust Python's.
"""

from __future__ import annotations

import re
import unicodedata
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

MAX_TEMPLATE_CHARS = 20_000
MAX_NESTING = 100

_CLOSERS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_SPECIAL = frozenset("()[]{}<>|;")
_TEMPLATE_SYNTAX = re.compile(r"[(){}<>\[\]|@]")
_SPACES = re.compile(r"\s+")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class TemplateError(GrammarError):
    """A template cannot be read. ``offset`` is the 0-based character it goes wrong at."""

    def __init__(self, message: str, template: str, offset: int) -> None:
        super().__init__(message, column=offset + 1, excerpt=template)
        self.message = message
        self.template = template
        self.offset = offset


@dataclass(slots=True)
class _Group:
    """A bracket being read: finished branches, the branch in hand, what separates them."""

    opener: str
    offset: int
    separator: str = ""
    branches: list[Node] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)

    def separate(self, separator: str) -> None:
        """Begin the next branch. A change of separator makes one branch of all before it."""
        if self.separator and separator != self.separator:
            self.branches = [self._folded()]
        else:
            self.branches.append(Sequence(tuple(self.items)))
        self.items = []
        self.separator = separator

    def _folded(self) -> Node:
        if not self.separator:
            return Sequence(tuple(self.items))
        branches = (*self.branches, Sequence(tuple(self.items)))
        if self.separator == "|":
            return Alternative(branches)
        return Permutation(branches)

    def close(self) -> Node:
        node = self._folded()
        if self.opener != "[":
            return node
        branches = node.items if isinstance(node, Alternative) else (node,)
        return Alternative((*branches, Text("")), is_optional=True)


def is_template(text: str) -> bool:
    """True if the text has template syntax in it (HassIL's rule for list values)."""
    return _TEMPLATE_SYNTAX.search(text) is not None


def normalize_text(text: str) -> str:
    """Single spaces, composed Unicode, straight apostrophes."""
    return unicodedata.normalize("NFC", _SPACES.sub(" ", text)).replace("’", "'")


def parse_template(template: str) -> Node:
    """Read a template.

    Raises:
        TemplateError: brackets that do not match, an empty name, nesting or length out of bounds.
    """
    if len(template) > MAX_TEMPLATE_CHARS:
        message = f"the template has {len(template)} characters, at most {MAX_TEMPLATE_CHARS} are read"
        raise TemplateError(message, template[:60], 0)
    stack = [_Group("", 0)]
    at, end = 0, len(template)
    while at < end:
        char = template[at]
        if char in "([":
            if len(stack) > MAX_NESTING:
                raise TemplateError(f"brackets are nested more than {MAX_NESTING} deep", template, at)
            stack.append(_Group(char, at))
            at += 1
        elif char in "{<":
            node, at = _reference(template, at)
            stack[-1].items.append(node)
        elif char in "|;":
            stack[-1].separate(char)
            at += 1
        elif char in ")]}>":
            group = stack[-1]
            if _CLOSERS.get(group.opener) != char:
                raise TemplateError(_mismatch(group, char), template, at)
            stack.pop()
            stack[-1].items.append(group.close())
            at += 1
        else:
            text, after = _literal(template, at)
            stack[-1].items.append(Text(normalize_text(text), at))
            at = after
    if len(stack) > 1:
        group = stack[-1]
        message = f"this {group.opener!r} is never closed; put a {_CLOSERS[group.opener]!r} after it"
        raise TemplateError(message, template, group.offset)
    return stack[0].close()


def _mismatch(group: _Group, char: str) -> str:
    if not group.opener:
        return f"this {char!r} closes nothing; remove it or write '\\{char}' to mean the character"
    return f"this {char!r} closes a {group.opener!r}; a {_CLOSERS[group.opener]!r} is wanted here"


def _reference(template: str, at: int) -> tuple[Node, int]:
    """Read ``{...}`` or ``<...>`` at ``at``; the node and the offset after it."""
    opener = template[at]
    closer = _CLOSERS[opener]
    depth, index, end = 0, at, len(template)
    while index < end:
        char = template[index]
        if char == "\\":
            index += 1
        elif char == opener:
            depth += 1
        elif char == closer:
            depth -= 1
            if not depth:
                break
        index += 1
    else:
        raise TemplateError(f"this {opener!r} is never closed; put a {closer!r} after the name", template, at)
    if index >= end:
        raise TemplateError(f"this {opener!r} is never closed; put a {closer!r} after the name", template, at)
    inside = _ESCAPE.sub(r"\1", template[at + 1 : index])
    if not inside.strip():
        what = "list" if opener == "{" else "rule"
        raise TemplateError(f"a {what}'s name is wanted between {opener!r} and {closer!r}", template, at)
    if opener == "{":
        return ListReference.parse(inside, at), index + 1
    return RuleReference(inside, at), index + 1


def _literal(template: str, at: int) -> tuple[str, int]:
    """Read one word with the spaces around it; its text without escapes and the offset after it."""
    characters: list[str] = []
    index, end = at, len(template)
    spaces_after_word = False
    while index < end:
        char = template[index]
        if char == "\\" and index + 1 < end:
            characters.append(template[index + 1])
            index += 2
            continue
        if char in _SPECIAL:
            break
        if char == " " and index > at:
            spaces_after_word = True
        elif spaces_after_word:
            break
        characters.append(char)
        index += 1
    return "".join(characters), index
