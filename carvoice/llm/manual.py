"""The owner's manual as the first tier: the passage that covers the question, quoted with its source.

Passages are the sections of a folder of Markdown files, ranked by Okapi BM25 (Robertson and Zaragoza 2009;
library ``rank_bm25``: 70 ms to import where ``bm25s`` takes 750 ms, for an index that ranks in well under
a millisecond). A question is speech, so a word the manual does not have is looked up by spelling
(``rapidfuzz``) and by sound (Metaphone, ``jellyfish``). What BM25 cannot tell is whether the best passage
is good enough; the share of the question's information that the passage covers decides that.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jellyfish
import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi
from rapidfuzz import fuzz, process

from carvoice.errors import ConfigError
from carvoice.llm.answer import AnswerContext, Cancel, Draft
from carvoice.llm.sentences import split_sentences
from carvoice.llm.text import content_stems

_MAX_PASSAGE_WORDS = 120
_HEADING_WEIGHT = 2  # a heading's words count this often
_MIN_SPELLING = 82.0
_MIN_SPELLING_SAME_SOUND = 60.0
# "Why is the sky blue" has a word with the passage on washer fluid. Handing it to the model for that would
# make the prompt four times as long, and its answer one that stands on the manual and is not kept.
_HINT_WORDS = 2
# "How do I ...", "my tyres", "the car": more often for the manual than "who ..." or "what is ...".
_OWN_CAR = re.compile(r"\b(?:i|my|me|we|our|the car|this car)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A quotable piece of the manual.

    Attributes:
        heading: path of headings, "Wheels and tyres > Pressure".
        text: plain text.
        path: file it stands in.
        line: 1-based line where it begins.
    """

    heading: str
    text: str
    path: Path
    line: int


@dataclass(frozen=True, slots=True)
class Found:
    """A passage that speaks of what was asked.

    Attributes:
        passage: the passage.
        score: BM25.
        coverage: share (0..1) of the question's information that it speaks of.
        words: how many words of the question it has.
        is_literal: one of them as it was said, not only one spelt or sounding alike.
    """

    passage: Passage
    score: float
    coverage: float
    words: int
    is_literal: bool


class Manual:
    """An index over the Markdown files of a folder.

    Raises:
        ConfigError: the folder is not there or holds no Markdown text.
    """

    def __init__(self, folder: Path | str) -> None:
        root = Path(folder)
        if not root.is_dir():
            raise ConfigError(f"manual folder {root} does not exist; set it to a folder of Markdown files")
        self.passages = [passage for path in sorted(root.rglob("*.md")) for passage in read_passages(path)]
        if not self.passages:
            raise ConfigError(f"manual folder {root} holds no Markdown text (*.md)")
        documents = [
            content_stems(p.heading) * _HEADING_WEIGHT + content_stems(p.text) for p in self.passages
        ]
        self._bm25 = BM25Okapi(documents)
        self._terms = [frozenset(document) for document in documents]
        # Lucene's idf is never negative; the library's is for words that most passages have.
        spread = Counter(term for terms in self._terms for term in terms)
        self._bm25.idf = {
            term: math.log(1 + (len(documents) - count + 0.5) / (count + 0.5))
            for term, count in spread.items()
        }
        self._vocabulary = sorted(set().union(*self._terms))
        self._known = frozenset(self._vocabulary)
        self._by_sound: dict[str, list[str]] = {}
        for word in self._vocabulary:
            self._by_sound.setdefault(jellyfish.metaphone(word), []).append(word)
        # An unseen word tells as much as the rarest seen one: it is what the passage does not speak of.
        self._rarest_idf = max(self._bm25.idf.values())

    def search(self, question: str, limit: int = 3) -> list[Found]:
        """The best passages, best first; only those that share a word with the question."""
        stems = list(dict.fromkeys(self._join_compounds(content_stems(question))))
        if not stems:
            return []
        scores: NDArray[np.float64] = np.zeros(len(self.passages))
        covered: NDArray[np.float64] = np.zeros(len(self.passages))
        had: NDArray[np.int_] = np.zeros(len(self.passages), int)
        literal: NDArray[np.bool_] = np.zeros(len(self.passages), bool)
        total = 0.0
        for word in stems:
            meant = self._look_up(word)
            idf = max((self._bm25.idf[term] for term, _ in meant), default=self._rarest_idf)
            idf = max(idf, 0.1 * self._rarest_idf)
            total += idf
            best: NDArray[np.float64] = np.zeros(len(self.passages))
            for term, weight in meant:
                scores += weight * np.maximum(self._bm25.get_scores([term]), 0.0)
                best = np.maximum(best, [weight * (term in terms) for terms in self._terms])
            covered += idf * best
            had += best > 0
            literal |= best == 1.0
        order = np.argsort(-scores, kind="stable")[:limit]
        return [
            Found(
                self.passages[i], float(scores[i]), float(covered[i] / total), int(had[i]), bool(literal[i])
            )
            for i in order
            if scores[i] > 0
        ]

    def _join_compounds(self, stems: list[str]) -> Iterator[str]:
        """ "wind screen" is "windscreen" if the manual writes it so."""
        i = 0
        while i < len(stems):
            joined = "".join(stems[i : i + 2])
            if i + 1 < len(stems) and joined in self._known:
                yield joined
                i += 2
            else:
                yield stems[i]
                i += 1

    def _look_up(self, word: str) -> list[tuple[str, float]]:
        """Words of the manual that a word of the question may mean, each with a weight 0..1."""
        if word in self._known:
            return [(word, 1.0)]
        if word[:1].isdigit() or len(word) < 4:
            return []
        meant: dict[str, float] = {}
        for term, likeness, _ in process.extract(
            word, self._vocabulary, scorer=fuzz.ratio, score_cutoff=_MIN_SPELLING, limit=3
        ):
            meant[term] = likeness / 100 * 0.95
        for term in self._by_sound.get(jellyfish.metaphone(word), ()):
            if fuzz.ratio(word, term) >= _MIN_SPELLING_SAME_SOUND:
                meant[term] = max(meant.get(term, 0.0), 0.9)
        return list(meant.items())


