"""Words of a question reduced to what tells it apart from others; shared by the manual and the cache."""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

_STEMMER = snowballstemmer.stemmer("english")
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?", re.UNICODE)

_STOP = (
    "a an the and or but if of to in on at by for from with about into over under as than then so too very "
    "i me my mine we us our you your he him his she her it its they them this that these those there here "
    "is am are was were be been being do does did doing done have has had having can could will would shall "
    "should may might must what which who whom whose when where why how please tell explain describe know "
    "like want need get got let s t d ll m re ve not no just also some any car vehicle"
)
STOP_WORDS = frozenset(_STOP.split())


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The stem of a lower-case word (Snowball "english"); numbers stay as they are."""
    return word if word[:1].isdigit() else str(_STEMMER.stemWord(word))


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text, possessive and contraction tails cut off."""
    return _WORD.findall(re.sub(r"['’](?:s|re|ve|ll|d|m|t)\b", " ", text.lower()))


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]
