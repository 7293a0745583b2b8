"""From sound to meaning, without a car: what both the assistant and a mere transcription need."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from carvoice.assistant import rooms
from carvoice.assistant.phonebook import Names, read_names
from carvoice.config import Config
from carvoice.dialogue.events import Input
from carvoice.grammar import replace_list
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander

if TYPE_CHECKING:  # who only reads what was typed waits for no recognizer
    from carvoice.asr.live_lists import LiveLists
    from carvoice.assistant.listener import Listener


class Ears:
    """Grammar, lexicon and understander, and listeners that recognize with them.

    Attributes:
        names: the values of the lists that are not the grammar's own.

    Raises:
        GrammarError: a grammar file is wrong.
        ConfigError: there is no grammar for the language, or a list of names is wrong.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.lexicon = Lexicon.load()
        self.names: dict[str, Names] = {}
        self.automaton = rooms.build_automaton(config.language)
        for name, path in config.language.lists.items():
            self.names[name] = read_names(path)
            self.automaton = replace_list(self.automaton, name, self.names[name].said)
        self.understander = rooms.build_understander(self.automaton, self.lexicon, config.nlu)
        self._parsers: list[Understander] = [self.understander]
        self._live_lists: list[LiveLists] = []
        self._replacing = threading.Lock()

    def replace_list(self, name: str, names: Names, *, wait: bool = False) -> None:
        """Give a text list other values while everything runs; from any thread.

        Word for word they are understood at once. The search by sound and the recognizer learn them in
        threads of their own; until then they hear the old ones.

        Args:
            name: the list.
            names: its new values.
            wait: return when everything knows them.

        Raises:
            GrammarError: there is no text list of this name.
        """
        with self._replacing:
            for parser in self._parsers:
                parser.replace_list(name, names.said, wait=wait)
            self.automaton = replace_list(self.automaton, name, names.said)
            self.names[name] = names
            for lists in self._live_lists:
                lists.replace_list(name, names.said, wait=wait)

    def listener(self, post: Callable[[Input], None]) -> Listener:
        """A microphone's way in: front end, recognizer and endpoint.

        Args:
            post: takes what was heard.

        Raises:
            ModelError: the speech model is missing or damaged.
        """
        from carvoice.asr.wake import WakeSettings, WakeSpotter
        from carvoice.assistant.listener import Listener

        config = self._config
        with self._replacing:
            automaton, known = self.automaton, dict(self.names)
        recognizer = rooms.build_recognizer(automaton, self.lexicon, config)
        phrase = config.asr.wake_phrase
        settings = WakeSettings(config.asr.wake_threshold)
        wake = WakeSpotter(recognizer.acoustic, (phrase,), self.lexicon, settings) if phrase else None
        # An understander of its own: it is asked from the listener's thread.
        parser = rooms.build_prefix_parser(automaton)
        live_lists = rooms.build_live_lists(recognizer, automaton)
        with self._replacing:
            for name, names in self.names.items():
                if known.get(name) is not names:  # replaced while we built
                    parser.replace_list(name, names.said)
                    live_lists.replace_list(name, names.said)
            self._parsers.append(parser)
            self._live_lists.append(live_lists)
        return Listener(
            rooms.build_front_end(config.audio),
            rooms.build_listening(recognizer, automaton, config.asr).create_stream(),
            rooms.build_endpointer(config.asr),
            parser,
            post,
            wake.create_stream() if wake is not None else None,
        )
