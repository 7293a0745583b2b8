"""The reply that is being spoken now."""

from __future__ import annotations

from carvoice.dialogue.protocols import Speaker
from carvoice.trace import Clock

_LOUDER = 1.5
_LOUDEST, _SOFTEST = 2.0, 0.05
_LONGEST_S = 5.0  # a loudspeaker that has not finished a text by then, plus ...
_PER_CHARACTER_S = 0.2  # ... this for each character, is dead
_SLOWEST, _FASTEST = 12.0, 22.0  # characters per second of any voice
_ECHO_S = 2.0  # after this, words that come back are a person's


class Speech:
    """The utterance in the speaker's hands, its words, whether it is held and how often it was for nothing.

    Args:
        speaker: says it; None when there is no loudspeaker.
        clock: seconds.
    """

    def __init__(self, speaker: Speaker | None, clock: Clock) -> None:
        self._speaker = speaker
        self._clock = clock
        self._began_s: float | None = None
        self._held_s = 0.0
        self.utterance_id = 0
        self.is_held = False
        self.false_holds = 0
        self._text = ""
        self._is_open = False

    @property
    def is_possible(self) -> bool:
        """Whether there is a loudspeaker."""
        return self._speaker is not None

    @property
    def longest_s(self) -> float:
        """When the loudspeaker must be done with the text."""
        return _LONGEST_S + _PER_CHARACTER_S * len(self._text)

    def began(self) -> None:
        """Its first sample plays now."""
        self._began_s = self._clock()

    def say(self, text: str) -> None:
        """Speak a whole text."""
        assert self._speaker is not None
        self._text, self._is_open, self._began_s = text, False, None
        self.utterance_id = self._speaker.say(text)

    def add(self, text: str) -> None:
        """Speak a part of a text of which more may come."""
        assert self._speaker is not None
        if not self._is_open:
            self.utterance_id = self._speaker.open()
            self._text, self._is_open, self._began_s = "", True, None
        self._text += f" {text}"
        self._speaker.append(self.utterance_id, f"{text}\n")

    def complete(self) -> bool:
        """No more parts will come; returns whether there were any."""
        was_open, self._is_open = self._is_open, False
        if was_open and self._speaker is not None:
            self._speaker.finish(self.utterance_id)
        return was_open

    def hold(self) -> bool:
        """Fall silent, keeping the place; returns False if that is so already."""
        if self._speaker is None or self.is_held:
            return False
        self._speaker.pause()
        self.is_held, self._held_s = True, self._clock()
        return True

    def go_on(self) -> bool:
        """Speak on; returns False if it was not held."""
        if self._speaker is None or not self.is_held:
            return False
        self.is_held = False
        self.false_holds += 1
        if self._began_s is not None:
            self._began_s += self._clock() - self._held_s
        self._speaker.resume()
        return True

    def stop(self) -> None:
        """Fall silent and forget the rest."""
        if self._speaker is not None and (self.utterance_id or self._is_open):
            self._speaker.cancel()
        self.ended()

    def ended(self) -> None:
        """The utterance is over."""
        self.utterance_id = 0
        self.is_held = self._is_open = False
        self.false_holds = 0
        self._text, self._began_s = "", None

    def is_echo(self, text: str) -> bool:
        """Whether ``text`` is a stretch of what was spoken a moment ago: our own voice in the microphone.

        A second line behind the echo canceller. How far the voice has got is estimated from the time.
        """
        if self._began_s is None:
            return False
        played_s = (self._held_s if self.is_held else self._clock()) - self._began_s
        first = max(0, min(int((played_s - _ECHO_S) * _SLOWEST), len(self._text) - int(_ECHO_S * _FASTEST)))
        first = self._text.rfind(" ", 0, max(0, first - len(text))) + 1
        last = self._text.find(" ", int(played_s * _FASTEST))
        heard = self._text[first : last if last >= 0 else None]
        return f" {_bare(text)} " in f" {_bare(heard)} "

    def change_volume(self, steps: int) -> None:
        """Speak louder, or softer for negative ``steps``."""
        if self._speaker is not None and steps:
            self._speaker.volume = min(_LOUDEST, max(_SOFTEST, self._speaker.volume * _LOUDER**steps))


def _bare(text: str) -> str:
    """Words only, in lower case, separated by single spaces."""
    kept = (character if character.isalnum() or character == "'" else " " for character in text.lower())
    return " ".join("".join(kept).split())
