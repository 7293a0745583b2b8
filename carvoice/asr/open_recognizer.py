"""Free text through any streaming transducer that sherpa-onnx runs (zipformer, conformer, LSTM, NeMo).

For what no grammar foresees: questions, dictation. Runs beside the grammar's recognizer on the same
sound when wanted; each costs what its model costs.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import sherpa_onnx

from carvoice.asr.models import TRANSDUCER, Model
from carvoice.asr.recognizer import UtteranceStream
from carvoice.errors import ModelError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray, Hypothesis, Word

_PAD_S = 0.8  # more than any published streaming model's chunk and look-ahead
_WORD_START = "▁"


class OpenRecognizer:
    """Recognizes anything, as far as its model does.

    Args:
        model: a transducer.
        hotwords: phrases to favour; needs a ``bpe.vocab`` or characters as tokens, and costs a beam search.
        hotword_score: bonus per token of a hotword.
        threads: threads of each network run.

    Raises:
        ModelError: the model is of another kind.
    """

    def __init__(
        self, model: Model, hotwords: Iterable[str] = (), hotword_score: float = 1.5, threads: int = 1
    ) -> None:
        if model.kind != TRANSDUCER:
            raise ModelError(f"{model.folder}: free text needs a {TRANSDUCER}, this is a {model.kind} model")
        model.tokens()  # sherpa-onnx would end the process over a broken table
        phrases = [phrase.strip().upper() for phrase in hotwords if phrase.strip()]
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as listed:
            listed.write("\n".join(phrases))
            listed.flush()
            self._engine = sherpa_onnx.OnlineRecognizer.from_transducer(
                **{role: str(path) for role, path in model.files.items()},
                num_threads=threads,
                decoding_method="modified_beam_search" if phrases else "greedy_search",
                hotwords_file=listed.name if phrases else "",
                hotwords_score=hotword_score,
                modeling_unit="bpe" if phrases else "",
                bpe_vocab=str(model.folder / "bpe.vocab") if phrases else "",
            )

    def create_stream(self) -> OpenStream:
        """A stream at the beginning of an utterance."""
        return OpenStream(self._engine)


class OpenStream(UtteranceStream):
    """One utterance after another; see :class:`carvoice.asr.recognizer.RecognizerStream`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
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
        for index, (token, at_s) in enumerate(zip(result.tokens, result.timestamps, strict=False)):
            time_s = self._start_s + float(at_s)
            score = scores[index] if index < len(scores) else None
            begins = token.startswith((_WORD_START, " ")) or not words
            piece = token.replace(_WORD_START, "").strip().lower()
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
