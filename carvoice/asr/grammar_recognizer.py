"""The embedded recognizer: a phone-CTC network decoded by the grammar's graph, in sherpa-onnx."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from carvoice.asr.acoustic import AcousticModel, FloatMatrix
from carvoice.asr.alignment import Alignment, align, greedy_labels, normalized, spell_path
from carvoice.asr.confidence import Calibration, Fit
from carvoice.asr.graph import Graph, GraphSettings, WordAcceptor, build_graph
from carvoice.asr.models import Model, embedded_model
from carvoice.asr.recognizer import MAX_UTTERANCE_S, Stability, checked, quiet_padding
from carvoice.asr.rivals import BEST_MARGIN, Places, Rival, strongest_rival
from carvoice.asr.sherpa import graph_recognizer
from carvoice.errors import ModelError
from carvoice.grammar.lexicon import Lexicon
from carvoice.records import SAMPLE_RATE_HZ, FloatArray, Hypothesis, Word

_RESTART_CONTEXT_S = 1.0
_MAX_ACTIVE = 2000
_MOST_ALTERNATIVES = 3
_REACH = 3  # frames beyond a word at the edge of the sound
_CLOSE = 4.0  # nats: a rival nearer than this is worth mentioning


def graph_cache() -> Path:
    """Where decoding graphs are kept between starts."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "carvoice" / "graphs"