class ManualTier:
    """Quotes the manual.

    Args:
        manual: the index.
        min_coverage: quote a passage that covers at least this share of the question; chosen with
            ``bench/llm_manual.py``.
        own_car_bonus: so much less is enough for a question about "I", "my" or "the car".
        hint_coverage: a passage between this and ``min_coverage`` is handed to the model as reference.
        max_words: quote at most about this many words; the rest can be asked for.
    """

    name = "manual"

    def __init__(
        self,
        manual: Manual,
        min_coverage: float = 0.65,
        own_car_bonus: float = 0.1,
        *,
        hint_coverage: float = 0.4,
        max_words: int = 60,
    ) -> None:
        self._manual = manual
        self._min_coverage = min_coverage
        self._own_car_bonus = own_car_bonus
        self._hint_coverage = hint_coverage
        self._max_words = max_words

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """Quote the best passage, or leave what was found to the next tiers as reference."""
        found = self._manual.search(question)
        if found and self.is_quotable(found[0], question):
            passage = found[0].passage
            draft.source = f"{passage.heading} ({passage.path.name}:{passage.line})"
            yield f"The manual says, under {passage.heading.rsplit(' > ', 1)[-1]}: "
            for sentence in self._excerpt(passage.text, question):
                yield sentence + " "
        else:
            draft.passages.extend(
                f"{hit.passage.heading}: {hit.passage.text}"
                for hit in found
                if hit.coverage >= self._hint_coverage and hit.words >= _HINT_WORDS
            )

    def is_quotable(self, found: Found, question: str) -> bool:
        """Whether a passage is taken for the answer; one word that only sounds like it ("love", "glove") is
        chance."""
        is_chance = found.words < 2 and not found.is_literal
        return found.coverage >= self.needed_coverage(question) and not is_chance

    def needed_coverage(self, question: str) -> float:
        """The coverage from which on a passage is quoted."""
        return self._min_coverage - (self._own_car_bonus if _OWN_CAR.search(question) else 0.0)

    def close(self) -> None:
        """Nothing to free."""

    def _excerpt(self, text: str, question: str) -> list[str]:
        """Sentences from the one that speaks most of the question, as many as may be spoken at once."""
        sentences = split_sentences(text)
        asked = set(content_stems(question))
        shares = [len(asked & set(content_stems(sentence))) for sentence in sentences]
        start = 0 if len(text.split()) <= self._max_words else shares.index(max(shares))
        taken: list[str] = []
        for sentence in sentences[start:]:
            if taken and sum(len(s.split()) for s in taken) + len(sentence.split()) > self._max_words:
                break
            taken.append(sentence)
        return taken


def read_passages(path: Path) -> list[Passage]:
    """Cut a Markdown file into passages at its headings, and long sections between paragraphs.

    Raises:
        ConfigError: the file is not UTF-8 text.
    """
    from markdown_it import MarkdownIt  # 30 ms that nobody waits for whose passages are kept

    try:
        tokens = MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start}); convert the file") from error
    headings: list[str] = []
    passages: list[Passage] = []
    held: list[str] = []
    held_line = 0

    def flush() -> None:
        text = " ".join(held).strip()
        if text:
            passages.append(Passage(" > ".join(headings) or path.stem, text, path, held_line))
        held.clear()

    for i, token in enumerate(tokens):
        if token.type == "heading_open":
            flush()
            level = int(token.tag[1:])
            headings[:] = [*headings[: level - 1], _plain(tokens[i + 1].content)]
        elif token.type == "inline" and not (i and tokens[i - 1].type == "heading_open"):
            text = _plain(token.content)
            if held and sum(len(part.split()) for part in held) + len(text.split()) > _MAX_PASSAGE_WORDS:
                flush()
            if not held:
                held_line = (token.map or [0])[0] + 1
            # List items and table cells end without a stop; spoken they need one.
            held.append(text if text.endswith((".", "!", "?", ":", ";")) else f"{text}.")
    flush()
    return passages


def _plain(markdown: str) -> str:
    """Inline Markdown without its marks."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", markdown)
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*_`]+", "", text).split())
