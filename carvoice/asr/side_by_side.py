"""Two recognizers on the same sound: the grammar's for commands, an open one for everything else.

What is done rests on the grammar's result alone, with its calibrated confidence; the open text comes
along in :attr:`Hypothesis.open_text` for questions, whose words no grammar foresees. The cost is the
sum of both models', and only while somebody speaks.
"""

from __future__ import annotations

from dataclasses import replace

from carvoice.asr.recognizer import Recognizer, RecognizerStream
from carvoice.records import FloatArray, Hypothesis


class SideBySide:
    """A :class:`carvoice.asr.recognizer.Recognizer` of two."""

    def __init__(self, grammar: Recognizer, free: Recognizer) -> None:
        self._grammar = grammar
        self._free = free

    def create_stream(self) -> RecognizerStream:
        """A stream at the beginning of an utterance."""
        return SideBySideStream(self._grammar.create_stream(), self._free.create_stream())


class SideBySideStream:
    """One utterance after another; see :class:`carvoice.asr.recognizer.RecognizerStream`."""

    def __init__(self, grammar: RecognizerStream, free: RecognizerStream) -> None:
        self._grammar = grammar
        self._free = free

    def accept(self, samples: FloatArray) -> None:
        """Take sound, float32 (n,) in ±1, 16 kHz, any n.

        Raises:
            AudioFormatError: wrong shape or dtype, or NaN or infinity in it.
        """
        self._grammar.accept(samples)
        self._free.accept(samples)

    def partial(self) -> Hypothesis:
        """What was heard so far."""
        return replace(self._grammar.partial(), open_text=self._free.partial().text)

    def preview(self) -> Hypothesis:
        """What the grammar's recognizer would say now; endpoints ask, and need no free text."""
        return self._grammar.preview()

    def finish(self, *, as_previewed: bool = False) -> Hypothesis:
        """The final result. The stream is then ready for the next utterance.

        Args:
            as_previewed: nobody spoke since the last preview, so what it said stands (if there was one).
        """
        return replace(self._grammar.finish(as_previewed=as_previewed), open_text=self._free.finish().text)

    def reset(self, start_s: float = 0.0) -> None:
        """Forget the utterance; the next sample is at ``start_s`` on the stream clock."""
        self._grammar.reset(start_s)
        self._free.reset(start_s)
