"""What every recognizer looks like, and what they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import replace
from typing import Protocol

import numpy as np

from carvoice.errors import AudioFormatError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray, Hypothesis

MAX_UTTERANCE_S = 20.0
"""A stream never keeps more sound than this; what is longer is no command."""

_RESTART_CONTEXT_S = 1.0
_PAD_PIECE_S = 0.1
_PAD_SEARCH_S = 0.6


class RecognizerStream(Protocol):
    """One utterance after another from one microphone. Used by one thread at a time."""

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1, 16 kHz, any n.

        Raises:
            AudioFormatError: wrong shape or dtype, or NaN or infinity in it.
        """

    def partial(self) -> Hypothesis:
        """What was heard so far, as far as the model has decided."""

    def preview(self) -> Hypothesis:
        """What :meth:`finish` would say now; more sound may still be taken."""

    def finish(self, *, as_previewed: bool = False) -> Hypothesis:
        """The utterance is over: the final result. The stream is then ready for the next one.

        Args:
            as_previewed: nobody spoke since the last preview, so what it said stands (if there was one).
        """

    def reset(self, start_s: float = 0.0) -> None:
        """Forget the utterance; the next sample is at ``start_s`` on the stream clock."""


class Recognizer(Protocol):
    """Makes streams; holds the model, which they share. Thread-safe."""

    def create_stream(self) -> RecognizerStream:
        """A stream at the beginning of an utterance."""


def checked(samples: FloatArray) -> FloatArray:
    """``samples`` when they are sound as recognizers want it.

    Raises:
        AudioFormatError: they are not.
    """
    if not isinstance(samples, np.ndarray) or samples.dtype != np.float32 or samples.ndim != 1:
        what = f"{getattr(samples, 'dtype', type(samples).__name__)} of shape {np.shape(samples)}"
        raise AudioFormatError(f"expected float32 samples of shape (n,), got {what}")
    if not np.isfinite(samples).all():
        raise AudioFormatError("samples hold NaN or infinity; check the sound source")
    return samples


def quiet_padding(sound: FloatArray, seconds: float) -> FloatArray:
    """A continuation of ``sound`` without speech: its quietest recent moment, mirrored to and fro.

    Digital silence is something no microphone gives and no model was trained on.
    """
    piece_n, n = int(_PAD_PIECE_S * SAMPLE_RATE_HZ), int(seconds * SAMPLE_RATE_HZ)
    recent = sound[-int(_PAD_SEARCH_S * SAMPLE_RATE_HZ) :]
    if len(recent) < piece_n:
        return np.zeros(n, np.float32)
    starts = range(0, len(recent) - piece_n + 1, piece_n // 2)
    energies = [float(np.square(recent[start : start + piece_n]).sum()) for start in starts]
    start = starts[int(np.argmin(energies))]
    piece = recent[start : start + piece_n]
    turns = -(-n // (2 * piece_n))
    return np.tile(np.concatenate([piece[::-1], piece]), turns)[:n]


class Stability:
    """How much of a partial has stood still: the share of its words that the last partials agree on."""

    def __init__(self, depth: int = 3) -> None:
        self._texts: deque[list[str]] = deque(maxlen=depth)

    def update(self, text: str) -> float:
        """Take the newest partial; returns its stability, 0..1."""
        words = text.split()
        self._texts.append(words)
        if not words or len(self._texts) < (self._texts.maxlen or 1):
            return 0.0
        agreed = 0
        for column in zip(*self._texts, strict=False):
            if len(set(column)) > 1:
                break
            agreed += 1
        return agreed / len(words)


class UtteranceStream(ABC):
    """What all our streams do alike: keep the utterance's sound, clock and stability, and begin anew.

    A recognizer's stream says how sound is taken in, what was heard so far, and how an end is tried.
    """

    def __init__(self, pad_s: float) -> None:
        self._pad_s = pad_s
        self.reset()

    def reset(self, start_s: float = 0.0) -> None:
        """Forget the utterance; the next sample is at ``start_s`` on the stream clock."""
        self._start_s = start_s
        self._sound: list[FloatArray] = []
        self._sound_n = 0
        self._stability = Stability()
        self._newest: Hypothesis | None = None
        self._ended: Hypothesis | None = None
        self._previewed: Hypothesis | None = None
        self._begin()

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1, 16 kHz, any n.

        A stretch longer than 20 s is no command: the stream then starts anew with its last second.

        Raises:
            AudioFormatError: wrong shape or dtype, or NaN or infinity in it.
        """
        samples = checked(samples)
        if not len(samples):
            return
        self._ended = None
        self._sound.append(samples.copy())
        self._sound_n += len(samples)
        if self._sound_n > MAX_UTTERANCE_S * SAMPLE_RATE_HZ:
            context = self._last(_RESTART_CONTEXT_S)
            self.reset(self._start_s + (self._sound_n - len(context)) / SAMPLE_RATE_HZ)
            self._sound, self._sound_n = [context], len(context)
            samples = context
        if self._take(samples):
            self._newest = None

    def partial(self) -> Hypothesis:
        """What was heard so far; its words have times, and scores where the model gives any."""
        if self._newest is None:
            heard = self._so_far()
            self._newest = replace(heard, stability=self._stability.update(heard.text))
        return self._newest

    def preview(self) -> Hypothesis:
        """What :meth:`finish` would say now; more sound may still be taken."""
        if self._ended is None:
            self._ended = self._previewed = replace(
                self._at_end(quiet_padding(self._last(_PAD_SEARCH_S), self._pad_s)), stability=1.0
            )
        return self._ended

    def finish(self, *, as_previewed: bool = False) -> Hypothesis:
        """The final result. The stream is then ready for the next utterance, which follows at once.

        Args:
            as_previewed: nobody spoke since the last preview, so what it said stands (if there was one):
                the result is that of the sound up to there, and costs next to nothing.
        """
        ended = (self._previewed if as_previewed else None) or self.preview()
        final = replace(self._completed(ended), is_final=True)
        self.reset(self._start_s + self._sound_n / SAMPLE_RATE_HZ)
        return final

    def _last(self, seconds: float) -> FloatArray:
        """The newest sound."""
        wanted, pieces = int(seconds * SAMPLE_RATE_HZ), list[FloatArray]()
        for piece in reversed(self._sound):
            pieces.append(piece[-wanted:])
            wanted -= len(pieces[-1])
            if wanted <= 0:
                break
        return np.concatenate(pieces[::-1]) if pieces else np.zeros(0, np.float32)

    def _completed(self, ended: Hypothesis) -> Hypothesis:
        """The newest ``_at_end`` with what only a final needs."""
        return ended

    @abstractmethod
    def _begin(self) -> None:
        """Forget what was taken in."""

    @abstractmethod
    def _take(self, samples: FloatArray) -> bool:
        """Take sound in; whether the partial may have changed."""

    @abstractmethod
    def _so_far(self) -> Hypothesis:
        """What was heard so far."""

    @abstractmethod
    def _at_end(self, padding: FloatArray) -> Hypothesis:
        """What was heard if nothing but ``padding`` follows; sound may still be taken afterwards."""
