"""When does somebody begin to speak? A first sign at once, certainty a little later."""

from __future__ import annotations

from collections import deque

from carvoice.records import FloatArray


class SpeechGate:
    """Opens when enough of the last frames hold speech, so that a click does not.

    Args:
        on: probability from which a frame counts as speech.
        needed: frames with speech that open it.
        within: out of so many.
    """

    def __init__(self, on: float = 0.3, needed: int = 6, within: int = 12) -> None:
        self._on = on
        self._needed = needed
        self._recent: deque[bool] = deque(maxlen=within)

    def update(self, speech: FloatArray) -> bool:
        """Take the probabilities of the next 10 ms frames; whether speech has begun by now."""
        opened = False
        for probability in speech:
            self._recent.append(bool(probability >= self._on))
            opened = opened or sum(self._recent) >= self._needed
        return opened

    def reset(self) -> None:
        """Forget the frames."""
        self._recent.clear()


class SpeechOnset:
    """The beginning of speech, in silence and over a reply of ours.

    Over a reply it has to be noticed sooner, and what the echo canceller leaves must not pass for speech.
    The figures come from the traces that ``bench/dialogue_bargein.py`` runs on: three of four frames at 0.5
    find soft talkers in a driving car 20 ms sooner than four of five at 0.8, with a quarter of the false
    starts in wind.
    """

    def __init__(self) -> None:
        self._in_silence = SpeechGate()
        self._over_reply = SpeechGate(0.5, 3, 4)
        self._sign = SpeechGate(0.5, 2, 2)
        self._was_sign = False
        self.is_suspected = False

    def update(self, speech: FloatArray, over_reply: bool) -> bool:
        """Take the probabilities of the next 10 ms frames; whether speech has surely begun.

        Args:
            speech: probabilities, shape (n,).
            over_reply: we are playing something meanwhile. Then :attr:`is_suspected` tells whether these
                frames hold a first sign of speech that those before did not.
        """
        quiet = self._in_silence.update(speech)
        over = self._over_reply.update(speech)
        sign = self._sign.update(speech)
        self.is_suspected = over_reply and sign and not self._was_sign
        self._was_sign = sign
        return over if over_reply else quiet

    def reset(self) -> None:
        """Forget the frames."""
        for gate in (self._in_silence, self._over_reply, self._sign):
            gate.reset()
        self._was_sign = self.is_suspected = False
