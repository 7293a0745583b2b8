"""Cutting text into pieces worth speaking: whole sentences, and an early first one.

Text may come whole or a few characters at a time. The first piece of a long sentence is cut at a clause,
so that a slow voice starts early.
"""

from __future__ import annotations

import re

_SHORT = frozenset(("mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "approx", "ca", "incl"))
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]|\n+")
_CLAUSE = re.compile(r"[,;:—–](?=\s)")
_FIRST_CLAUSE = 24  # characters before a comma for it to be a piece of its own
_LONGEST = 240  # characters: a text without ends must still be heard


class SentenceChunker:
    """Collects streamed text and hands out pieces to speak. Not thread-safe.

    Args:
        early_first: cut the very first piece at a clause when its sentence is long.
    """

    def __init__(self, early_first: bool = True) -> None:
        self._held = ""
        self._early = early_first

    def feed(self, text: str) -> list[str]:
        """Take more text; returns the pieces that it completed."""
        self._held += text
        pieces: list[str] = []
        while (cut := self._boundary()) is not None:
            piece, self._held = self._held[:cut].strip(), self._held[cut:]
            if piece:
                pieces.append(piece)
                self._early = False
        return pieces

    def flush(self) -> list[str]:
        """The text has ended; returns what is left of it."""
        pieces = self.feed("\n")
        self._held = ""
        return pieces

    def _boundary(self) -> int | None:
        text = self._held
        for match in _END.finditer(text):
            if match.group()[0] == "." and not self._ends_sentence(text[: match.start()]):
                continue
            clause = self._clause(match.start())
            return match.end() if clause is None else clause
        if (clause := self._clause(len(text))) is not None:
            return clause
        if len(text) > _LONGEST:
            space = text.rfind(" ", 0, _LONGEST)
            return space + 1 if space > 0 else _LONGEST
        return None

    @staticmethod
    def _ends_sentence(head: str) -> bool:
        words = head.split()
        if not words:
            return False
        word = words[-1].lower().lstrip("(\"'“")
        is_list_number = word.isdigit() and len(words) == 1
        is_initial = len(word) == 1 and word.isalpha() and word != "i"
        return not (word in _SHORT or is_list_number or is_initial)

    def _clause(self, end: int) -> int | None:
        if not self._early:
            return None
        for match in _CLAUSE.finditer(self._held, 0, end):
            if match.start() >= _FIRST_CLAUSE and end - match.end() >= _FIRST_CLAUSE:
                return match.end()
        return None


def speech_pieces(text: str) -> list[str]:
    """The pieces of a whole text."""
    chunker = SentenceChunker()
    return chunker.feed(text) + chunker.flush()
