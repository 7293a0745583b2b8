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
        acceptor: the word sequences of the grammar, deterministic.
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
        state: int | None = self._acceptor.start
        for word in words:
            state = self._next(state, word)
            if state is None:
                return
        assert state is not None
        seen = {state}
        waiting = deque([(state, tuple(words))])
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

    def _next(self, state: int | None, word: str) -> int | None:
        label = self._ids.get(word)
        if state is None or label is None:
            return None
        arcs = slice(self._first[state], self._first[state + 1])
        found = np.flatnonzero(self._acceptor.labels[arcs] == label)
        return int(self._acceptor.targets[arcs][found[0]]) if len(found) else None
