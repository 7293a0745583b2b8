"""The shipped grammars as data: what each language can say, what its tests expect, what the car is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hassil import Intents
from hassil.expression import Alternative, Expression, Group, ListReference, Permutation, RuleReference
from hassil.intents import IntentData, RangeSlotList, TextSlotList

GRAMMARS = Path(__file__).resolve().parents[2] / "grammars"
LANGUAGES = sorted(folder.name for folder in GRAMMARS.iterdir() if folder.is_dir())
PLACEHOLDER = re.compile(r"\{(\w+):(\w+)\}")


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def actions() -> dict[str, Any]:
    return read(GRAMMARS / "actions.yaml")


@cache
def replies(language: str) -> dict[str, Any]:
    return read(GRAMMARS / language / "replies.yaml")


def grammar_files(language: str) -> list[Path]:
    return [path for path in sorted((GRAMMARS / language).glob("*.yaml")) if path.name != "replies.yaml"]


@cache
def intents(language: str) -> Intents:
    return Intents.from_files(grammar_files(language))


@dataclass(frozen=True)
class Expected:
    """A test sentence; intent "" means that it must be rejected."""

    text: str
    intent: str
    slots: tuple[tuple[str, Any], ...]


@cache
def expected(language: str) -> tuple[Expected, ...]:
    found: list[Expected] = []
    for path in sorted((GRAMMARS / language / "tests").glob("*.yaml")):
        document = read(path)
        for test in document.get("tests", ()):
            slots = tuple(sorted((test["intent"].get("slots") or {}).items()))
            found += [Expected(text, test["intent"]["name"], slots) for text in test["sentences"]]
        found += [Expected(text, "", ()) for text in document.get("rejected", ())]
    return tuple(found)


def references(language: str, block: IntentData, expression: Expression) -> Iterator[ListReference]:
    """All list references that the expression reaches, through rules."""
    if isinstance(expression, ListReference):
        yield expression
    elif isinstance(expression, RuleReference):
        rules = {**intents(language).expansion_rules, **block.expansion_rules}
        yield from references(language, block, rules[expression.rule_name].expression)
    elif isinstance(expression, Group):
        for item in expression.items:
            yield from references(language, block, item)


def slot_sets(language: str, block: IntentData, expression: Expression) -> set[frozenset[str]]:
    """Which slots an expression can fill together."""
    if isinstance(expression, ListReference):
        return {frozenset({expression.slot_name})}
    if isinstance(expression, RuleReference):
        rules = {**intents(language).expansion_rules, **block.expansion_rules}
        return slot_sets(language, block, rules[expression.rule_name].expression)
    if isinstance(expression, Alternative):
        return set().union(*(slot_sets(language, block, item) for item in expression.items))
    if isinstance(expression, (Group, Permutation)):
        sets = {frozenset[str]()}
        for item in expression.items:
            more = slot_sets(language, block, item)
            sets = {left | right for left in sets for right in more}
        return sets
    return {frozenset()}


@cache
def slot_values(language: str) -> dict[str, dict[str, set[Any]]]:
    """Intent -> slot -> all values that the grammar can put into it."""
    loaded = intents(language)
    table: dict[str, dict[str, set[Any]]] = {}
    for name, intent in loaded.intents.items():
        slots = table.setdefault(name, {})
        for block in intent.data:
            for slot, value in block.slots.items():
                slots.setdefault(slot, set()).add(value)
            for sentence in block.sentences:
                for reference in references(language, block, sentence.expression):
                    values = (
                        block.slot_lists.get(reference.list_name) or loaded.slot_lists[reference.list_name]
                    )
                    if isinstance(values, TextSlotList):
                        slots.setdefault(reference.slot_name, set()).update(
                            v.value_out for v in values.values
                        )
                    elif isinstance(values, RangeSlotList):
                        slots.setdefault(reference.slot_name, set()).update(values.get_numbers())
    return table


@cache
def combinations(language: str) -> dict[str, set[frozenset[str]]]:
    """Intent -> the sets of slots that can be filled together."""
    return {
        name: {
            slots | set(block.slots)
            for block in intent.data
            for sentence in block.sentences
            for slots in slot_sets(language, block, sentence.expression)
        }
        for name, intent in intents(language).intents.items()
    }


def signal_of(path: str) -> str:
    """The key under ``signals`` of a step's path."""
    return PLACEHOLDER.sub(r"{\2}", path)


def paths_of(path: str) -> list[str]:
    """All paths that a step's path can become, left and right not yet resolved."""
    found = [path]
    for placeholder in PLACEHOLDER.finditer(path):
        instances = {i for entries in actions()["tables"][placeholder[2]].values() for i in entries}
        found = [one.replace(placeholder[0], instance) for one in found for instance in sorted(instances)]
    return sorted(found)


def counts(language: str) -> dict[str, int]:
    """Size of a grammar, as reported in bench/results."""
    sentences = expected(language)
    loaded = intents(language)
    return {
        "intents": len(loaded.intents),
        "intents acting on the car": sum("steps" in actions()["intents"][name] for name in loaded.intents),
        "intent and slot combinations": sum(len(sets) for sets in combinations(language).values()),
        "templates": sum(len(block.sentences) for i in loaded.intents.values() for block in i.data),
        "lists": len(loaded.slot_lists),
        "rules": len(loaded.expansion_rules),
        "test sentences": len(sentences),
        "test sentences that must be rejected": sum(not sentence.intent for sentence in sentences),
    }
