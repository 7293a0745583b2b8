"""Who has the floor: what sounds do to the conversation, and which words are let in to be understood."""

from __future__ import annotations

from collections.abc import Callable

from carvoice.dialogue.attention import Attention
from carvoice.dialogue.events import Event, Heard, Partial, State
from carvoice.dialogue.settings import DialogueSettings
from carvoice.dialogue.speech import Speech


class Floor:
    """Opens the window for who speaks, and makes our own reply give way to them.

    Args:
        attention: the state, and whom we listen to.
        speech: the reply in the loudspeaker.
        settings: patience, and words that mean nothing.
        on_event: told the words as they grow.
    """

    def __init__(
        self,
        attention: Attention,
        speech: Speech,
        settings: DialogueSettings,
        on_event: Callable[[Event], None],
    ) -> None:
        self._attention = attention
        self._speech = speech
        self._settings = settings
        self._on_event = on_event

    def speech_suspected(self) -> None:
        """A first sign of a voice, perhaps nothing."""
        if self._attention.state is State.SPEAKING:
            self._speech.duck()

    def speech_began(self) -> None:
        """Somebody surely speaks."""
        attention = self._attention
        if attention.state is State.IDLE and self._settings.open_microphone:
            attention.listen(self._settings.listen_s, addressed=False)
        if attention.state is State.LISTENING:
            attention.speech_began()
        elif attention.state is State.SPEAKING:
            self._speech.hold()

    def speech_ended(self) -> None:
        """Nobody speaks any more, and no words have come of it."""
        if self._attention.state is State.LISTENING:
            self._attention.speech_ended(self._settings.listen_s)
        else:
            self._speech.wait_for_words()

    def takes(self, heard: Heard) -> bool:
        """Whether these words are whole, and to be understood."""
        attention = self._attention
        is_closed = attention.state is State.IDLE and not self._settings.open_microphone
        if is_closed or attention.is_other_talker(heard.zone):
            return False
        text, is_final = heard.hypothesis.text or heard.hypothesis.open_text, heard.hypothesis.is_final
        if not is_final:
            self._on_event(Partial(heard.hypothesis))
        if attention.state is State.SPEAKING and not self._is_interruption(text):
            if is_final:
                self._speech.go_on()
        elif not text:
            if is_final:
                self.speech_ended()
        elif is_final:
            return True
        elif attention.state is State.SPEAKING:
            self._speech.hold(len(text.split()))
        elif attention.state is State.IDLE:
            attention.listen(self._settings.listen_s, addressed=False)
            attention.speech_began()
        return False

    def _is_interruption(self, text: str) -> bool:
        """Words that are neither a listener's noise nor our own reply leaking into the microphone."""
        words = text.lower().strip()
        return bool(words) and words not in self._settings.back_channels and not self._speech.is_echo(words)