class GrammarRecognizer:
    """Recognizes the grammar's sentences, and says so when it hears something else.

    Args:
        acceptor: the sentences.
        model: a phone-CTC model, by default the embedded one.
        lexicon: how words are said, by default the shipped one.
        settings: costs of the graph, by default what the model's measurements found.
        cache: folder for decoding graphs.
        threads: threads of each network run.
        skip_phrases: phrases that may stand before and after a command ("could you", "please").

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
    ) -> None:
        model = model or embedded_model()
        lexicon = lexicon or Lexicon.load()
        settings = settings or settings_of(model.decoding)
        skip_phrases = tuple(skip_phrases)
        self.acoustic = AcousticModel(model, threads)
        self.graph: Graph = build_graph(
            acceptor,
            lexicon,
            self.acoustic.tokens,
            cache or graph_cache(),
            settings,
            skip_phrases,
        )
        tokens = self.acoustic.tokens
        self.phones = {number: phone for phone, number in tokens.items()}
        self.spellings = [
            tuple(tuple(tokens[phone] for phone in said) for said in lexicon.pronunciations(word))
            for word in self.graph.words
        ]
        grammar = self.graph.words[: self.graph.grammar_words]
        self.spelling_of = dict(zip(grammar, self.spellings, strict=False))
        joining = [word for phrase in (*settings.conjunctions, *skip_phrases) for word in phrase.split()]
        self.places = Places(acceptor, joining)
        self.calibration = Calibration.of(model.confidence)
        self._engine = graph_recognizer(model, self.acoustic.form, self.graph.path, threads, _MAX_ACTIVE)

    def create_stream(self) -> GrammarStream:
        """A stream at the beginning of an utterance."""
        return GrammarStream(self, self._engine)


def settings_of(table: Mapping[str, Any]) -> GraphSettings:
    """Graph settings from a model's ``[decoding]`` table.

    Raises:
        ModelError: it names a setting that there is not.
    """
    try:
        return replace(GraphSettings(), **table)
    except TypeError as error:
        raise ModelError(f"[decoding] of the model: {error}") from None


class GrammarStream:
    """One utterance after another; see :class:`carvoice.asr.recognizer.RecognizerStream`."""

    def __init__(self, recognizer: GrammarRecognizer, engine: Any) -> None:
        self._recognizer = recognizer
        self._engine = engine
        model = recognizer.acoustic
        self._look_ahead_s = model.look_ahead_ms / 1000
        # Enough that every frame with speech in it leaves the network: look-ahead, a chunk not yet
        # full, and the frame more that sherpa-onnx waits for.
        self._pad_s = self._look_ahead_s + model.chunk_samples / SAMPLE_RATE_HZ + 0.05
        self.reset()

    def reset(self, start_s: float = 0.0) -> None:
        """Forget the utterance; the next sample is at ``start_s`` on the stream clock."""
        self._start_s = start_s
        self._sound: list[FloatArray] = []
        self._sound_n = 0
        self._stability = Stability()
        self._begin()

    def _begin(self) -> None:
        self._sherpa = self._engine.create_stream()
        self._acoustic = self._recognizer.acoustic.create_stream()
        self._rows: list[FloatMatrix] = []
        self._padded: Hypothesis | None = None
        self._newest: Hypothesis | None = None

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1, 16 kHz, any n.

        A stretch longer than 20 s is no command: the stream then starts anew with its last second.

        Raises:
            AudioFormatError: wrong shape or dtype, or NaN or infinity in it.
        """
        samples = checked(samples)
        if not len(samples):
            return
        if self._padded is not None:  # the padding of a preview must not stay inside the utterance
            heard = np.concatenate(self._sound)
            self._begin()
            self._feed(heard)
        self._sound.append(samples.copy())
        self._sound_n += len(samples)
        if self._sound_n > MAX_UTTERANCE_S * SAMPLE_RATE_HZ:
            self._restart()
        else:
            self._feed(samples)

    def _restart(self) -> None:
        heard = np.concatenate(self._sound)
        context = heard[-int(_RESTART_CONTEXT_S * SAMPLE_RATE_HZ) :]
        self.reset(self._start_s + (len(heard) - len(context)) / SAMPLE_RATE_HZ)
        self._sound, self._sound_n = [context], len(context)
        self._feed(context)

    def _feed(self, samples: FloatArray) -> None:
        self._sherpa.accept_waveform(SAMPLE_RATE_HZ, samples)
        decoded = False
        while self._engine.is_ready(self._sherpa):
            self._engine.decode_stream(self._sherpa)
            decoded = True
        rows = self._acoustic.accept(samples)
        if len(rows):
            self._rows.append(rows)
        if decoded:
            self._newest = None

    def partial(self) -> Hypothesis:
        """What was heard so far; words have their times, but no scores yet."""
        if self._newest is None:
            result = self._engine.get_result(self._sherpa)
            labels, tokens = list(result.words), self._tokens(result)
            spans, _ = spell_path(labels, tokens, self._recognizer.spellings)
            times = [self._time_s(time) for time in result.timestamps]
            words = tuple(
                Word(self._recognizer.graph.words[label - 1], times[begin], times[end - 1])
                for label, (begin, end) in zip(labels, spans, strict=True)
                if label < self._recognizer.graph.filler and end > begin
            )
            text = " ".join(word.text for word in words)
            self._newest = Hypothesis(
                text=text,
                words=words,
                phones=self._phones(greedy_labels(self._log_probs())),
                stability=self._stability.update(text),
                source="grammar",
            )
        return self._newest

    def preview(self) -> Hypothesis:
        """What :meth:`finish` would say now; more sound may still be taken.

        Costs a few milliseconds, and the next :meth:`accept` decodes the utterance from its
        beginning again.
        """
        if self._padded is None:
            heard = np.concatenate(self._sound) if self._sound else np.zeros(0, np.float32)
            self._feed(quiet_padding(heard, self._pad_s))
            self._padded = self._scored()
        return self._padded

    def finish(self) -> Hypothesis:
        """The final result. The stream is then ready for the next utterance, which follows at once."""
        final = replace(self.preview(), is_final=True, stability=1.0)
        self.reset(self._start_s + self._sound_n / SAMPLE_RATE_HZ)
        return final

    def _scored(self) -> Hypothesis:
        recognizer = self._recognizer
        graph = recognizer.graph
        result = self._engine.get_result(self._sherpa)
        labels, tokens = list(result.words), self._tokens(result)
        spans, covered = spell_path(labels, tokens, recognizer.spellings)
        log_probs = normalized(self._log_probs())
        laid = align(log_probs, tokens)
        frame_s = recognizer.acoustic.frame_ms / 1000
        words: list[Word] = []
        placed: list[tuple[int, int, int]] = []  # label, first and last token of each word
        for label, (begin, end) in zip(labels, spans, strict=True):
            if label >= graph.filler or begin == end or laid is None:
                continue
            score = float(np.exp(laid.ratios[begin:end].mean()))
            start_s, end_s = (self._time_s(f * frame_s) for f in (laid.first[begin], laid.last[end - 1] + 1))
            words.append(Word(graph.words[label - 1], start_s, end_s, score))
            placed.append((label, begin, end))
        rivals = self._rivals(log_probs, laid, placed) if laid is not None else []
        fit = None
        if laid is not None and words:
            margin = min((rival.margin for rival in rivals if rival is not None), default=BEST_MARGIN)
            fit = _fit(laid, labels, spans, covered=covered, graph=graph, margin=margin)
        calibration = recognizer.calibration
        self.fit = fit
        return Hypothesis(
            text=" ".join(word.text for word in words),
            words=tuple(words),
            phones=self._phones(greedy_labels(log_probs)),
            stability=1.0,
            confidence=calibration.probability(fit) if calibration and fit else None,
            speech_end_s=words[-1].end_s if words else None,
            alternatives=_alternatives([word.text for word in words], rivals),
            source="grammar",
        )

    def _rivals(
        self, log_probs: FloatMatrix, laid: Alignment, placed: list[tuple[int, int, int]]
    ) -> list[Rival | None]:
        """The strongest rival of each word, None for words outside the grammar and those without."""
        recognizer = self._recognizer
        graph = recognizer.graph
        texts = [graph.words[label - 1] if label <= graph.grammar_words else None for label, _, _ in placed]
        ratios = log_probs - log_probs.max(axis=1, keepdims=True)
        rivals: list[Rival | None] = []
        for text, choices, (_, begin, end) in zip(
            texts, recognizer.places.choices(texts), placed, strict=True
        ):
            if text is None or len(choices) < 2:
                rivals.append(None)
                continue
            # A word's stretch reaches over the blanks to its neighbours, where a longer rival may lie.
            start = laid.last[begin - 1] + 1 if begin else max(0, laid.first[begin] - _REACH)
            stop = laid.first[end] if end < len(laid.first) else laid.last[end - 1] + 1 + _REACH
            rivals.append(strongest_rival(ratios[start:stop], text, choices, recognizer.spelling_of))
        return rivals

    def _log_probs(self) -> FloatMatrix:
        if len(self._rows) > 1:
            self._rows = [np.concatenate(self._rows)]
        return (
            self._rows[0]
            if self._rows
            else np.zeros((0, self._recognizer.acoustic.form.n_tokens), np.float32)
        )

    def _tokens(self, result: Any) -> list[int]:
        return [self._recognizer.acoustic.tokens[token] for token in result.tokens]

    def _phones(self, labels: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self._recognizer.phones[label] for label in labels)

    def _time_s(self, frame_s: float) -> float:
        return self._start_s + max(0.0, float(frame_s) - self._look_ahead_s)


