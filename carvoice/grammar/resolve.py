"""What the names in a template stand for: its rules and its lists."""

from __future__ import annotations

from collections.abc import Callable

from carvoice.grammar.expression import ListReference, Node, RuleReference
from carvoice.grammar.model import Block, Grammar, RangeList, Template, TextList, WordList
from carvoice.grammar.network import TooLargeError, WordNetwork, word_network
from carvoice.grammar.source import error_at


def find_rule(grammar: Grammar, block: Block, reference: RuleReference, where: Template) -> Node:
    """The tree of a rule that ``where`` names.

    Raises:
        GrammarError: there is no such rule.
    """
    rule = grammar.rule_named(block, reference.name)
    if rule is None:
        known = ", ".join(sorted(grammar.rules)[:12])
        message = f"there is no rule <{reference.name}>; add it to 'expansion_rules'"
        raise error_at(where.text, message + (f" (rules: {known} ...)" if known else ""), reference.offset)
    return rule.node


def find_list(grammar: Grammar, block: Block, reference: ListReference, where: Template) -> WordList:
    """The list that ``where`` names; a range written in place is one.

    Raises:
        GrammarError: there is no such list, or it has no values.
    """
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


def network_of(
    node: Node, rule_named: Callable[[RuleReference], Node], where: Template, cjk: bool
) -> WordNetwork:
    """The word network of a template.

    Raises:
        GrammarError: it stands for too much; the error names the place.
    """
    try:
        return word_network(node, rule_named, cjk)
    except TooLargeError as error:
        raise error_at(where.text, str(error)) from None
