"""Turn a Picovoice Rhino context (YAML) into HassIL's YAML.

Rhino: ``context: {expressions: {intent: ["[turn, switch] (the) $location:where @macro"]}, slots: ...,
macros: ...}``. Square brackets choose, round ones are optional, ``$slot:name`` fills a slot,
``@macro`` stands for a macro, ``pv.*`` are built-in slots.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from carvoice.errors import GrammarError
from carvoice.grammar.source import error_at, parse_yaml

_BUILT_IN: dict[str, dict[str, Any]] = {
    "pv.Percent": {"range": {"from": 0, "to": 100}},
    "pv.TwoDigitInteger": {"range": {"from": 0, "to": 99}},
    "pv.SingleDigitInteger": {"range": {"from": 0, "to": 9}},
    "pv.SingleDigitOrdinal": {
        "values": [
            {"in": word, "out": number}
            for number, word in enumerate(
                ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"), 1
            )
        ]
    },
    "pv.Alphabetic": {"values": list("abcdefghijklmnopqrstuvwxyz")},
}
_TOKEN = re.compile(r"\s+|[\[\](),|]|\$[\w.]+(?::\w+)?|@\w+|[^\s\[\](),|$@]+")


def import_rhino(text: str, path: Path | None = None, language: str = "en") -> str:
    """The context as HassIL YAML.

    Raises:
        GrammarError: it is no Rhino context, an expression cannot be read, or a built-in slot is unknown.
    """
    document = parse_yaml(text, path, only_text=True)  # a slot's values are words: on, off, 12
    context = document.get("context") if isinstance(document, Mapping) else None
    if not isinstance(context, Mapping) or not isinstance(context.get("expressions"), Mapping):
        raise GrammarError("a Rhino context needs 'context: expressions:'", path=path)
    lists: dict[str, Any] = {
        str(name): {"values": [str(value) for value in values]}
        for name, values in (context.get("slots") or {}).items()
    }
    used: set[str] = set()
    rules = {
        str(name): "|".join(_template(str(item), item, used) for item in items)
        for name, items in (context.get("macros") or {}).items()
    }
    intents = {
        str(name): {"data": [{"sentences": [_template(str(item), item, used) for item in items]}]}
        for name, items in context["expressions"].items()
    }
    for name in sorted(used):
        if name in lists or not name.startswith("pv."):
            continue
        if name not in _BUILT_IN:
            known = ", ".join(sorted(_BUILT_IN))
            raise GrammarError(
                f"the built-in slot {name!r} has no counterpart here; there are: {known}", path=path
            )
        lists[name] = _BUILT_IN[name]
    result: dict[str, Any] = {"language": language, "intents": intents}
    if lists:
        result["lists"] = lists
    if rules:
        result["expansion_rules"] = rules
    return yaml.safe_dump(result, sort_keys=False, allow_unicode=True, width=100)


def _template(expression: str, where: str, used: set[str]) -> str:
    """One Rhino expression as a HassIL template."""
    out: list[str] = []
    stack: list[tuple[str, int]] = []
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise error_at(where, f"{expression[at]!r} is not expected in a Rhino expression", at)
        token = match.group()
        if token.isspace():
            out.append(" ")
        elif token in "[(":
            stack.append((token, at))
            out.append("(" if token == "[" else "[")
        elif token in "])":
            if not stack or stack.pop()[0] != ("[" if token == "]" else "("):
                raise error_at(where, f"this {token!r} closes nothing", at)
            out.append(")" if token == "]" else "]")
        elif token in ",|":
            if not stack:
                raise error_at(where, f"{token!r} separates choices only inside brackets", at)
            out.append("|")
        elif token[0] == "$":
            name, _, slot = token[1:].partition(":")
            used.add(name)
            out.append(f"{{{name}:{slot}}}" if slot and slot != name else f"{{{name}}}")
        elif token[0] == "@":
            out.append(f"<{token[1:]}>")
        else:
            out.append(re.sub(r"([{}<>;\\])", r"\\\1", token))
        at = match.end()
    if stack:
        raise error_at(where, f"this {stack[-1][0]!r} is never closed", stack[-1][1])
    return re.sub(r" *\| *", "|", re.sub(r"\s+", " ", "".join(out))).strip()