def _fit(
    laid: Alignment,
    labels: list[int],
    spans: list[tuple[int, int]],
    *,
    covered: int,
    graph: Graph,
    margin: float,
) -> Fit:
    """Measure how the words fit (all of them, when none is of the grammar)."""
    ratios = laid.ratios
    inside = [span for label, span in zip(labels, spans, strict=True) if label <= graph.grammar_words]
    of_words = inside or [span for label, span in zip(labels, spans, strict=True) if label < graph.filler]
    per_word = [float(ratios[begin:end].mean()) for begin, end in of_words]
    phones = sum(end - begin for begin, end in of_words)
    own = float(sum(ratios[begin:end].sum() for begin, end in of_words))
    others = len(ratios) - sum(end - begin for begin, end in inside)
    return Fit(
        mean_ratio=own / phones,
        worst_word=min(per_word),
        outside=others / len(ratios),
        rest_ratio=(laid.total - own) / phones,
        shortness=1.0 / phones,
        unfinished=float(covered < len(ratios)),
        margin=margin,
    )


def _alternatives(words: list[str], rivals: list[Rival | None]) -> tuple[str, ...]:
    """The text with one word replaced by a close rival, closest first."""
    close = sorted(
        (rival.margin, index, rival.word)
        for index, rival in enumerate(rivals)
        if rival is not None and rival.margin < _CLOSE
    )
    return tuple(
        " ".join([*words[:index], word, *words[index + 1 :]]) for _, index, word in close[:_MOST_ALTERNATIVES]
    )
