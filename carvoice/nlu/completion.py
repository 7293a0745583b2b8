"""What is missing: the shortest ways in which a sentence that was begun could end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from carvoice.grammar.acceptor import WordAcceptor
from carvoice.grammar.words import WILDCARD


class Completions:
    """Finds ends of begun sentences. Immutable; thread-safe.

    Args:
        acceptor: the word sequences of the grammar.
    """

    def __init__(self, acceptor: WordAcceptor) -> None:
        self._acceptor = acceptor
        self._ids = {word: index for index, word in enumerate(acceptor.words)}
        self._first = np.searchsorted(acceptor.sources, np.arange(acceptor.n_states + 1))

    def of(self, words: Sequence[str], longest: int = 5) -> Iterator[str]:
        """Whole sentences that begin with these words, the shortest first, one for each way to go on.

        Args:
            words: the beginning.
            longest: at most so many words are added.
        """
        states = [self._acceptor.start]
        for word in words:
            states = list(dict.fromkeys(after for state in states for after in self._next(state, word)))
        seen = set(states)
        waiting = deque((state, tuple(words)) for state in states)
        while waiting:
            state, sentence = waiting.popleft()
            if state in self._acceptor.finals and len(sentence) > len(words):
                yield " ".join(sentence)
            if len(sentence) == len(words) + longest:
                continue
            for arc in range(self._first[state], self._first[state + 1]):
                target = int(self._acceptor.targets[arc])
                word = self._acceptor.words[self._acceptor.labels[arc]]
                if target not in seen and word != WILDCARD:
                    seen.add(target)
                    waiting.append((target, (*sentence, word)))

    def _next(self, state: int, word: str) -> list[int]:
        label = self._ids.get(word)
        arcs = slice(self._first[state], self._first[state + 1])
        after: list[int] = self._acceptor.targets[arcs][self._acceptor.labels[arcs] == label].tolist()
        return after
