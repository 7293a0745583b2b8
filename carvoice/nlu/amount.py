"""Numbers in what was heard, whether or not the grammar has them.

A number that is out of range must be told from words that are no command: it is never taken for another
number that sounds like it ("fifty" for "fifteen").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from carvoice.errors import GrammarError
from carvoice.grammar.numbers import spoken
from carvoice.grammar.words import number_value, tokenize

WHOLE = 1000
"""Whole numbers below it are known, with minus too; with tenths those below 200."""
LONGEST = 9


@dataclass(frozen=True, slots=True)
class Amount:
    """A number and where it stands in the text."""

    value: int | float
    start: int
    end: int


def amounts(text: str, language: str) -> list[Amount]:
    """The numbers in a text, in words or digits, from left to right; of several readings the longest."""
    tokens = tokenize(text)
    words = [token.text for token in tokens]
    table, firsts = _table(language)
    found: list[Amount] = []
    at = 0
    while at < len(tokens):
        value = number_value(words[at])
        if value is not None:
            found.append(
                Amount(int(value) if value.is_integer() else value, tokens[at].start, tokens[at].end)
            )
            at += 1
            continue
        if words[at] not in firsts:
            at += 1
            continue
        for length in range(min(LONGEST, len(tokens) - at), 0, -1):
            known = table.get(" ".join(words[at : at + length]))
            if known is not None:
                found.append(Amount(known, tokens[at].start, tokens[at + length - 1].end))
                at += length - 1
                break
        at += 1
    return found


def in_digits(text: str, numbers: list[Amount]) -> str:
    """The text with its numbers written in digits."""
    for amount in reversed(numbers):
        text = f"{text[: amount.start]}{amount.value}{text[amount.end :]}"
    return text


def place_in_words(place: int, numbers: list[Amount]) -> int:
    """Where a place between the words of :func:`in_digits` is in the text itself."""
    moved = 0
    for amount in numbers:
        if place + moved <= amount.start:
            break
        moved += amount.end - amount.start - len(str(amount.value))
    return place + moved


@lru_cache(maxsize=4)
def _table(language: str) -> tuple[Mapping[str, int | float], frozenset[str]]:
    """What is said to its value, and the words it may begin with."""
    table: dict[str, int | float] = {}
    try:
        for number in range(1 - WHOLE, WHOLE):
            for form in spoken(number, language):
                table.setdefault(form, number)
        for tenths in range(1, 2000):
            if tenths % 10:
                for form in spoken(tenths / 10, language):
                    table.setdefault(form, tenths / 10)
    except GrammarError:
        pass  # the numbers of this language are not known: only digits are numbers
    return table, frozenset(form.split()[0] for form in table)
