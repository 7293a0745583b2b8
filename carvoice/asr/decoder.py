"""All that belongs to one decoding graph, so that a recognizer changes it in one step."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from carvoice.asr._search import WordSearch
from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.graph import Graph
from carvoice.asr.models import Model
from carvoice.asr.nbest import PathFinder
from carvoice.asr.sherpa import graph_recognizer
from carvoice.grammar.lexicon import Lexicon

_MAX_ACTIVE = 2000


class GrammarDecoder:
    """A decoding graph, made ready. Thread-safe.

    Attributes:
        graph: the graph.
        spellings: per output label - 1, the ways a word is spelled in tokens.
        meaning: what a text means.
        engine: sherpa-onnx's recognizer, for partials.

    Args:
        graph: the graph.
        lexicon: it was built with.
        meaning: what a text means.
        model: whose network is decoded.
        acoustic: the same model, by itself.
        threads: threads of each network run.

    Raises:
        ModelError: the graph's file is damaged, or the model does not fit this sherpa-onnx.
    """

    def __init__(
        self,
        graph: Graph,
        lexicon: Lexicon,
        meaning: Callable[[str], Hashable],
        model: Model,
        acoustic: AcousticModel,
        threads: int,
    ) -> None:
        self.graph = graph
        tokens = acoustic.tokens
        self.spellings = [
            tuple(tuple(tokens[phone] for phone in said) for said in lexicon.pronunciations(word))
            for word in graph.words
        ]
        self.meaning = meaning
        self.engine = graph_recognizer(model, acoustic.form, graph.path, threads, _MAX_ACTIVE)
        self._finder = PathFinder(graph.path, graph.filler)

    def create_search(self) -> WordSearch:
        """A search of the graph with its own memory."""
        return self._finder.create()

    def text_of(self, labels: Iterable[int]) -> str:
        """The words of output labels, fillers left out."""
        return " ".join(self.graph.words[label - 1] for label in labels if label < self.graph.filler)
