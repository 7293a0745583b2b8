"""Find what is wrong with a grammar, all of it at once, and what is suspicious.

Overlaps are found exactly, not by samples: the automaton of the whole grammar is determinized, and a
state in which templates of different meaning end is reached by a sentence that both have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from carvoice.errors import GrammarError
from carvoice.grammar.acceptor import determinize_with_finals
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.compiler import compile_grammar, compile_template
from carvoice.grammar.expression import ListReference, RuleReference, references
from carvoice.grammar.model import Block, Grammar, Template, TextList, WildcardList
from carvoice.grammar.network import WordNetwork
from carvoice.grammar.source import Located, error_at

MAX_OVERLAPS = 50

Meanings: TypeAlias = Callable[[str], int]
"""How many different meanings a sentence has."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong ("error") or suspicious ("warning") in a grammar, with its place."""

    severity: str
    message: str
    path: Path | None = None
    line: int = 0
    column: int = 0
    excerpt: str = ""

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.path, self.line or None, self.column or None) if part)
        lines = [f"{where}: {self.severity}: {self.message}" if where else f"{self.severity}: {self.message}"]
        if self.excerpt:
            lines.append(f"    {self.excerpt}")
            if self.column:
                lines.append(f"    {' ' * (self.column - 1)}^")
        return "\n".join(lines)


def check_grammar(grammar: Grammar, meanings: Callable[[Automaton], Meanings] | None = None) -> list[Problem]:
    """All problems of a grammar, errors first.

    Args:
        grammar: the grammar.
        meanings: makes a parser that counts what a sentence may mean, so that two templates which say the
            same in different words are no overlap; without it only their fixed slots are compared.

    Errors: unknown list or rule, a rule inside itself, a list without values, a template that stands for
    too much. Warnings: what is never used, templates that can never match, sentences with two meanings.
    """
    problems = list(_template_errors(grammar))
    if problems:
        return problems
    problems.extend(_unused(grammar))
    problems.extend(_never_matching(grammar))
    automaton = compile_grammar(grammar)
    problems.extend(_overlaps(grammar, automaton, meanings(automaton) if meanings else None))
    return problems


def _problem(severity: str, text: Located, message: str, offset: int = 0) -> Problem:
    error = error_at(text, message, offset)
    return _of(error, severity, message)


def _of(error: GrammarError, severity: str, message: str = "") -> Problem:
    lines = str(error).split("\n    ")
    if not message:
        message = lines[0]
        place = ":".join(str(part) for part in (error.path, error.line or None, error.column or None) if part)
        message = message.removeprefix(f"{place}: ")
    excerpt = lines[1] if len(lines) > 1 else ""
    return Problem(severity, message, error.path, error.line, error.column, excerpt)


def _template_errors(grammar: Grammar) -> Iterator[Problem]:
    seen: set[str] = set()
    for block in grammar.blocks:
        for template in block.sentences:
            try:
                compile_template(grammar, block, template)
            except GrammarError as error:
                problem = _of(error, "error")
                if str(problem) not in seen:
                    seen.add(str(problem))
                    yield problem
    for name, rule in grammar.rules.items():
        for reference in references(rule.node):
            if isinstance(reference, RuleReference) and reference.name not in grammar.rules:
                if any(reference.name in block.rules for block in grammar.blocks):
                    continue
                yield _problem(
                    "error", rule.text, f"the rule <{name}> uses <{reference.name}>, which there is not",
                    reference.offset,
                )  # fmt: skip


def _used_names(grammar: Grammar) -> tuple[set[str], set[str]]:
    lists: set[str] = set()
    rules: set[str] = set()
    for block in grammar.blocks:
        pending = [template.node for template in block.sentences]
        seen: set[str] = set()
        listed: set[str] = set()
        while pending:
            for reference in references(pending.pop()):
                if isinstance(reference, ListReference):
                    word_list = grammar.list_named(block, reference.name)
                    if reference.name not in listed and isinstance(word_list, TextList):
                        pending.extend(value.template.node for value in word_list.values)
                    listed.add(reference.name)
                elif reference.name not in seen:
                    seen.add(reference.name)
                    rule = grammar.rule_named(block, reference.name)
                    if rule is not None:
                        pending.append(rule.node)
        rules |= seen
        lists |= listed
    return lists, rules


