"""The reply that is being spoken now, and how it gives way to whoever speaks over it.

At the first sign of speech the reply is ducked, once speech is sure it is held, and what is said decides
whether it is over. A sign that was nothing brings it back.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from carvoice.dialogue.deadlines import Deadlines
from carvoice.dialogue.protocols import Speaker
from carvoice.dialogue.settings import DialogueSettings
from carvoice.trace import Clock

_log = logging.getLogger(__name__)

_LOUDER = 1.5
_LOUDEST, _SOFTEST = 2.0, 0.05
_LONGEST_S = 5.0  # a loudspeaker that has not finished a text by then, plus ...
_PER_CHARACTER_S = 0.2  # ... this for each character, is dead
_SLOWEST, _FASTEST = 12.0, 22.0  # characters per second of any voice
_LONGEST_MEMORY = 8  # times ``forgive_s``
_ECHO_S = 2.0  # after this, words that come back are a person's


class Speech:
    """The utterance in the speaker's hands, its words, whether it is held and how often it was for nothing.

    Its deadlines are "playback" (the loudspeaker is dead), "duck", "resume" and "held" (it was nothing).

    Args:
        speaker: says it; None when there is no loudspeaker.
        deadlines: armed and dropped here.
        settings: patience.
        on_resumed: told the utterance that goes on after it was held for nothing.
        clock: seconds.
    """

    def __init__(
        self,
        speaker: Speaker | None,
        deadlines: Deadlines,
        settings: DialogueSettings,
        on_resumed: Callable[[int], None],
        clock: Clock,
    ) -> None:
        self._speaker = speaker
        self._deadlines = deadlines
        self._settings = settings
        self._on_resumed = on_resumed
        self._clock = clock
        self._began_s: float | None = None
        self._held_s = 0.0
        self.utterance_id = 0
        self.is_held = False
        self._false_holds = 0
        self._in_a_row = 0  # of them, forgiven ones too, since somebody really spoke
        self._forgiven_s = 0.0  # when they are
        self._false_ducks: deque[float] = deque()  # when they were
        self._is_ducked = False
        self._text = ""
        self._is_open = False

    @property
    def is_possible(self) -> bool:
        """Whether there is a loudspeaker."""
        return self._speaker is not None

    # ---- saying it ---------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Speak a whole text."""
        assert self._speaker is not None
        self._text, self._is_open, self._began_s = text, False, None
        self.utterance_id = self._speaker.say(text)
        self._watch()

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
            self._watch()
        return was_open

    def began(self, utterance_id: int) -> bool:
        """The first sample of an utterance plays now; returns whether it is this one's."""
        if utterance_id != self.utterance_id:
            return False
        self._began_s = self._clock()
        return True

    def interrupted(self) -> None:
        """Somebody really spoke: they are to be heard at once the next time too."""
        self._false_holds = self._in_a_row = 0
        self._false_ducks.clear()

    def stop(self) -> None:
        """Fall silent and forget the rest."""
        if self._speaker is not None and (self.utterance_id or self._is_open):
            self._speaker.cancel()
        self.ended()

    def ended(self) -> None:
        """The utterance is over."""
        self._deadlines.drop("playback", "resume", "held", "duck")
        self._unduck()
        self.utterance_id = 0
        self.is_held = self._is_open = False
        self._text, self._began_s = "", None

    def given_up(self) -> None:
        """The loudspeaker had time enough."""
        _log.error("utterance %d never ended; the loudspeaker seems dead", self.utterance_id)
        self.stop()

    def _watch(self) -> None:
        """A loudspeaker that never ends is dead; one that waits for more of an answer is not."""
        if not self._is_open and not self.is_held:
            self._deadlines.arm("playback", _LONGEST_S + _PER_CHARACTER_S * len(self._text))

    # ---- giving way --------------------------------------------------------------------------------

    def duck(self, *, is_sure: bool = False) -> None:
        """Somebody may be speaking: go on softly until that is sure, or was nothing.

        Args:
            is_sure: somebody is, and it is for their words to tell whether it means us.
        """
        settings = self._settings
        if self._speaker is None or self.is_held or self._remembered() >= settings.false_interruptions:
            return
        if self._is_ducked or self._count(self._false_ducks) < settings.false_ducks:
            if not self._is_ducked:
                self._speaker.duck(True)
            self._is_ducked = True
            self._deadlines.arm("duck", settings.false_interruption_s if is_sure else settings.duck_s)

    def unduck(self) -> None:
        """It was nothing: go on as before."""
        self._false_ducks.append(self._clock())
        self._unduck()

    def _unduck(self) -> None:
        if self._is_ducked and self._speaker is not None:
            self._speaker.duck(False)
        self._is_ducked = False

    def hold(self, words: int = 0) -> None:
        """Fall silent for whoever speaks; whether the reply is over is decided by what they say.

        A reply that was held for nothing lately is softened for a voice, and held only for some words. As a
        recognizer hears words in music too, in the end it stops for nothing but a sentence that was
        understood.

        Args:
            words: heard so far.
        """
        settings = self._settings
        false_holds = self._remembered()
        if false_holds and words < settings.words_after_false:
            if not words:
                self.duck(is_sure=True)
        elif self._speaker is not None and not self.is_held and false_holds < settings.false_interruptions:
            self._speaker.pause()
            self.is_held, self._held_s = True, self._clock()
            self._deadlines.drop("playback", "duck")
            self._deadlines.arm("held", settings.longest_hold_s)
        if self.is_held:
            self._deadlines.arm("resume", settings.false_interruption_s)

    def wait_for_words(self) -> None:
        """Whoever spoke has stopped: go on unless words come."""
        if self._is_ducked and not self.is_held:
            self._deadlines.arm("duck", self._settings.duck_s)
        if self.is_held:
            self._deadlines.arm("resume", self._settings.false_interruption_s)

    def go_on(self) -> None:
        """It was nothing: the reply goes on."""
        self._deadlines.drop("resume", "held")
        if self._speaker is None or not self.is_held:
            return
        self.is_held = False
        self._remember()
        if self._began_s is not None:
            self._began_s += self._clock() - self._held_s
        self._speaker.resume()
        self._watch()
        self._on_resumed(self.utterance_id)

    def _remember(self) -> None:
        """A hold was for nothing: the more there were, the longer it is kept in mind."""
        now_s, forgive_s = self._clock(), self._settings.forgive_s
        self._false_holds = self._remembered() + 1
        if now_s > self._forgiven_s + _LONGEST_MEMORY * forgive_s:
            self._in_a_row = 0  # that was another road
        self._in_a_row += 1
        self._forgiven_s = now_s + min(2 ** (self._in_a_row - 1), _LONGEST_MEMORY) * forgive_s

    def _remembered(self) -> int:
        if self._clock() > self._forgiven_s:
            self._false_holds = 0
        return self._false_holds

    def _count(self, times_s: deque[float]) -> int:
        """How many of the times are not forgiven yet."""
        while times_s and self._clock() - times_s[0] > self._settings.forgive_s:
            times_s.popleft()
        return len(times_s)

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
