"""English with an Indian accent, spelled for espeak-ng's voices of Indian languages.

No Debian package and no package index holds an Indian-English voice. espeak-ng's voices of Indian languages
do speak any phones of theirs, so an English line is spelled in them the way Indian English merges them (R.
Bansal, "The Intelligibility of Indian English", 1969; J. Wells, "Accents of English 3", 1982, section 9.1):
retroflex t and d, dental stops for th, one sound for v and w, long plain vowels in "face" and "goat", r
tapped and always said. The labels stay those of the English line.
"""

from __future__ import annotations

import random

from training.phones import from_ipa

LANGUAGES = ("hi", "hi", "hi", "mr", "gu", "bn", "pa", "te", "kok")
_SPELLING = {
    **{
        "aa": "a:",
        "ae": "E",
        "ah": "V",
        "ao": "O",
        "aw": "aU",
        "ay": "aI",
        "eh": "E",
        "er": "V|r",
        "ey": "e:",
    },
    **{"ih": "I", "iy": "i:", "ow": "o:", "oy": "oI", "uh": "U", "uw": "u:", "b": "b", "ch": "c", "d": "d."},
    **{
        "dh": "d[",
        "f": "f",
        "g": "g",
        "hh": "h",
        "jh": "J",
        "k": "k",
        "l": "l",
        "m": "m",
        "n": "n",
        "ng": "N",
    },
    **{
        "p": "p",
        "r": "r",
        "s": "s",
        "sh": "S",
        "t": "t.",
        "th": "t[",
        "v": "v",
        "w": "v",
        "y": "j",
        "z": "z",
    },
    "zh": "Z",
}
# What some speakers say instead; drawn once a line, for a speaker does it always.
_HABITS = (
    *({"z": "J"}, {"zh": "S"}, {"ao": "a:"}, {"ng": "N|g"}, {"t": "t[", "d": "d["}, {"ae": "a"}),
    *({"w": "w"}, {"ah": "@"}, {"er": "@|r"}, {"f": "p#"}, {"oy": "a:|I"}, {"th": "t[|h"}),
)
_HABIT_SHARE = 0.2


def spell_indian(ipa: str, rng: random.Random) -> tuple[str, list[str]] | None:
    """Return espeak-ng's phoneme input and the labels of a line that espeak-ng gave as `--ipa --sep=_`; None
    where a phone is unknown.
    """
    spelling = dict(_SPELLING)
    for habit in _HABITS:
        if rng.random() < _HABIT_SHARE:
            spelling |= habit
    words, labels = list[str](), list[str]()
    for word in ipa.split():
        spelled = []
        for symbol in word.split("_"):
            phones = from_ipa(symbol)
            if phones is None:
                return None
            stress = "'" if "ˈ" in symbol and phones else ""
            spelled += [stress * (index == 0) + spelling[phone] for index, phone in enumerate(phones)]
            labels += phones
        words.append("|".join(spelled))
    return f"[[{' '.join(words)}]]", labels
