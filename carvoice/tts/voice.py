"""What a voice is, and the cache that lets it answer at once with what it has said before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from carvoice.records import SAMPLE_RATE_HZ, FloatArray


class Voice(Protocol):
    """Turns text into sound."""

    def synthesize(self, text: str) -> Iterator[FloatArray]:
        """Yield the sound as it is made: float32 in ±1, mono, 16 kHz, chunks of any length.

        Closing the iterator stops the work. Text with nothing to say yields nothing.

        Raises:
            VoiceError: the text cannot be synthesized.
        """
        ...


class CachedVoice:
    """Keeps the sound of short texts, so that fixed replies start without synthesis.

    Thread-safe. The least recently spoken goes first when the cache is full; a synthesis that was broken
    off is not kept.

    Args:
        voice: the voice that makes the sound.
        capacity_s: seconds of sound to keep; 600 s are 37 MB.
        longest_s: longer sounds are not kept.
    """

    def __init__(self, voice: Voice, capacity_s: float = 600.0, longest_s: float = 8.0) -> None:
        self._voice = voice
        self._capacity = int(capacity_s * SAMPLE_RATE_HZ)
        self._longest = int(longest_s * SAMPLE_RATE_HZ)
        self._sounds: OrderedDict[str, FloatArray] = OrderedDict()
        self._samples = 0
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._sounds)

    @property
    def cached_s(self) -> float:
        """Seconds of sound kept."""
        return self._samples / SAMPLE_RATE_HZ

    def synthesize(self, text: str) -> Iterator[FloatArray]:
        """The kept sound in one chunk, or the voice's own chunks."""
        with self._lock:
            sound = self._sounds.get(text)
            if sound is not None:
                self._sounds.move_to_end(text)
                self.hits += 1
            else:
                self.misses += 1
        if sound is not None:
            yield sound
            return
        yield from self._render(text)

    def warm(self, texts: Iterable[str]) -> None:
        """Synthesize texts that are likely to be said, e.g. all fixed replies at start."""
        for text in texts:
            if text not in self._sounds:
                for _ in self._render(text):
                    pass

    def _render(self, text: str) -> Iterator[FloatArray]:
        chunks: list[FloatArray] = []
        length = 0
        for chunk in self._voice.synthesize(text):
            length += len(chunk)
            if length <= self._longest:
                chunks.append(chunk)
            yield chunk
        if 0 < length <= self._longest:
            sound = np.concatenate(chunks)
            sound.flags.writeable = False
            self._keep(text, sound)

    def _keep(self, text: str, sound: FloatArray) -> None:
        with self._lock:
            old = self._sounds.pop(text, None)
            self._samples += len(sound) - (0 if old is None else len(old))
            self._sounds[text] = sound
            while self._samples > self._capacity:
                _, dropped = self._sounds.popitem(last=False)
                self._samples -= len(dropped)
