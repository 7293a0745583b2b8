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
from carvoice.asr.recognizer import MAX_UTTERANCE_S, Stability, checked, quiet_padding
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


class OpenStream:
    """One utterance after another; see :class:`carvoice.asr.recognizer.RecognizerStream`."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
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
        self._padded: Hypothesis | None = None
        self._newest: Hypothesis | None = None

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1, 16 kHz, any n; what is longer than 20 s starts anew.

        Raises:
            AudioFormatError: wrong shape or dtype, or NaN or infinity in it.
        """
        samples = checked(samples)
        if not len(samples):
            return
        if self._sound_n + len(samples) > MAX_UTTERANCE_S * SAMPLE_RATE_HZ:
            self.reset(self._start_s + self._sound_n / SAMPLE_RATE_HZ)
        if self._padded is not None:
            heard = np.concatenate(self._sound)
            self._begin()
            self._feed(heard)
        self._sound.append(samples.copy())
        self._sound_n += len(samples)
        self._feed(samples)

    def _feed(self, samples: FloatArray) -> None:
        self._sherpa.accept_waveform(SAMPLE_RATE_HZ, samples)
        while self._engine.is_ready(self._sherpa):
            self._engine.decode_stream(self._sherpa)
            self._newest = None

    def partial(self) -> Hypothesis:
        """What was heard so far."""
        if self._newest is None:
            hypothesis = self._result()
            self._newest = replace(hypothesis, stability=self._stability.update(hypothesis.text))
        return self._newest

    def preview(self) -> Hypothesis:
        """What :meth:`finish` would say now; more sound may still be taken."""
        if self._padded is None:
            heard = np.concatenate(self._sound) if self._sound else np.zeros(0, np.float32)
            self._feed(quiet_padding(heard, _PAD_S))
            self._padded = replace(self._result(), stability=1.0)
        return self._padded

    def finish(self) -> Hypothesis:
        """The final result. The stream is then ready for the next utterance, which follows at once."""
        final = replace(self.preview(), is_final=True)
        self.reset(self._start_s + self._sound_n / SAMPLE_RATE_HZ)
        return final

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
