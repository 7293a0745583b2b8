"""The label set: 39 ARPAbet phones behind the CTC blank, and the mapping from what the synthesizers
report.
"""

from __future__ import annotations

import re

PHONES: tuple[str, ...] = tuple(
    """
    aa ae ah ao aw ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh
    """.split()
)
BLANK = "<blk>"
LABELS: tuple[str, ...] = (BLANK, *PHONES)
_LABEL_OF = {phone: label for label, phone in enumerate(LABELS)}

_SILENCES = {"pau", "#", "sil", "h#", "ssil", "brth", "none"}
_FESTIVAL_MERGES = {
    **{
        "ax": "ah",
        "axr": "er",
        "dx": "t",
        "en": "n",
        "el": "l",
        "em": "m",
        "nx": "ng",
        "hv": "hh",
        "ix": "ih",
    }
}

_IPA = {
    **{"n": "n", "s": "s", "t": "t", "d": "d", "k": "k", "l": "l", "m": "m", "p": "p", "z": "z", "f": "f"},
    **{"b": "b", "v": "v", "w": "w", "ɡ": "g", "ɹ": "r", "r": "r", "ŋ": "ng", "ʃ": "sh", "j": "y", "h": "hh"},
    **{"θ": "th", "ð": "dh", "ʒ": "zh", "dʒ": "jh", "tʃ": "ch", "ɾ": "t", "ʔ": "t", "t̪": "th", "x": "k"},
    **{"ʍ": "w", "ɡʲ": "g", "ɬ": "l", "ç": "k", "ts": "t s", "n̩": "ah n", "l̩": "ah l", "əl": "ah l"},
    **{"ɪ": "ih", "ə": "ah", "ɛ": "eh", "ɚ": "er", "æ": "ae", "eɪ": "ey", "iː": "iy", "ᵻ": "ih", "i": "iy"},
    **{"aɪ": "ay", "oʊ": "ow", "ʌ": "ah", "ɑː": "aa", "uː": "uw", "ɜː": "er", "ɐ": "ah", "ɔː": "ao"},
    **{
        "aʊ": "aw",
        "ʊ": "uh",
        "ɔ": "ao",
        "ɔɪ": "oy",
        "oː": "ow",
        "a": "ae",
        "ɒ": "aa",
        "əʊ": "ow",
        "eə": "eh",
    },
    **{"eː": "ey", "æʊ": "aw", "oə": "ao", "ɑə": "aa", "ɔə": "ao", "aa": "aa", "ɛə": "ae", "əɪ": "er"},
    **{"ei": "iy", "ɜ": "er", "u": "uw", "o": "ow", "e": "ey", "ɑ": "aa", "aː": "aa", "ɔ̃": "ao", "ɑ̃": "aa"},
    **{"ɑːɹ": "aa r", "oːɹ": "ao r", "ɔːɹ": "ao r", "iə": "iy ah", "ɪə": "iy ah", "ɛɹ": "eh r", "ɪɹ": "ih r"},
    **{"aɪɚ": "ay er", "ʊɹ": "uh r", "aɪə": "ay ah", "ʊə": "uh ah", "əɹ": "er", "ɜːɹ": "er", "aʊə": "aw ah"},
}


def labels_of(phones: list[str]) -> list[int]:
    """Return the label numbers of ARPAbet phones; KeyError names a phone outside the set."""
    return [_LABEL_OF[phone] for phone in phones]


def from_ipa(line: str) -> list[str] | None:
    """Turn espeak-ng's `--ipa --sep=_` output into ARPAbet, or None where a symbol is unknown."""
    phones: list[str] = []
    for raw in re.split(r"[_\s]+", line.strip()):
        symbol = re.sub("[ˈˌ‿\u200d\u0361]", "", raw)
        if not symbol:
            continue
        known = _IPA.get(symbol) or _IPA.get(symbol.rstrip("ː"))
        if known is None:
            return None
        phones += known.split()
    return phones


def from_festival(line: str) -> list[str] | None:
    """Turn flite's or festival's segment names into ARPAbet, or None where one is unknown."""
    phones: list[str] = []
    for raw in line.split():
        if raw in _SILENCES:
            continue
        phone = _FESTIVAL_MERGES.get(raw, raw)
        if phone not in _LABEL_OF:
            return None
        phones.append(phone)
    return phones
