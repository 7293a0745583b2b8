"""What people do with commands in speech: join two, correct themselves halfway.

Everything here only proposes other texts; whether one of them means something the parser decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from carvoice.grammar.words import tokenize
from carvoice.nlu.manners import Manners, longest_phrase

MAX_COMMANDS = 4
MAX_WORDS = 40


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that may be a command; ``carried`` words were taken over from the one before."""

    text: str
    start: int
    carried: str = ""


def joints(text: str, manners: Manners) -> Iterator[tuple[int, int]]:
    """Places at which a sentence may fall into two commands: (end of the left, start of the right)."""
    tokens = tokenize(text)
    words = [token.text for token in tokens]
    for index in range(1, len(words) - 1):
        length = longest_phrase(words, index, manners.joints)
        if length and index + length < len(words):
            yield tokens[index - 1].end, tokens[index + length].start
        elif tokens[index - 1].end < len(text) and text[tokens[index - 1].end] in ",;.":
            yield tokens[index - 1].end, tokens[index].start


def carried_over(left: str, right: str) -> Iterator[str]:
    """The right half with the left's first words before it ("open the window and [open] the sunroof")."""
    words = left.split()
    for count in range(1, min(len(words), 6)):
        yield " ".join([*words[:count], right])


def corrected(text: str, manners: Manners) -> Iterator[str]:
    """The text with a false start replaced: "to twenty one no twenty two" -> "to twenty two"."""
    tokens = tokenize(text)
    words = [token.text for token in tokens]
    if len(words) > MAX_WORDS:
        return
    for index in range(1, len(words) - 1):
        length = longest_phrase(words, index, manners.corrections)
        if not length or index + length >= len(words):
            continue
        after = words[index + length :]
        for keep in range(index - 1, 0, -1):
            yield " ".join([*words[:keep], *after])
        if words[index] in manners.refusals:
            yield " ".join(words[index:])  # "in order please, no shuffle" is no order to shuffle
        yield " ".join(after)
