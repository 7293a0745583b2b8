"""Remembers what was last heard and played, so that the sound of a turn can be kept when it is over."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray, Turn

LONGEST_S = 30.0
_BEFORE_S = 1.0
_UNKNOWN_S = 4.0  # a turn without words began at most so long before its speech ended


class Recorder:
    """A ring of the last half minute of microphones and far end, 16 bit: 1.9 MB for one microphone.

    Nothing leaves it but the turns that are asked for; what was said to nobody is overwritten.
    """

    def __init__(self) -> None:
        self._ring = np.zeros((0, int(LONGEST_S * SAMPLE_RATE_HZ)), np.int16)
        self._end = 0  # samples heard so far
        self._lock = threading.Lock()

    def hear(self, block: AudioBlock) -> None:
        """Take a block from the microphone; called for every one."""
        near = np.atleast_2d(block.near)
        far = np.zeros(near.shape[1]) if block.far is None else np.atleast_2d(block.far).mean(axis=0)
        frames = _to_int16(np.vstack((near, far[None])))
        with self._lock:
            if len(self._ring) != len(frames):  # another device
                self._ring = np.zeros((len(frames), self._ring.shape[1]), np.int16)
            self._ring[:, self._indices(self._end, frames.shape[1])] = frames
            self._end += frames.shape[1]

    def cut(self, turn: Turn) -> tuple[FloatArray, FloatArray] | None:
        """The sound from a second before a turn's words until now; None for words that were not heard.

        Returns:
            Microphones, float32 (microphones, n), and far end, float32 (n,).
        """
        heard = turn.hypothesis
        if heard.speech_end_s is None:
            return None
        began_s = heard.words[0].start_s if heard.words else heard.speech_end_s - _UNKNOWN_S
        with self._lock:
            first = max(0, round((began_s - _BEFORE_S) * SAMPLE_RATE_HZ), self._end - self._ring.shape[1])
            if first >= self._end:
                return None
            frames = self._ring[:, self._indices(first, self._end - first)]
        sound = frames.astype(np.float32) / np.float32(32768)
        return sound[:-1], sound[-1]

    def _indices(self, first: int, count: int) -> npt.NDArray[np.intp]:
        return np.arange(first, first + count, dtype=np.intp) % self._ring.shape[1]


def _to_int16(sound: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
    return np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)