def _unused(grammar: Grammar) -> Iterator[Problem]:
    lists, rules = _used_names(grammar)
    for name, rule in grammar.rules.items():
        if name not in rules:
            yield _problem("warning", rule.text, f"no sentence uses the rule <{name}>")
    for name, word_list in grammar.lists.items():
        if name not in lists:
            message = f"no sentence uses the list {{{name}}}"
            if isinstance(word_list, TextList) and word_list.values:
                yield _problem("warning", word_list.values[0].template.text, message)
            else:
                yield Problem("warning", message)


def _never_matching(grammar: Grammar) -> Iterator[Problem]:
    for block in grammar.blocks:
        for template in block.sentences:
            network = compile_template(grammar, block, template)
            if network.finals == {0}:
                yield _problem("warning", template.text, "this sentence has no words")
            elif _wildcards_touch(network, grammar, block):
                yield _problem(
                    "warning", template.text, "two wildcards stand side by side; where one ends is a guess"
                )
            words = {word for row in network.word_arcs for word, _, _ in row}
            has_lists = any(network.list_arcs)
            if block.required_keywords and not has_lists and block.required_keywords.isdisjoint(words):
                yield _problem(
                    "warning", template.text, "this sentence has none of the block's required_keywords"
                )
        for key in block.requires_context.keys() & block.excludes_context.keys():
            if block.requires_context[key] == block.excludes_context[key]:
                yield _problem(
                    "warning", block.sentences[0].text,
                    f"requires_context and excludes_context both name {key!r}: these sentences never match",
                )  # fmt: skip


def _wildcards_touch(network: WordNetwork, grammar: Grammar, block: Block) -> bool:
    def is_wildcard(reference: ListReference) -> bool:
        return isinstance(grammar.list_named(block, reference.name), WildcardList)

    return any(
        is_wildcard(reference) and any(is_wildcard(other) for other, _ in network.list_arcs[then])
        for row in network.list_arcs
        for reference, then in row
    )


def _overlaps(grammar: Grammar, automaton: Automaton, meanings: Meanings | None) -> Iterator[Problem]:
    try:
        found = determinize_with_finals(automaton)
    except GrammarError as error:
        yield _of(error, "warning")
        return
    texts: dict[tuple[str, int], Template] = {}
    for index, block in enumerate(grammar.blocks):
        for template in block.sentences:
            texts[str(template.text), index] = template
    seen: set[tuple[int, int]] = set()
    reported = 0
    for sentence, template_ids in found:
        first = template_ids[0]
        for other in template_ids[1:]:
            pair = (first, other)
            if pair in seen or _meaning(automaton, first) == _meaning(automaton, other):
                continue
            seen.add(pair)
            one, two = automaton.templates[first], automaton.templates[other]
            if _conditional(automaton, first) or _conditional(automaton, other):
                continue
            if meanings is not None and meanings(sentence) < 2:
                continue
            reported += 1
            intents = automaton.blocks[one.block].intent, automaton.blocks[two.block].intent
            yield _problem(
                "warning",
                texts[one.text, one.block].text,
                f"{sentence!r} is both {intents[0]} here and {intents[1]} "
                f"({Path(two.path).name or 'text'}:{two.line}: {two.text!r})",
            )
            if reported >= MAX_OVERLAPS:
                return


def _meaning(automaton: Automaton, template: int) -> Any:
    block = automaton.blocks[automaton.templates[template].block]
    return block.intent, sorted((name, str(value)) for name, value in block.slots.items())


def _conditional(automaton: Automaton, template: int) -> bool:
    block = automaton.blocks[automaton.templates[template].block]
    return bool(block.requires_context or block.excludes_context)
