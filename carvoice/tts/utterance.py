"""One thing to say: its text, the sound made of it so far, and where playback stands."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum

import numpy as np

from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from carvoice.tts.sentences import SentenceChunker

REWIND = int(0.4 * SAMPLE_RATE_HZ)  # about a word, said again after an interruption


class PlaybackState(Enum):
    """Where an utterance stands."""

    WAITING = "waiting"
    PLAYING = "playing"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


OVER = (PlaybackState.CANCELLED, PlaybackState.FAILED)


@dataclass(frozen=True, slots=True)
class PlaybackEvent:
    """Something happened to an utterance.

    Attributes:
        utterance_id: which one.
        state: PLAYING at its first sample, then one of FINISHED, CANCELLED, FAILED.
        at_s: time on the player's clock at which that sample plays.
        played_s: seconds of it played so far.
        detail: the error of FAILED.
    """

    utterance_id: int
    state: PlaybackState
    at_s: float
    played_s: float = 0.0
    detail: str = ""


class Utterance:
    """One thing to say; guarded by the player's lock."""

    __slots__ = (
        "chunker",
        "chunks",
        "complete",
        "detail",
        "id",
        "is_rendering",
        "made",
        "pieces",
        "played",
        "rendered",
        "state",
    )

    def __init__(self, utterance_id: int) -> None:
        self.id = utterance_id
        self.chunker = SentenceChunker()
        self.pieces: deque[str] = deque()
        self.complete = False  # no more text will come
        self.rendered = False  # all of the text is sound now
        self.is_rendering = False
        self.chunks: list[FloatArray] = []
        self.made = 0  # samples in chunks, with those already dropped
        self.played = 0
        self.state = PlaybackState.WAITING
        self.detail = ""

    def take(self, length: int) -> FloatArray:
        """The next samples, at most ``length``."""
        sound = self.at(self.played, length)
        self.played += len(sound)
        return sound

    def at(self, position: int, length: int) -> FloatArray:
        """Samples from ``position``; shorter at the end of what is made."""
        start = self.made - sum(len(chunk) for chunk in self.chunks)
        parts: list[FloatArray] = []
        for chunk in self.chunks:
            end = start + len(chunk)
            if end > position and length > 0:
                part = chunk[position - start : position - start + length]
                parts.append(part)
                position += len(part)
                length -= len(part)
            start = end
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def forget(self) -> None:
        """Drop what lies further back than a rewind."""
        start = self.made - sum(len(chunk) for chunk in self.chunks)
        while self.chunks and start + len(self.chunks[0]) < self.played - REWIND:
            start += len(self.chunks.pop(0))

    def rewind(self) -> None:
        """Go back by about a word, as far as it is still there."""
        self.played = max(self.played - REWIND, self.made - sum(len(chunk) for chunk in self.chunks), 0)
