"""Words as rows of symbols: phones where their pronunciations are known, else letters."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from carvoice.errors import GrammarError
from carvoice.nlu.confusion import Confusions

MAX_PHONES_PER_WORD = 24
MAX_REMEMBERED = 20_000  # words heard


class Pronouncer(Protocol):
    """Gives the pronunciations of a word; ``carvoice.grammar.lexicon.Lexicon`` is one."""

    def pronunciations(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Every way to say the word, most usual first."""

    def usual_pronunciation(self, word: str) -> tuple[str, ...]:
        """The most usual way to say the word."""

    def learn(self, words: Iterable[str]) -> None:
        """Find out how all these words are said, faster than one by one."""


class Speller:
    """Spells words in the symbols of a table of confusions, and remembers them.

    Attributes:
        usual: the most usual way to say a word; b"" if it has no sound.

    Args:
        lexicon: pronunciations; None spells with letters.
        confusions: the table.
    """

    def __init__(self, lexicon: Pronouncer | None, confusions: Confusions) -> None:
        self.confusions = confusions
        self._lexicon = lexicon
        self._numbers = {symbol: index for index, symbol in enumerate(confusions.symbols)}
        self._known: dict[str, tuple[bytes, ...]] = {}
        self.usual = lru_cache(MAX_REMEMBERED)(self._spell_usual)

    def learn(self, words: Iterable[str]) -> None:
        """Make many words known at once."""
        if self._lexicon is not None:
            self._lexicon.learn(word for word in words if word not in self._known)

    def variants(self, word: str) -> tuple[bytes, ...]:
        """The ways to say a word, most usual first; () if it has no sound."""
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = self._spell(word)
        return known

    def _spell_usual(self, word: str) -> bytes:
        """The most usual way to say a word; b"" if it has no sound."""
        if word in self._known or self._lexicon is None:
            return next(iter(self.variants(word)), b"")
        try:
            return self._coded(self._lexicon.usual_pronunciation(word))
        except GrammarError:
            return b""

    def _spell(self, word: str) -> tuple[bytes, ...]:
        if self._lexicon is None:
            letters = self._coded(word)
            return (letters,) if letters else ()
        try:
            variants = self._lexicon.pronunciations(word)
        except GrammarError:
            return ()
        coded = (self._coded(variant) for variant in variants)
        return tuple(dict.fromkeys(variant for variant in coded if variant))

    def _coded(self, symbols: Iterable[str]) -> bytes:
        numbers = self._numbers
        return bytes(numbers[symbol] for symbol in symbols if symbol in numbers)[:MAX_PHONES_PER_WORD]
