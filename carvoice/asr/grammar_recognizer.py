"""The embedded recognizer: a phone-CTC network decoded by the grammar's graph, in sherpa-onnx."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.alignment import (
    Alignment,
    align,
    greedy_labels,
    held_scores,
    normalized,
    spell_path,
    undecided,
)
from carvoice.asr.confidence import Calibration, Fit
from carvoice.asr.decoder import GrammarDecoder
from carvoice.asr.features import FloatMatrix
from carvoice.asr.free_phones import FreePhones, free_cost
from carvoice.asr.free_words import FreeText, FreeWords
from carvoice.asr.graph import Graph, GraphSettings, WordAcceptor, build_graph
from carvoice.asr.models import Model, embedded_model
from carvoice.asr.nbest import WordPath, best_paths, log_odds
from carvoice.asr.posteriors import Posteriors, check_pair
from carvoice.asr.recognizer import UtteranceStream
from carvoice.asr.utterance_model import UtteranceModel
from carvoice.errors import ModelError
from carvoice.grammar.lexicon import Lexicon
from carvoice.grammar.store import cache_folder
from carvoice.grammar.usage import WordUsage
from carvoice.records import SAMPLE_RATE_HZ, FloatArray, Hypothesis, Word

_MOST_ALTERNATIVES = 8
_USAGE = 0.4  # weight of how usual the words are, against the cost of the sounds
_NO_ORDER = 0.5
_MOST_PHONES = 40  # that count: seconds of babble add up to anything
_SURE_ODDS = 3.0
_CLEARLY_BETTER = 6.0  # nats by root of the number of phones


def graph_cache() -> Path:
    """Where decoding graphs are kept between starts."""
    return cache_folder() / "graphs"


class GrammarRecognizer:
    """Recognizes the grammar's sentences, and says so when it hears something else. Thread-safe.

    Attributes:
        acoustic: the network.
        second: the network that joins it for finals, None where the model has none.
        phones: phone of each of its labels.
        calibrations: from measures of fit to the probability of the words, which is the least of them; none
            when the model has none.
        order_calibration: to that of an order, whichever; None when the model has none.
        free_phones: what the words have to stand against.
        free_words: finds what was said instead of an order, and how much better that fits.
        usage: how orders are usually worded.
        decoder: what utterances that begin now are decoded with.

    Args:
        acceptor: the sentences.
        model: a phone-CTC model, by default the embedded one.
        lexicon: how words are said, by default the shipped one.
        settings: costs of the graph, by default what the model's measurements found.
        cache: folder for decoding graphs.
        threads: threads of each network run.
        skip_phrases: phrases that may stand before and after a command ("could you", "please").
        meaning: what a text means, so that two wordings of one order are no doubt about it; by default
            every text means something else. Called from the streams' threads.
        usage: how orders are usually worded; by default none is preferred.

    Raises:
        ModelError: the model is missing, damaged or of another kind.
        GrammarError: the grammar accepts nothing.
    """

    def __init__(
        self,
        acceptor: WordAcceptor,
        model: Model | None = None,
        lexicon: Lexicon | None = None,
        *,
        settings: GraphSettings | None = None,
        cache: Path | None = None,
        threads: int = 1,
        skip_phrases: Iterable[str] = (),
        meaning: Callable[[str], Hashable] | None = None,
        usage: WordUsage | None = None,
    ) -> None:
        self._model = model or embedded_model()
        self._lexicon = lexicon or Lexicon.load()
        self._settings = settings or settings_of(self._model.decoding)
        self._cache = cache or graph_cache()
        self._threads = threads
        self._skip_phrases = tuple(skip_phrases)
        self.acoustic = AcousticModel(self._model, threads)
        self.second = UtteranceModel(self._model, threads) if "finals" in self._model.files else None
        if self.second:
            check_pair(self.acoustic, self.second)
        self.phones = {number: phone for phone, number in self.acoustic.tokens.items()}
        self.calibrations = Calibration.of_words(self._model.confidence)
        self.order_calibration = Calibration.of(self._model.confidence.get("order", {}))
        self.usage = usage or WordUsage({})
        self.free_phones = FreePhones(self._lexicon, self.acoustic.tokens, self._cache)
        self.free_words = FreeWords(self._lexicon, self.acoustic.tokens, self._cache)
        self.decoder = self._decoder(acceptor, meaning or (lambda text: text))

    @property
    def graph(self) -> Graph:
        """The decoding graph of utterances that begin now."""
        return self.decoder.graph

    def create_stream(self) -> GrammarStream:
        """A stream at the beginning of an utterance."""
        return GrammarStream(self)

    def replace_grammar(
        self, acceptor: WordAcceptor, meaning: Callable[[str], Hashable] | None = None
    ) -> None:
        """Recognize other sentences from the next utterance on; returns when their graph is there.

        What is being heard meanwhile is decoded to its end as it was begun. Meant for a thread of its
        own; see :class:`carvoice.asr.live_lists.LiveLists`.

        Args:
            acceptor: the sentences.
            meaning: what a text means by now; None keeps what was given before.

        Raises:
            ModelError: a word needs a phone that the model does not know.
            GrammarError: the grammar accepts nothing. In both cases the old one stays.
        """
        self.decoder = self._decoder(acceptor, meaning or self.decoder.meaning)

    def _decoder(self, acceptor: WordAcceptor, meaning: Callable[[str], Hashable]) -> GrammarDecoder:
        graph = build_graph(
            acceptor, self._lexicon, self.acoustic.tokens, self._cache, self._settings, self._skip_phrases
        )
        return GrammarDecoder(graph, self._lexicon, meaning, self._model, self.acoustic, self._threads)


def settings_of(table: Mapping[str, Any]) -> GraphSettings:
    """Graph settings from a model's ``[decoding]`` table.

    Raises:
        ModelError: it names a setting that there is not.
    """
    try:
        return replace(GraphSettings(), **table)
    except TypeError as error:
        raise ModelError(f"[decoding] of the model: {error}") from None


@dataclass(frozen=True, slots=True)
class _Ending:
    """What an end that was tried left for the final.

    Attributes:
        rows: log-probabilities (frames, tokens).
        paths, texts, costs: the readings, best first, and what each costs with its wording, nats.
        laid: the best one laid over the rows; None when it holds no word.
    """

    rows: FloatMatrix
    paths: list[WordPath]
    texts: list[str]
    costs: list[float]
    laid: Alignment | None


class GrammarStream(UtteranceStream):
    """One utterance after another; see :class:`carvoice.asr.recognizer.RecognizerStream`."""

    def __init__(self, recognizer: GrammarRecognizer) -> None:
        self._recognizer = recognizer
        self._decoder = recognizer.decoder
        self._search = self._decoder.create_search()
        self._free_search = recognizer.free_phones.create()
        self._word_search = recognizer.free_words.create()
        self.fit: Fit | None = None
        model = recognizer.acoustic
        self._look_ahead_s = model.look_ahead_ms / 1000
        # Enough that every frame with speech in it leaves the network: look-ahead, a chunk not yet
        # full, and the frame more that sherpa-onnx waits for.
        super().__init__(self._look_ahead_s + model.chunk_samples / SAMPLE_RATE_HZ + 0.05)

    def _begin(self) -> None:
        if self._decoder is not self._recognizer.decoder:
            self._decoder = self._recognizer.decoder
            self._search = self._decoder.create_search()
        self._has_sound = False
        self._engine = self._decoder.engine
        self._sherpa = self._engine.create_stream()
        self._posteriors = Posteriors(self._recognizer.acoustic, self._recognizer.second)

    def _take(self, samples: FloatArray) -> bool:
        if not self._has_sound and self._decoder is not self._recognizer.decoder:
            self._begin()  # the grammar was replaced while nobody spoke
        self._has_sound = True
        self._sherpa.accept_waveform(SAMPLE_RATE_HZ, samples)
        decoded = False
        while self._engine.is_ready(self._sherpa):
            self._engine.decode_stream(self._sherpa)
            decoded = True
        self._posteriors.accept(samples)
        return decoded

    def _so_far(self) -> Hypothesis:
        graph = self._decoder.graph
        result = self._engine.get_result(self._sherpa)
        labels, tokens = list(result.words), self._tokens(result)
        spans, _ = spell_path(labels, tokens, self._decoder.spellings)
        log_probs = self._posteriors.so_far()
        scores = held_scores(log_probs, tokens, [round(t * 1000 / self._frame_ms) for t in result.timestamps])
        times = [self._time_s(time) for time in result.timestamps]
        words = tuple(
            Word(graph.words[label - 1], times[begin], times[end - 1], float(scores[begin:end].mean()))
            for label, (begin, end) in zip(labels, spans, strict=True)
            if label < graph.filler and end > begin
        )
        return Hypothesis(
            text=" ".join(word.text for word in words),
            words=words,
            phones=self._phones(greedy_labels(log_probs)),
            source="grammar",
        )

    def _at_end(self, padding: FloatArray) -> Hypothesis:
        decoder = self._decoder
        raw = self._posteriors.at_end(padding)
        readings = sorted(
            (
                (path.cost + _USAGE * self._recognizer.usage.cost(text.split()), text, path)
                for path in best_paths(self._search, raw)
                for text in (decoder.text_of(path.labels),)
            ),
            key=lambda reading: reading[0],
        )
        costs, texts, paths = (list(column) for column in zip(*readings, strict=True))
        best = paths[0]
        log_probs = normalized(raw)
        laid = align(log_probs, best.tokens)
        words = self._words(best, laid) if laid is not None else ()
        self._ending = _Ending(raw, paths, texts, costs, laid if words else None)
        others = [
            (text, cost - costs[0])
            for text, cost in zip(texts[1:], costs[1:], strict=True)
            if text and text != texts[0]
        ][:_MOST_ALTERNATIVES]
        return Hypothesis(
            text=texts[0],
            words=words,
            phones=self._phones(greedy_labels(log_probs)),
            speech_end_s=words[-1].end_s if words else None,
            alternatives=tuple(text for text, _ in others),
            alternative_costs=tuple(cost for _, cost in others),
            source="grammar",
        )

    def _completed(self, ended: Hypothesis) -> Hypothesis:
        """How sure it is, and the words of what is no order: an endpoint needs neither."""
        recognizer, ending = self._recognizer, self._ending
        free = recognizer.free_words.hear(self._word_search, ending.rows)
        self.fit = self._measure(ending, free)
        order_calibration = recognizer.order_calibration
        order = self._probability(order_calibration) if order_calibration else None
        is_order = order is not None and order >= _NO_ORDER
        return replace(
            ended,
            confidence=self._probability(*recognizer.calibrations),
            order_confidence=order,
            open_text="" if is_order or order_calibration is None else free.text,
        )

    def _measure(self, ending: _Ending, free: FreeText) -> Fit | None:
        """How the words fit (all of them, when none is of the grammar); None when there are none."""
        best, laid, graph = ending.paths[0], ending.laid, self._decoder.graph
        if laid is None:
            return None
        placed = list(zip(best.labels, best.spans, strict=True))
        phones = len(best.tokens)
        inside = sum(end - begin for label, (begin, end) in placed if label <= graph.grammar_words)
        in_words = sum(end - begin for label, (begin, end) in placed if label < graph.filler)
        root = math.sqrt(min(phones, _MOST_PHONES))
        per_root = root / phones
        order_rows = normalized(ending.rows[int(laid.first[0]) : int(laid.last[-1]) + 1])
        odds = log_odds(ending.costs, [self._decoder.meaning(text) for text in ending.texts])
        words = [
            (graph.words[label - 1], span)
            for label, span in zip(best.labels, best.spans, strict=True)
            if label < graph.filler
        ]
        missed = free.missed([word for word, _ in words])
        known = {place for place, (word, _) in enumerate(words) if self._recognizer.free_words.knows(word)}
        behind = per_root * (best.cost - free.cost)
        as_good = min(1.0, max(0.0, 1.0 + behind / _CLEARLY_BETTER))
        return Fit(
            outside=(phones - inside) / phones,
            shortness=1.0 / (inside or in_words),
            unfinished=float(best.covered < phones),
            odds=odds,
            contested=max(0.0, _SURE_ODDS - odds),
            free=per_root * (best.cost - free_cost(self._free_search, ending.rows)),
            words=behind,
            unheard=as_good * len(missed & known) / max(1, len(known)),
            poorest=as_good
            * max((-float(laid.ratios[slice(*words[place][1])].mean()) for place in missed), default=0.0),
            blurred=root * undecided(order_rows),
            surplus=max(0.0, len(greedy_labels(order_rows)) / phones - 1.0),
        )

    def _probability(self, *calibrations: Calibration) -> float | None:
        if not calibrations or self.fit is None:
            return None
        return min(calibration.probability(self.fit) for calibration in calibrations)

    def _words(self, path: WordPath, laid: Alignment) -> tuple[Word, ...]:
        graph, frame_s = self._decoder.graph, self._frame_ms / 1000
        return tuple(
            Word(
                graph.words[label - 1],
                self._time_s(laid.first[begin] * frame_s),
                self._time_s((laid.last[end - 1] + 1) * frame_s),
                float(np.exp(laid.ratios[begin:end].mean())),
            )
            for label, (begin, end) in zip(path.labels, path.spans, strict=True)
            if label < graph.filler
        )

    @property
    def _frame_ms(self) -> int:
        return self._recognizer.acoustic.frame_ms

    def _tokens(self, result: Any) -> list[int]:
        return [self._recognizer.acoustic.tokens[token] for token in result.tokens]

    def _phones(self, labels: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self._recognizer.phones[label] for label in labels)

    def _time_s(self, frame_s: float) -> float:
        return self._start_s + max(0.0, float(frame_s) - self._look_ahead_s)
