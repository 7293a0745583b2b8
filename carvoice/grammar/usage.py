"""How orders are usually worded: which word follows which in the test sentences beside a grammar.

A grammar holds every order alike, "would you winter drive and mirror down" as well as "wipers on". What
people say are the sentences that its author wrote down to test it. Counted in pairs of words and smoothed
after Witten and Bell (I. Witten, T. Bell, "The zero-frequency problem", IEEE Trans. Information Theory 37(4),
1991, method C), they tell two readings apart that sound alike. A grammar without tests prefers nothing.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from carvoice.grammar.source import read_yaml
from carvoice.grammar.words import split_words, tokenize

_BEGIN, _END = "<s>", "</s>"
_UNSEEN = 2000.0  # words that might come as well; each counts as half a word seen
_MOST_NATS = 8.0  # of one word: a name that no test holds is no reason against an order


class WordUsage:
    """Counts of words and of pairs of words. Thread-safe.

    Args:
        pairs: how often a word follows another; "<s>" begins a sentence and "</s>" ends it.
    """

    def __init__(self, pairs: Mapping[str, Mapping[str, int]]) -> None:
        self.pairs = pairs
        self._after = {first: sum(followers.values()) for first, followers in pairs.items()}
        self._words: Counter[str] = Counter()
        for followers in pairs.values():
            self._words.update(followers)
        self._seen = sum(self._words.values())
        self._room = self._seen + 0.5 * (len(self._words) + _UNSEEN)
        nats = sum(
            count * self._nats(first, second)
            for first, followers in pairs.items()
            for second, count in followers.items()
        )
        self._average = nats / self._seen if self._seen else 0.0

    @classmethod
    def of(cls, sentences: Iterable[str]) -> WordUsage:
        """Count sentences."""
        pairs: dict[str, Counter[str]] = defaultdict(Counter)
        for sentence in sentences:
            words = [word for token in tokenize(sentence) for word in split_words(token.text)]
            for first, second in itertools.pairwise([_BEGIN, *words, _END]):
                pairs[first][second] += 1
        return cls(pairs)

    def cost(self, words: Sequence[str]) -> float:
        """How much less usual these words are than the sentences counted, nats; negative for more usual."""
        if not self._seen:
            return 0.0
        nats = [min(_MOST_NATS, self._nats(*pair)) for pair in itertools.pairwise([_BEGIN, *words, _END])]
        return sum(nats) - len(nats) * self._average

    def _nats(self, first: str, second: str) -> float:
        alone = (self._words[second] + 0.5) / self._room
        followers = self.pairs.get(first)
        if not followers:
            return -math.log(alone)
        kinds = len(followers)
        return -math.log((followers.get(second, 0) + kinds * alone) / (self._after[first] + kinds))


def files_of_tests(paths: Iterable[Path]) -> list[Path]:
    """The test files beside grammar files: those in the ``tests`` folder of each folder, or of a file's."""
    folders = {(path if path.is_dir() else path.parent) / "tests" for path in paths}
    return sorted(file for folder in folders for file in folder.glob("*.yaml"))


def sentences_of_tests(files: Iterable[Path]) -> Iterator[str]:
    """The sentences of test files that mean something (:mod:`carvoice.nlu.trial` has their form).

    Raises:
        GrammarError: a file is no YAML.
    """
    for file in files:
        document = read_yaml(file)
        if not isinstance(document, Mapping):
            continue
        for entry in document.get("tests") or ():
            if isinstance(entry, Mapping) and entry.get("intent"):
                yield from (text for text in entry.get("sentences") or () if isinstance(text, str))
        for entry in document.get("compounds") or ():
            if isinstance(entry, Mapping) and isinstance(entry.get("sentence"), str):
                yield entry["sentence"]
