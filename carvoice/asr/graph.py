"""The decoding graph: what may be said, as phones, as CTC frames.

CTC topology ∘ lexicon ∘ grammar (Mohri, Pereira, Riley, "Weighted finite-state transducers in speech
recognition", 2002), with three ways around the grammar so that nothing is forced into a command:

* an *open word loop* over frequent words, for readable text outside the grammar;
* a *filler* phone loop, for names, noises and foreign words;
* a *cut* cost at which a path may end anywhere, so that there is a partial result at every moment
  and an unfinished order stays unfinished instead of being completed by guesswork.

Costs are in nats, added to the acoustic cost. Token ids are the model's, shifted by one, since 0 is
the transducer's epsilon.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import kaldifst

from carvoice.errors import GrammarError, ModelError
from carvoice.grammar.lexicon import Lexicon
from carvoice.grammar.store import forget_oldest

Fst: TypeAlias = Any  # kaldifst.StdVectorFst, which has no type stubs

_FORMAT = 5  # changes whenever the same grammar would give another graph
_MOST_GRAPHS = 16  # in the cache: replaced lists leave one behind each time

ANY_WORD = "<any>"
"""The word of an acceptor arc that any word passes (the grammar's wildcard)."""


class WordAcceptor(Protocol):
    """The sentences of a grammar as an automaton over words.

    ``arcs`` are (source, word or None, target); None is an empty move.
    """

    @property
    def n_states(self) -> int: ...  # noqa: D102
    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def finals(self) -> Collection[int]: ...  # noqa: D102
    @property
    def arcs(self) -> Iterable[tuple[int, str | None, int]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Costs of the ways around the grammar, in nats.

    Attributes:
        open_words: how many frequent words the open loop knows; 0 for none.
        open_entry: cost of leaving the grammar, before or after a command.
        open_word: cost of each open word, plus ``unigram_scale`` · ln(frequency rank).
        unigram_scale: weight of the word frequency.
        filler_phone: cost of each phone that belongs to no word.
        cut: cost of ending in the middle of a command or word.
        chain: cost of a second command after one of ``conjunctions``.
        conjunctions: words that join commands.
        manners: cost of a phrase such as "please" before or after a command.
    """

    open_words: int = 3000
    open_entry: float = 4.0
    open_word: float = 2.0
    unigram_scale: float = 0.3
    filler_phone: float = 4.0
    cut: float = 10.0
    chain: float = 6.0
    conjunctions: tuple[str, ...] = ("and", "then", "and then")
    manners: float = 3.0


@dataclass(frozen=True, slots=True)
class Graph:
    """A decoding graph on disk.

    Attributes:
        path: the transducer (OpenFst, const), which sherpa-onnx reads.
        words: word of output label ``i + 1``.
        grammar_words: labels up to this one come from the grammar, the others from the open loop.
        states, arcs: size.
    """

    path: Path
    words: tuple[str, ...]
    grammar_words: int
    states: int
    arcs: int

    @property
    def filler(self) -> int:
        """Output label of a filler phone."""
        return len(self.words) + 1


def build_graph(
    acceptor: WordAcceptor,
    lexicon: Lexicon,
    tokens: Mapping[str, int],
    cache: Path,
    settings: GraphSettings | None = None,
    skip_phrases: Iterable[str] = (),
) -> Graph:
    """Build the graph, or take it from ``cache`` when the same one was built before.

    Args:
        acceptor: the grammar's sentences.
        lexicon: says how each word sounds.
        tokens: the model's token ids; the blank is 0.
        cache: folder for graphs; made if missing.
        settings: costs.
        skip_phrases: phrases that may stand before and after a command, such as "could you".

    Raises:
        GrammarError: the grammar accepts nothing, or a word has no sound.
        ModelError: the lexicon uses a phone the model does not know.
    """
    settings = settings or GraphSettings()
    plan = _Plan(acceptor, lexicon, tokens, settings, tuple(skip_phrases))
    key = plan.digest()
    path, about = cache / f"{key}.fst", cache / f"{key}.json"
    if not (path.exists() and about.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        states, arcs = _compose(plan, len(tokens), path)
        _write_whole(
            about,
            json.dumps(
                {"words": plan.words, "grammar_words": plan.grammar_words, "states": states, "arcs": arcs}
            ).encode(),
        )
        forget_oldest(cache, ".json", _MOST_GRAPHS)
    os.utime(about)
    known = json.loads(about.read_text(encoding="utf-8"))
    return Graph(path, tuple(known["words"]), known["grammar_words"], known["states"], known["arcs"])


class _Plan:
    """The grammar with its words numbered and spelled in tokens."""

    def __init__(
        self,
        acceptor: WordAcceptor,
        lexicon: Lexicon,
        tokens: Mapping[str, int],
        settings: GraphSettings,
        skip_phrases: tuple[str, ...],
    ) -> None:
        self.settings = settings
        self.skip_phrases = skip_phrases
        self.acceptor = acceptor
        self.arcs = list(acceptor.arcs)
        self.finals = sorted(acceptor.finals)
        if not self.finals:
            raise GrammarError("the grammar accepts no sentence at all; add a template")
        self.tokens = tokens
        joining = [word for phrase in (*settings.conjunctions, *skip_phrases) for word in phrase.split()]
        named = {word for _, word, _ in self.arcs if word is not None and word != ANY_WORD}
        grammar = sorted(named | set(joining))
        loop = lexicon.frequent_words(settings.open_words)
        self.words = [*grammar, *loop]
        self.grammar_words = len(grammar)
        self.label = {word: index for index, word in enumerate(grammar, start=1)}
        self.spelling = [self._spell(word, lexicon) for word in self.words]

    def _spell(self, word: str, lexicon: Lexicon) -> tuple[tuple[int, ...], ...]:
        try:
            return tuple(
                tuple(self.tokens[phone] + 1 for phone in phones) for phones in lexicon.pronunciations(word)
            )
        except KeyError as error:
            raise ModelError(
                f"the model has no phone {error.args[0]!r}, which {word!r} needs; the lexicon is not for it"
            ) from None

    def digest(self) -> str:
        """Identifies the graph by everything it is made of."""
        content = hashlib.sha256()
        for part in (
            _FORMAT,
            sorted(asdict(self.settings).items()),
            self.skip_phrases,
            self.words,
            self.spelling,
            (self.acceptor.n_states, self.acceptor.start, self.finals, self.arcs),
            sorted(self.tokens.items()),
        ):
            content.update(repr(part).encode())
        return content.hexdigest()[:24]


class GraphWriter:
    """Collects a transducer from tokens to words in OpenFst's text form (state 0 starts).

    Args:
        cut: cost of ending a path where no other cost is given.
    """

    def __init__(self, cut: float) -> None:
        self.lines: list[str] = []
        self.states = 0
        self._cut = cut

    def state(self, final: float | None = None) -> int:
        """A new state; it may end a path at cost ``final``, by default the cut cost."""
        self.lines.append(f"{self.states} {self._cut if final is None else final:g}")
        self.states += 1
        return self.states - 1

    def arc(self, source: int, target: int, token: int = 0, label: int = 0, cost: float = 0.0) -> None:
        """An arc that takes a token and writes a word."""
        self.lines.append(f"{source} {target} {token} {label} {cost:g}")

    def words(
        self, source: int, entries: Iterable[tuple[tuple[tuple[int, ...], ...], int, int, float]]
    ) -> None:
        """Word arcs out of one state as a tree of shared beginnings: (spelling, label, target, cost)."""
        tree: dict[tuple[int, int], int] = {}
        for spelling, label, target, cost in entries:
            for variant in spelling:
                node = source
                for token in variant[:-1]:
                    following = tree.get((node, token))
                    if following is None:
                        following = tree[node, token] = self.state()
                        self.arc(node, following, token)
                    node = following
                self.arc(node, target, variant[-1], label, cost)

    def compiled(self) -> Fst:
        """The transducer."""
        # Arcs first: the text form takes the source of its first line as the start state.
        arcs = [line for line in self.lines if line.count(" ") > 1]
        finals = [line for line in self.lines if line.count(" ") == 1]
        return kaldifst.compile("\n".join([*arcs, *finals]) + "\n", keep_state_numbering=True)

    def phrase(self, source: int, target: int, text: str, cost: float, plan: _Plan) -> None:
        """A chain of words; the cost is paid at its end."""
        *first, last = text.split()
        for word in first:
            label, following = plan.label[word], self.state()
            self.words(source, [(plan.spelling[label - 1], label, following, 0.0)])
            source = following
        label = plan.label[last]
        self.words(source, [(plan.spelling[label - 1], label, target, cost)])

    def any_word(self, source: int, target: int, plan: _Plan) -> None:
        """Arcs for every word of the open loop, and for every phone as filler."""
        settings, first = plan.settings, plan.grammar_words
        self.words(
            source,
            (
                (spelling, first + rank, target, settings.open_word + settings.unigram_scale * math.log(rank))
                for rank, spelling in enumerate(plan.spelling[first:], start=1)
            ),
        )
        filler = len(plan.words) + 1
        for token in plan.tokens.values():
            if token != 0:
                self.arc(source, target, token + 1, filler, settings.filler_phone)


def _word_transducer(plan: _Plan) -> Fst:
    settings = plan.settings
    out = GraphWriter(settings.cut)
    start, loop, end = out.state(), out.state(0.0), out.state(0.0)
    base = out.states
    for _ in range(plan.acceptor.n_states):
        out.state()
    entry = base + plan.acceptor.start
    out.arc(start, loop, cost=settings.open_entry)
    out.arc(loop, entry, cost=settings.open_entry)
    out.arc(end, loop, cost=settings.open_entry)
    for state in plan.finals:
        out.arc(base + state, end)

    leaving: dict[int, list[tuple[tuple[tuple[int, ...], ...], int, int, float]]] = {}
    wildcards: dict[int, int] = {}  # one loop of any words for each place that follows a wildcard
    for source, word, target in plan.arcs:
        if word is None:
            out.arc(base + source, base + target)
        elif word == ANY_WORD:
            if target not in wildcards:
                wildcards[target] = out.state()
                out.any_word(wildcards[target], base + target, plan)
            out.arc(base + source, wildcards[target])
        else:
            label = plan.label[word]
            leaving.setdefault(source, []).append((plan.spelling[label - 1], label, base + target, 0.0))
    for source, entries in leaving.items():
        out.words(base + source, entries)

    before = out.state()
    out.arc(start, before)
    out.arc(before, entry)
    for phrase in settings.conjunctions:
        out.phrase(end, before, phrase, settings.chain, plan)
    for phrase in plan.skip_phrases:
        out.phrase(before, before, phrase, settings.manners, plan)
        out.phrase(end, end, phrase, settings.manners, plan)

    out.any_word(loop, loop, plan)
    return out.compiled()


def topology(tokens: int) -> Fst:
    """CTC (Graves et al. 2006): a token may be held, and a blank must part two equal ones."""
    lines = []
    for last in range(tokens):
        lines.append(f"{last} 0 1 0")
        if last:
            lines.append(f"{last} {last} {last + 1} 0")
        lines += [f"{last} {token} {token + 1} {token + 1}" for token in range(1, tokens) if token != last]
    lines += [f"{state}" for state in range(tokens)]
    topology = kaldifst.compile("\n".join(lines) + "\n")
    kaldifst.arcsort(topology, sort_type="olabel")
    return topology


def _compose(plan: _Plan, tokens: int, path: Path) -> tuple[int, int]:
    grammar = _word_transducer(plan)
    kaldifst.minimize_encoded(grammar)
    graph = with_topology(grammar, tokens)
    arcs = sum(graph.num_arcs(state) for state in range(graph.num_states))
    store(graph, path)
    return graph.num_states, arcs


def with_topology(words: Fst, tokens: int) -> Fst:
    """A transducer from tokens to words as one from CTC frames; sorts the arcs of ``words``."""
    kaldifst.arcsort(words, sort_type="ilabel")
    return kaldifst.compose(topology(tokens), words)


def cached_graph(cache: Path, name: str, made_of: object, build: Callable[[], Fst]) -> Path:
    """The file of a transducer in ``cache``; it is built if none was from the same things.

    Args:
        cache: folder for graphs; made if missing.
        name: which graph it is.
        made_of: all that it depends on, as something whose ``repr`` says so.
        build: makes it.
    """
    key = hashlib.sha256(repr(made_of).encode()).hexdigest()
    path = cache / f"{name}-{key[:24]}.fst"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        store(build(), path)
    return path


def store(graph: Fst, path: Path) -> None:
    """Write a transducer so that another process sees the whole file or none."""
    half_done = path.with_suffix(f".{os.getpid()}.part")
    kaldifst.StdConstFst(graph).write(str(half_done))
    half_done.replace(path)


def _write_whole(path: Path, data: bytes) -> None:
    """Write so that another process sees the whole file or none."""
    half_done = path.with_suffix(f".{os.getpid()}.part")
    half_done.write_bytes(data)
    half_done.replace(path)
