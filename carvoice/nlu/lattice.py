"""From text to the word lattice the matcher walks.

A word that is written in more than one way becomes more than one path: "living-room", "21degrees",
"50%", a number in digits, two words written as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from carvoice.errors import GrammarError
from carvoice.grammar.automaton import Automaton
from carvoice.grammar.numbers import spoken
from carvoice.grammar.words import Token, number_value, pieces, split_words, tokenize

if TYPE_CHECKING:
    from carvoice.nlu._matcher import Edge

WORD, NUMBER, SKIP = 0, 1, 2
MAX_TOKENS = 120
MAX_COMPOUND_CHARS = 40


@dataclass(slots=True)
class Lattice:
    """A lattice and the places of its nodes in the text.

    Attributes:
        edges: (from, to, kind, word, number), sorted by ``from``.
        starts: per node, character offset at which the text after it begins.
        ends: per node, character offset at which the text before it ends.
        boundary: per node, 1 at the ends of tokens.
        unknown: tokens none of whose readings is in the vocabulary.
    """

    edges: list[Edge]
    starts: list[int]
    ends: list[int]
    boundary: list[int]
    unknown: int = 0


class LatticeBuilder:
    """Builds lattices over one automaton's vocabulary."""

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._skips: dict[int, list[tuple[int, ...]]] = {}
        for phrase in automaton.skip_phrases:
            self._skips.setdefault(phrase[0], []).append(phrase)

    def build(self, text: str) -> Lattice | None:
        """The lattice of a text; None when it has more than 120 words."""
        tokens = tokenize(text)
        if len(tokens) > MAX_TOKENS:
            return None
        vocabulary = self._automaton.vocabulary
        edges: list[Edge] = []
        starts = [tokens[0].start if tokens else 0]
        ends = [0]
        boundary = [1]
        unknown = 0
        nodes_of_tokens = [0]
        for index, token in enumerate(tokens):
            here = len(starts) - 1
            after = tokens[index + 1].start if index + 1 < len(tokens) else len(text)
            word = vocabulary.get(token.text)
            if word is not None and not token.text[0].isdigit():
                edges.append((here, here + 1, WORD, word, 0.0))
            else:
                paths = self._paths(token)
                unknown += not paths
                inner: list[Edge] = []
                for path in paths:
                    at = here
                    for position, (kind, item, number, _, end) in enumerate(path):
                        if position == len(path) - 1:
                            inner.append((at, -1, kind, item, number))
                        else:
                            starts.append(token.start + end)
                            ends.append(token.start + end)
                            boundary.append(0)
                            inner.append((at, len(starts) - 1, kind, item, number))
                            at = len(starts) - 1
                end_node = len(starts)
                edges.extend((a, end_node if b < 0 else b, k, w, n) for a, b, k, w, n in inner)
            starts.append(after)
            ends.append(token.end)
            boundary.append(1)
            nodes_of_tokens.append(len(starts) - 1)
        if self._skips:
            edges.extend(self._skip_edges(tokens, nodes_of_tokens))
        edges.sort()
        return Lattice(edges, starts, ends, boundary, unknown)

    def _skip_edges(self, tokens: Sequence[Token], nodes: list[int]) -> list[Edge]:
        ids = [self._automaton.vocabulary.get(token.text, -1) for token in tokens]
        return [
            (nodes[index], nodes[index + len(phrase)], SKIP, 0, 0.0)
            for index, word in enumerate(ids)
            for phrase in self._skips.get(word, ())
            if tuple(ids[index : index + len(phrase)]) == phrase
        ]

    def _paths(self, token: Token) -> list[list[tuple[int, int, float, int, int]]]:
        """The readings of a token: sequences of (kind, word, number, start, end in the token)."""
        vocabulary = self._automaton.vocabulary
        readings: list[list[tuple[str, int, int]]] = [[(token.text, 0, len(token.text))]]
        if not token.text.isalpha():
            split = pieces(token.text)
            readings.append([item for item in split if item[0] not in "-_"])
            words = split_words(token.text, self._automaton.cjk)
            if len(words) > 1:
                readings.append(_placed(words, token.text))
        elif self._automaton.cjk:
            readings.append(_placed(split_words(token.text, True), token.text))
        paths: list[list[tuple[int, int, float, int, int]]] = []
        for reading in readings:
            options: list[list[tuple[int, int, float, int, int]]] = [[]]
            for word, start, end in reading:
                heard = self._items(word, start, end, vocabulary)
                options = [[*before, *item] for before in options for item in heard][:8]
            paths.extend(path for path in options if path and path not in paths)
        if not paths and token.text.isalpha() and 4 <= len(token.text) <= MAX_COMPOUND_CHARS:
            text = token.text
            for cut in range(2, len(text) - 1):
                left, right = vocabulary.get(text[:cut]), vocabulary.get(text[cut:])
                if left is not None and right is not None:
                    paths.append([(WORD, left, 0.0, 0, cut), (WORD, right, 0.0, cut, len(text))])
        return paths

    def _items(
        self, word: str, start: int, end: int, vocabulary: Mapping[str, int]
    ) -> list[list[tuple[int, int, float, int, int]]]:
        items: list[list[tuple[int, int, float, int, int]]] = []
        known = vocabulary.get(word)
        if known is not None:
            items.append([(WORD, known, 0.0, start, end)])
        value = number_value(word)
        if value is not None:
            items.append([(NUMBER, 0, value, start, end)])
            ids = [vocabulary.get(part) for part in _said(value, self._automaton.language)]
            if ids and None not in ids:
                items.append([(WORD, part, 0.0, start, end) for part in ids if part is not None])
        return items


@lru_cache(maxsize=4096)
def _said(value: float, language: str) -> tuple[str, ...]:
    try:
        return tuple(spoken(int(value) if value.is_integer() else value, language)[0].split())
    except GrammarError:
        return ()


def _placed(words: tuple[str, ...], text: str) -> list[tuple[str, int, int]]:
    placed: list[tuple[str, int, int]] = []
    at = 0
    for word in words:
        start = max(at, text.find(word, at))
        at = start + len(word)
        placed.append((word, start, at))
    return placed
