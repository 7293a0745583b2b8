"""Text to ARPAbet phones through espeak-ng: how a word nobody listed is said.

espeak-ng writes IPA; :data:`IPA_TO_ARPABET` folds it to the 39 phones of the CMU Pronouncing
Dictionary (no stress), which are the units of the embedded acoustic model.
"""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache
from typing import TypeAlias

from carvoice.errors import GrammarError
from carvoice.espeak import shared_espeak

Phones: TypeAlias = tuple[str, ...]

# fmt: off
ARPABET: tuple[str, ...] = (
    "aa", "ae", "ah", "ao", "aw", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy",
    "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y",
    "z", "zh",
)
# fmt: on

ENGLISH_VOICES = ("en-us", "en", "en-gb-x-rp")
"""General American, British with short vowels told apart, received pronunciation."""

# fmt: off
IPA_TO_ARPABET: dict[str, str] = {
    # consonants
    "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "ɡ": "g", "ɡʲ": "g", "tʃ": "ch", "dʒ": "jh",
    "f": "f", "v": "v", "θ": "th", "t̪": "th", "ð": "dh", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh",
    "h": "hh", "m": "m", "n": "n", "ŋ": "ng", "l": "l", "ɬ": "l", "ɹ": "r", "r": "r", "j": "y", "w": "w",
    "ʍ": "w", "x": "k", "ç": "k", "ʔ": "t", "ɾ": "t", "ts": "t s", "əl": "ah l", "l̩": "ah l", "n̩": "ah n",
    # vowels
    "iː": "iy", "i": "iy", "ɪ": "ih", "ᵻ": "ih", "eɪ": "ey", "e": "ey", "ei": "iy", "ɛ": "eh", "æ": "ae",
    "a": "ae", "aa": "aa", "ɑː": "aa", "ɑ": "aa", "ɑ̃": "aa", "ɒ": "aa", "ɔː": "ao", "ɔ": "ao", "ɔ̃": "ao",
    "oʊ": "ow", "əʊ": "ow", "o": "ow", "oː": "ow", "ʊ": "uh", "uː": "uw", "u": "uw", "ʌ": "ah", "ə": "ah",
    "ɐ": "ah", "ɜː": "er", "ɜ": "er", "ɚ": "er", "əɹ": "er", "aɪ": "ay", "aʊ": "aw", "ɔɪ": "oy",
    # vowels that swallowed an r or a schwa
    "ɑːɹ": "aa r", "ɔːɹ": "ao r", "oːɹ": "ao r", "ɛɹ": "eh r", "ɪɹ": "ih r", "ʊɹ": "uh r", "ɜːɹ": "er",
    "aɪɚ": "ay er", "aɪə": "ay ah", "aʊə": "aw ah", "iə": "iy ah", "ɪə": "iy ah", "eə": "eh", "ɛə": "ae",
    "ʊə": "uh ah", "oə": "ao", "ɔə": "ao", "ɑə": "aa",
}
# fmt: on

_MARKS = re.compile("[ˈˌ‿ʲ\u200d\u0361]|\\([a-z-]+\\)")  # stress, links, "(fr)" language switches
_UTF8_TEXT = 1  # espeakCHARS_UTF8
_IPA_WITH_SEPARATOR = 0x02 | (ord("_") << 8)


def ipa_to_arpabet(ipa: str) -> Phones:
    """Fold espeak-ng's IPA, phones separated by "_" and words by spaces, to ARPAbet.

    A phone not in the table is taken apart letter by letter; marks without a sound are dropped.

    Raises:
        GrammarError: a letter that is no English sound, which means the voice is not English.
    """
    phones: list[str] = []
    for token in re.split(r"[_\s]+", _MARKS.sub("", ipa)):
        whole = IPA_TO_ARPABET.get(token) or IPA_TO_ARPABET.get(token.rstrip("ː"))
        if whole is not None:
            phones += whole.split()
            continue
        for letter in token.replace("ː", ""):
            if letter not in IPA_TO_ARPABET:
                raise GrammarError(
                    f"phone {token!r} of {ipa!r} has no ARPAbet counterpart; use an English voice"
                )
            phones += IPA_TO_ARPABET[letter].split()
    return tuple(phones)


def ipa(text: str, voice: str = "en-us") -> str:
    """espeak-ng's IPA for ``text``, phones separated by "_" and words by spaces."""
    espeak = shared_espeak()
    with espeak.lock:
        espeak.use_voice(voice)
        to_phonemes = espeak.library.espeak_TextToPhonemes
        to_phonemes.restype = ctypes.c_char_p
        rest = ctypes.c_char_p(text.encode())
        clauses = []
        while rest.value:
            clause = to_phonemes(ctypes.byref(rest), _UTF8_TEXT, _IPA_WITH_SEPARATOR)
            clauses.append(clause.decode())
    return " ".join(clauses)


@lru_cache(maxsize=65_536)
def phonemize(text: str, voice: str = "en-us") -> Phones:
    """ARPAbet phones of ``text`` as ``voice`` says it.

    Raises:
        GrammarError: the text has no sound at all ("", "..."), or the voice is not English.
        VoiceError: espeak-ng cannot be loaded or has no such voice.
    """
    phones = ipa_to_arpabet(ipa(text, voice))
    if not phones:
        raise GrammarError(f"{text!r} has no pronunciation; write it as it is said")
    return phones


def pronunciations(text: str, voices: tuple[str, ...] = ENGLISH_VOICES) -> tuple[Phones, ...]:
    """The different ways in which ``voices`` say ``text``, the first voice's first."""
    return tuple(dict.fromkeys(phonemize(text, voice) for voice in voices))
