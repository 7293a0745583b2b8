"""Words as rows of symbols: phones where their pronunciations are known, else letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from carvoice.errors import GrammarError
from carvoice.nlu.confusion import Confusions

MAX_PHONES_PER_WORD = 24


class Pronouncer(Protocol):
    """Gives the pronunciations of a word; ``carvoice.grammar.lexicon.Lexicon`` is one."""

    def pronunciations(self, word: str) -> tuple[tuple[str, ...], ...]:
        """Every way to say the word, most usual first."""

    def learn(self, words: Iterable[str]) -> None:
        """Find out how all these words are said, faster than one by one."""


class Speller:
    """Spells words in the symbols of a table of confusions, and remembers them.

    Args:
        lexicon: pronunciations; None spells with letters.
        confusions: the table.
    """

    def __init__(self, lexicon: Pronouncer | None, confusions: Confusions) -> None:
        self.confusions = confusions
        self._lexicon = lexicon
        self._numbers = {symbol: index for index, symbol in enumerate(confusions.symbols)}
        self._known: dict[str, tuple[bytes, ...]] = {}

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

    def _spell(self, word: str) -> tuple[bytes, ...]:
        numbers = self._numbers
        if self._lexicon is None:
            letters = bytes(numbers[letter] for letter in word if letter in numbers)
            return (letters[:MAX_PHONES_PER_WORD],) if letters else ()
        try:
            variants = self._lexicon.pronunciations(word)
        except GrammarError:
            return ()
        coded = (bytes(numbers[phone] for phone in variant if phone in numbers) for variant in variants)
        return tuple(dict.fromkeys(variant[:MAX_PHONES_PER_WORD] for variant in coded if variant))
