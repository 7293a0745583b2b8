"""Free text through any streaming model that sherpa-onnx runs: transducers, CTC networks, paraformers.

For what no grammar foresees: questions, dictation. Runs beside the grammar's recognizer on the same
sound when wanted; each costs what its model costs.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import sherpa_onnx

from carvoice.asr.models import NEMO_CTC, PARAFORMER, TRANSDUCER, WENET_CTC, ZIPFORMER2_CTC, Model
from carvoice.asr.recognizer import UtteranceStream
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray, Hypothesis, Word

_PAD_S = 0.8  # more than any published streaming model's chunk and look-ahead
_WORD_START = "▁"
_CONTINUES = "@@"  # a paraformer marks the pieces that another one follows instead

_make = sherpa_onnx.OnlineRecognizer
_FACTORIES: dict[str, Callable[..., Any]] = {
    TRANSDUCER: _make.from_transducer,
    PARAFORMER: _make.from_paraformer,
    ZIPFORMER2_CTC: _make.from_zipformer2_ctc,
    NEMO_CTC: _make.from_nemo_ctc,
    WENET_CTC: _make.from_wenet_ctc,
}


class OpenRecognizer:
    """Recognizes anything, as far as its model does.

    Args:
        model: of any kind but the embedded one's (see :mod:`carvoice.asr.open_models`).
        hotwords: phrases to favour; taken by transducers that come with a ``bpe.vocab``, and costs a beam
            search; others do without.
        hotword_score: bonus per token of a hotword.
        threads: threads of each network run.

    Raises:
        ModelError: the model is of another kind.
    """

    def __init__(
        self, model: Model, hotwords: Iterable[str] = (), hotword_score: float = 1.5, threads: int = 1
    ) -> None:
        if model.kind not in _FACTORIES:
            known = ", ".join(_FACTORIES)
            raise ModelError(f"{model.folder}: free text needs a {known}; this is a {model.kind} model")
        tokens = model.tokens()  # sherpa-onnx would end the process over a broken table
        phrases = [phrase.strip() for phrase in hotwords if phrase.strip()]
        if any(token.isupper() for token in tokens):
            phrases = [phrase.upper() for phrase in phrases]
        self.takes_hotwords = model.kind == TRANSDUCER and (model.folder / "bpe.vocab").is_file()
        self._continued = any(token.endswith(_CONTINUES) for token in tokens)
        files = {role: str(path) for role, path in model.files.items()}
        make = _FACTORIES[model.kind]
        if not (phrases and self.takes_hotwords):
            self._engine = make(**files, num_threads=threads, decoding_method="greedy_search")
            return
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as listed:
            listed.write("\n".join(phrases))
            listed.flush()
            self._engine = make(
                **files,
                num_threads=threads,
                decoding_method="modified_beam_search",
                hotwords_file=listed.name,
                hotwords_score=hotword_score,
                modeling_unit="bpe",
                bpe_vocab=str(model.folder / "bpe.vocab"),
            )

    def create_stream(self) -> OpenStream:
        """A stream at the beginning of an utterance."""
        return OpenStream(self._engine, self._continued)


class OpenStream(UtteranceStream):
    """One utterance after another; see :class:`carvoice.asr.recognizer.RecognizerStream`."""

    def __init__(self, engine: Any, continued: bool) -> None:
        self._engine = engine
        self._continued = continued
        super().__init__(_PAD_S)

    def _begin(self) -> None:
        self._sherpa = self._engine.create_stream()
        self._padded = False

    def _take(self, samples: FloatArray) -> bool:
        if self._padded:  # the padding of a preview must not stay inside the utterance
            self._begin()
            samples = np.concatenate(self._sound)
        return self._feed(samples)

    def _feed(self, samples: FloatArray) -> bool:
        self._sherpa.accept_waveform(SAMPLE_RATE_HZ, samples)
        decoded = False
        while self._engine.is_ready(self._sherpa):
            self._engine.decode_stream(self._sherpa)
            decoded = True
        return decoded

    def _so_far(self) -> Hypothesis:
        return self._result()

    def _at_end(self, padding: FloatArray) -> Hypothesis:
        self._feed(padding)
        self._padded = True
        return self._result()

    def _result(self) -> Hypothesis:
        result = self._engine.get_result_all(self._sherpa)
        scores = list(result.ys_probs)
        words: list[Word] = []
        logs: list[list[float]] = []
        goes_on = False
        for index, (token, at_s) in enumerate(zip(result.tokens, result.timestamps, strict=False)):
            time_s = self._start_s + float(at_s)
            score = scores[index] if index < len(scores) else None
            starts = not goes_on if self._continued else token.startswith((_WORD_START, " "))
            begins = starts or not words
            goes_on = token.endswith(_CONTINUES)
            piece = token.removesuffix(_CONTINUES).replace(_WORD_START, "").strip().lower()
            if begins:
                words.append(Word(piece, time_s, time_s))
                logs.append([])
            else:
                words[-1] = replace(words[-1], text=words[-1].text + piece, end_s=time_s)
            if score is not None:
                logs[-1].append(float(score))
        scored = tuple(
            replace(word, score=math.exp(sum(log) / len(log))) if log else word
            for word, log in zip(words, logs, strict=True)
            if word.text
        )
        return Hypothesis(
            text=" ".join(word.text for word in scored),
            words=scored,
            speech_end_s=scored[-1].end_s if scored else None,
            source="open",
        )
