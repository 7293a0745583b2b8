"""The grammar's intents as tools for a model: slots become a JSON schema, sentences a description."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from carvoice.grammar.expression import Alternative, ListReference, Node, RuleReference, Text, references
from carvoice.grammar.model import Block, Grammar, RangeList, TextList, WordList
from carvoice.llm.answer import IntentTool

_MOST_VALUES = 40  # longer lists are left open: a schema is also a prompt


def tools_from_grammar(grammar: Grammar, intents: Collection[str] | None = None) -> tuple[IntentTool, ...]:
    """One tool for each intent.

    Args:
        grammar: the loaded grammar.
        intents: only these; None for all. A small local model does best with few.
    """
    wanted = [name for name in grammar.intents if intents is None or name in intents]
    return tuple(_tool(grammar, name) for name in wanted)


def _tool(grammar: Grammar, intent: str) -> IntentTool:
    properties: dict[str, dict[str, Any]] = {}
    always: set[str] | None = None
    example = ""
    for block in grammar.blocks:
        if block.intent != intent:
            continue
        for slot, value in block.slots.items():
            _merge(properties, slot, {"type": _json_type([value]), "enum": [value]})
        for sentence in block.sentences:
            for slot, schema in _slots(grammar, block, sentence.node):
                _merge(properties, slot, schema)
            filled = _always_filled(grammar, block, sentence.node) | set(block.slots)
            always = filled if always is None else always & filled
            example = example or _words(grammar, block, sentence.node)
    name = "".join(" " + c.lower() if c.isupper() else c for c in intent).strip()
    return IntentTool(
        name=intent,
        description=f"{name.capitalize()}, as in '{example}'." if example else f"{name.capitalize()}.",
        parameters={
            "type": "object",
            "properties": properties,
            "required": sorted(always or ()),
            "additionalProperties": False,
        },
    )


def _slots(grammar: Grammar, block: Block, node: Node) -> Iterator[tuple[str, dict[str, Any]]]:
    """Slots of a template with their schemas, rules followed."""
    ahead, seen = [node], set()
    while ahead:
        for reference in references(ahead.pop()):
            if isinstance(reference, RuleReference):
                rule = grammar.rule_named(block, reference.name)
                if rule is not None and reference.name not in seen:
                    seen.add(reference.name)
                    ahead.append(rule.node)
            elif reference.slot:
                yield reference.slot, _schema(grammar, block, reference)


def _always_filled(grammar: Grammar, block: Block, node: Node) -> set[str]:
    """Slots that every sentence of the template fills."""
    if isinstance(node, ListReference):
        return {node.slot} - {""}
    if isinstance(node, RuleReference):
        rule = grammar.rule_named(block, node.name)
        return _always_filled(grammar, block, rule.node) if rule is not None else set()
    if isinstance(node, Text):
        return set()
    parts = [_always_filled(grammar, block, item) for item in node.items]
    if isinstance(node, Alternative):
        return set() if node.is_optional or not parts else set.intersection(*parts)
    return set().union(*parts)


def _schema(grammar: Grammar, block: Block, reference: ListReference) -> dict[str, Any]:
    if reference.inline_range is not None:
        low, high, _ = reference.inline_range
        return {"type": "integer", "minimum": low, "maximum": high}
    words: WordList | None = grammar.list_named(block, reference.name)
    if isinstance(words, RangeList):
        ends = sorted((words.value(words.start), words.value(words.stop)))
        whole = not words.fractions and words.multiplier is None
        return {"type": "integer" if whole else "number", "minimum": ends[0], "maximum": ends[1]}
    if isinstance(words, TextList):
        values = list(dict.fromkeys(value.out for value in words.values))
        if len(values) <= _MOST_VALUES:
            return {"type": _json_type(values), "enum": values}
        return {"type": _json_type(values)}
    return {"type": "string"}


def _json_type(values: list[Any]) -> str:
    if all(isinstance(value, bool) for value in values):
        return "boolean"
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return "integer"
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return "number"
    return "string"


def _merge(properties: dict[str, dict[str, Any]], slot: str, schema: Mapping[str, Any]) -> None:
    """Widen what is known of a slot by another list that fills it."""
    known = properties.get(slot)
    if known is None:
        properties[slot] = dict(schema)
        return
    if known["type"] != schema["type"]:
        kinds = {known["type"], schema["type"]}
        properties[slot] = {"type": "number" if kinds == {"integer", "number"} else "string"}
        return
    if "enum" in known and "enum" in schema:
        known["enum"] = list(dict.fromkeys([*known["enum"], *schema["enum"]]))
    else:
        known.pop("enum", None)
    for bound, pick in (("minimum", min), ("maximum", max)):
        if bound in known and bound in schema:
            known[bound] = pick(known[bound], schema[bound])
        else:
            known.pop(bound, None)


def _words(grammar: Grammar, block: Block, node: Node, inside: frozenset[str] = frozenset()) -> str:
    """A sentence that the template allows: the first of all alternatives, options left out.

    Args:
        grammar: with the rules.
        block: the template's, for its own rules.
        node: a part of the template.
        inside: rules that this part stands in; one that holds itself stays a name.
    """
    if isinstance(node, Text):
        return node.text
    if isinstance(node, ListReference):
        return f"<{node.slot or node.name}>"
    if isinstance(node, RuleReference):
        rule = grammar.rule_named(block, node.name)
        if rule is None or node.name in inside:
            return f"<{node.name}>"
        return _words(grammar, block, rule.node, inside | {node.name})
    if isinstance(node, Alternative):
        return "" if node.is_optional else _words(grammar, block, node.items[0], inside)
    parts = "".join(_words(grammar, block, item, inside) for item in node.items)
    return re.sub(r" +", " ", parts).strip()
