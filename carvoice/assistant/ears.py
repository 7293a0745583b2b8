"""From sound to meaning, without a car: what both the assistant and a mere transcription need."""

from __future__ import annotations

from collections.abc import Callable

from carvoice.asr.wake import WakeSettings, WakeSpotter
from carvoice.assistant import rooms
from carvoice.assistant.listener import Listener
from carvoice.config import Config
from carvoice.dialogue.events import Input
from carvoice.grammar.lexicon import Lexicon


class Ears:
    """Grammar, lexicon and understander, and listeners that recognize with them.

    Raises:
        GrammarError: a grammar file is wrong.
        ConfigError: there is no grammar for the language.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.lexicon = Lexicon.load()
        self.automaton = rooms.build_automaton(config.language)
        self.understander = rooms.build_understander(self.automaton, self.lexicon, config.nlu)

    def listener(self, post: Callable[[Input], None]) -> Listener:
        """A microphone's way in: front end, recognizer and endpoint.

        Args:
            post: takes what was heard.

        Raises:
            ModelError: the speech model is missing or damaged.
        """
        config = self._config
        recognizer = rooms.build_recognizer(self.automaton, self.lexicon, config.asr)
        phrase = config.asr.wake_phrase
        settings = WakeSettings(config.asr.wake_threshold)
        wake = WakeSpotter(recognizer.acoustic, (phrase,), self.lexicon, settings) if phrase else None
        # An understander of its own: it is asked from the listener's thread.
        parser = rooms.build_prefix_parser(self.automaton)
        return Listener(
            rooms.build_front_end(config.audio),
            rooms.build_listening(recognizer, self.automaton, config.asr).create_stream(),
            rooms.build_endpointer(config.asr),
            parser,
            post,
            wake.create_stream() if wake is not None else None,
        )
