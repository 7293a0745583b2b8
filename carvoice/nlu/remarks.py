"""Remarks beside a wish: "it's dark in here turn the inside light on", "shut the window it's loud".

People say why they want something, and no joint stands between the reason and the wish. A remark is a whole
little clause: what it begins with, what it says of it, and an end that wants nothing after it. Everything
here only proposes what may be the wish; whether it is one the parser decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from carvoice.grammar.words import Token, tokenize
from carvoice.nlu.manners import Manners, longest_phrase

MAX_REMARK_WORDS = 9
MIN_WISH_WORDS = 2


def wishes_beside_remarks(text: str, manners: Manners) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Ways to part a text: (start, end) of what may be the wish and of the remark, longest wish first."""
    tokens = tokenize(text)
    words = [token.text for token in tokens]
    for length in range(2, min(MAX_REMARK_WORDS, len(words) - MIN_WISH_WORDS) + 1):
        cut = len(words) - length
        if _may_begin(words[length], manners) and is_remark(words[:length], manners):
            yield _span(tokens[length:]), _span(tokens[:length])
        complete = words[cut - 1] not in manners.unfinished and _may_begin(words[0], manners)
        if complete and is_remark(words[cut:], manners):
            yield _span(tokens[:cut]), _span(tokens[cut:])


def is_plea(text: str, manners: Manners) -> bool:
    """Is this only a request to do something about what was said ("clear it")?"""
    words = [token.text for token in tokenize(text) if token.text not in manners.fillers]
    return " ".join(words) in manners.pleas


def is_remark(words: Sequence[str], manners: Manners) -> bool:
    """Do these words make a clause that says how things are, and nothing about what others said?"""
    opener = longest_phrase(words, 0, manners.remark_openers)
    words = [word for word in words if word not in manners.fillers]
    if not words or words[-1] in manners.unfinished:
        return False
    if not opener and words[0] not in manners.remark_subjects:
        return False
    if words[-1].endswith(manners.ongoing) and words[-1] not in manners.feelings:
        return False
    if any(word in manners.telling for word in words):
        return False
    if opener:
        rest = words[opener:]
        return bool(rest) and not any(word in manners.negations for word in rest)
    if any(word in manners.negations for word in words):
        return False
    # "my hands are freezing", "the sun is too strong", "my back hurts"
    return any(
        word in manners.feelings or (word in manners.states and place < len(words) - 1)
        for place, word in enumerate(words)
        if place >= 2 or (place == 1 and words[0] not in manners.small)
    )


def _may_begin(word: str, manners: Manners) -> bool:
    """May a wish beside a remark begin with this word? Who tells of himself goes on telling."""
    few = (manners.small, manners.speakers, manners.telling, manners.negations)
    return not any(word in words for words in few)


def _span(tokens: Sequence[Token]) -> tuple[int, int]:
    return tokens[0].start, tokens[-1].end
