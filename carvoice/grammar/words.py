"""What counts as a word, for templates and for what is heard alike.

Case does not matter; punctuation around a word falls away (the set is HassIL's); hyphens and
underscores split a word; a number with its unit ("21degrees", "50%") is two words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

PUNCTUATION = '.。,，?¿？؟!¡！;；:：’…—–―"“”„«»()[]{}'
WILDCARD = "<any>"
"""The word of an acceptor arc that any word passes."""

_INITIALISM = re.compile(r"(?:\w\.){2,}")
_TOKEN = re.compile(r"\S+")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_PIECES = re.compile(r"-?\d+(?:[.,:]\d+)*|[^\W\d]+(?:[.'][^\W\d]+)*'?|[^\w\s]|_")
_NUMBER_AND_UNIT = re.compile(r"(-?\d+(?:[.,]\d+)?)(\D+)")
_CJK = "一-鿿㐀-䶿぀-ヿ가-힯"
_CJK_CHARACTER = re.compile(f"[{_CJK}]")
_CJK_OR_RUN = re.compile(f"[{_CJK}]|[^{_CJK}]+")


class Token(NamedTuple):
    """A stretch of text without spaces, stripped of punctuation, lower case, with its place."""

    text: str
    start: int
    end: int


@lru_cache(maxsize=16)  # every step of a parse looks at the same text
def tokenize(text: str) -> tuple[Token, ...]:
    """Cut text at its spaces; ``start`` and ``end`` are character offsets into ``text``."""
    tokens: list[Token] = []
    is_ascii = text.isascii()
    for match in _TOKEN.finditer(text):
        raw, (start, end) = match[0], match.span()
        if not raw.isalnum():
            while start < end and text[start] in PUNCTUATION:
                start += 1
            if not _INITIALISM.fullmatch(text, start, end):
                while start < end and text[end - 1] in PUNCTUATION:
                    end -= 1
            raw = text[start:end]
            if not raw:
                continue
        lowered = raw.lower()
        if not is_ascii:
            lowered = unicodedata.normalize("NFC", lowered).replace("’", "'")
        tokens.append(Token(lowered, start, end))
    return tuple(tokens)


@lru_cache(maxsize=65536)
def split_words(piece: str, cjk: bool = False) -> tuple[str, ...]:
    """The words of a template's piece of text (no spaces in it), normalized like what is heard."""
    words: list[str] = []
    for token in tokenize(piece):
        if _NUMBER.fullmatch(token.text):
            words.append(token.text)
            continue
        for part in token.text.replace("_", "-").split("-"):
            unit = _NUMBER_AND_UNIT.fullmatch(part)
            if unit and not unit[2][0].isalpha():
                words.extend(unit.groups())
            elif cjk and _CJK_CHARACTER.search(part):
                words.extend(_CJK_OR_RUN.findall(part))
            elif part:
                words.append(part)
    return tuple(words)


def number_value(text: str) -> float | None:
    """The value of a number written in digits ("21", "-5", "21.5", "21,5"); None for anything else."""
    if _NUMBER.fullmatch(text) is None:
        return None
    return float(text.replace(",", "."))


def pieces(text: str) -> list[tuple[str, int, int]]:
    """Numbers, words and signs inside one token, with their offsets in it."""
    return [(match.group(), match.start(), match.end()) for match in _PIECES.finditer(text)]
