"""How words are said: the shipped lexicon, the user's own on top, text-to-phoneme for the rest.

A lexicon file is UTF-8 text, one word a line: the word, a tab, its pronunciations in ARPAbet
separated by "|"; lines are in order of word frequency. ::

    the<TAB>dh ah|dh iy
    windshield<TAB>w ih n d sh iy l d

A user lexicon may also be written the CMU way, one pronunciation a line, with or without stress
digits: ``WINDSHIELD  W IH1 N D SH IY2 L D``. What the user says replaces what is shipped.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from carvoice.errors import GrammarError
from carvoice.grammar.g2p import ARPABET, ENGLISH_VOICES, Phones, phonemize, pronunciations
from carvoice.resources import data_path

SHIPPED = data_path("models", "asr-en", "lexicon.txt")
_PHONES = frozenset(ARPABET)
_CMU_VARIANT = re.compile(r"\(\d+\)$")


class Lexicon:
    """Words and their pronunciations. Thread-safe for reading.

    Args:
        entries: word to its pronunciations as they stand in a lexicon file, in order of frequency.
        user: words that replace or add to them, parsed.
    """

    def __init__(self, entries: dict[str, str], user: dict[str, tuple[Phones, ...]] | None = None) -> None:
        self._entries = entries
        self._user = dict(user or {})
        self._parsed: dict[str, tuple[Phones, ...]] = dict(self._user)

    @classmethod
    def load(cls, path: Path | None = None, user: Iterable[Path] = ()) -> Lexicon:
        """Read the shipped lexicon (or the one at ``path``) and the user's files on top.

        Raises:
            GrammarError: a file is missing or a line is not a lexicon line.
        """
        shipped = path or SHIPPED
        lines = _read(shipped).splitlines()
        try:
            entries = dict(line.split("\t") for line in lines)
        except ValueError:
            number, line = next((n, line) for n, line in enumerate(lines, 1) if line.count("\t") != 1)
            raise GrammarError(
                f"{line!r} is not a word, a tab and its phones", path=shipped, line=number
            ) from None
        own: dict[str, tuple[Phones, ...]] = {}
        for file in user:
            for word, phones_of_word in _user_entries(file):
                own[word] = own.get(word, ()) + phones_of_word
        return cls(entries, own)

    def __contains__(self, word: str) -> bool:
        """Whether the word is listed; one that is not can still be pronounced."""
        return word in self._entries or word in self._parsed

    def __len__(self) -> int:
        return len(self._entries.keys() | self._parsed.keys())

    def frequent_words(self, count: int) -> tuple[str, ...]:
        """The ``count`` most frequent words of the file, most frequent first."""
        return tuple(word for word, _ in zip(self._entries, range(count), strict=False))

    def digest(self, count: int) -> str:
        """Identifies the ``count`` most frequent words and how they are said."""
        content = hashlib.sha256()
        for word in self.frequent_words(count):
            said = self._user.get(word, self._entries[word])
            content.update(f"{word}\t{said}\n".encode())
        return content.hexdigest()

    def learn(self, words: Iterable[str]) -> None:
        """Have espeak-ng say the words that are not listed, all of them in one voice after the other.

        Changing the voice costs ten times what a word does, so this is worth it for many words.
        """
        lower = {word.lower() for word in words}
        new = sorted(word for word in lower if word not in self)
        for voice in ENGLISH_VOICES:
            for word in new:
                with contextlib.suppress(GrammarError):  # it has no sound: said when it is asked for
                    phonemize(word, voice)  # kept; pronunciations() finds it there

    def pronunciations(self, word: str) -> tuple[Phones, ...]:
        """Every way to say ``word``, most usual first; ARPAbet in lower case without stress.

        A word that is not listed is said by espeak-ng and remembered.

        Raises:
            GrammarError: it has no sound.
        """
        word = word.lower()
        known = self._parsed.get(word)
        if known is None:
            line = self._entries.get(word)
            if line is None:
                known = pronunciations(word)
            else:
                known = tuple(tuple(variant.split()) for variant in line.split("|"))
            self._parsed[word] = known
        return known

    def usual_pronunciation(self, word: str) -> Phones:
        """The most usual way to say ``word``; of one that is not listed a third of the work.

        Raises:
            GrammarError: it has no sound.
        """
        lower = word.lower()
        return self.pronunciations(lower)[0] if lower in self else phonemize(lower, ENGLISH_VOICES[0])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GrammarError(f"lexicon cannot be read: {error}", path=path) from error


def _user_entries(path: Path) -> Iterator[tuple[str, tuple[Phones, ...]]]:
    for number, line in enumerate(_read(path).splitlines(), start=1):
        if not line.strip() or line.startswith((";;;", "#")):
            continue
        word, _, rest = line.strip().partition("\t") if "\t" in line else line.strip().partition(" ")
        variants = tuple(tuple(re.sub(r"\d", "", variant.lower()).split()) for variant in rest.split("|"))
        for variant in variants:
            unknown = [phone for phone in variant if phone not in _PHONES]
            if unknown or not variant:
                what = f"{unknown[0]!r} is no ARPAbet phone" if unknown else "no phones"
                raise GrammarError(
                    f"{what} in the pronunciation of {word!r}; the phones are: {' '.join(ARPABET)}",
                    path=path,
                    line=number,
                )
        yield _CMU_VARIANT.sub("", word.lower()), variants
