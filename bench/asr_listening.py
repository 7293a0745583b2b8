"""The assistant's ears for measurements, with the settings that ship; nothing it hears is acted upon."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from carvoice.asr.grammar_recognizer import GrammarStream
from carvoice.assistant import rooms
from carvoice.assistant.ears import Ears
from carvoice.assistant.listener import Listener, PrefixParser
from carvoice.config import Config
from carvoice.dialogue.events import Heard, Input
from carvoice.grammar.usage import WordUsage, files_of_tests, sentences_of_tests
from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray, Hypothesis, PrefixState, Value

BLOCK_SAMPLES = SAMPLE_RATE_HZ // 50
FREQUENT = 120
ANSWERS = {"SystemYes", "SystemNo"}
"""What answers a question of the assistant, and does nothing when none was asked."""


class FinalsStream(GrammarStream):
    """Gives finals only: nothing measured here rests on partials, and they cost as much again."""

    def _take(self, samples: FloatArray) -> bool:
        self._posteriors.accept(samples)
        return False

    def _so_far(self) -> Hypothesis:
        return Hypothesis("")


def listen(
    config: Config,
    stream: GrammarStream,
    parser: PrefixParser,
    near: FloatArray,
    far: FloatArray | None = None,
) -> list[Input]:
    """What the dialogue is told of a whole recording, heard as the car hears it, in blocks of 20 ms."""
    events: list[Input] = []
    listener = Listener(
        rooms.build_front_end(config.audio),
        stream,
        rooms.build_endpointer(config.asr),
        parser,
        events.append,
    )
    quiet = np.zeros_like(near)
    for start in range(0, len(near) - BLOCK_SAMPLES + 1, BLOCK_SAMPLES):
        cut = slice(start, start + BLOCK_SAMPLES)
        listener.hear(AudioBlock(near[cut], start / SAMPLE_RATE_HZ, (quiet if far is None else far)[cut]))
    return events


@dataclass(frozen=True)
class Taken:
    """A command that was taken from the sound; `sure` ones are acted upon at once, others asked back."""

    intent: str
    slots: tuple[tuple[str, str], ...]
    confidence: float
    sure: bool
    text: str
    start_s: float
    end_s: float

    @property
    def meaning(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.intent, self.slots


def usage_but_for(grammar: Path, measured: Collection[str]) -> WordUsage:
    """How the tests beside a grammar are worded, but for those that are measured word for word.

    Drivers do not keep to the tests, so no order shall be preferred for being one of them.
    """
    tests = sentences_of_tests(files_of_tests([grammar]))
    return WordUsage.of(text for text in tests if text.lower() not in measured)


class CarEars:
    """Built once in a process; hears one recording after another.

    Args:
        model: folder of the speech model, None for the embedded one.
        grammar: grammar instead of the shipped one.

    Attributes:
        frequent: the words that say least about what a sentence is about.
    """

    def __init__(self, model: Path | None = None, grammar: Path | None = None) -> None:
        config = Config()
        if model is not None:
            config = config.model_copy(update={"asr": config.asr.model_copy(update={"model": str(model)})})
        if grammar is not None:
            language = config.language.model_copy(update={"shipped": False, "grammars": (grammar,)})
            config = config.model_copy(update={"language": language})
        ears = Ears(config)
        self.config, self.understander, self.lexicon = config, ears.understander, ears.lexicon
        self.frequent = frozenset(ears.lexicon.frequent_words(FREQUENT))
        self.recognizer = rooms.build_recognizer(ears.automaton, ears.lexicon, config)
        self._prefix_parser = rooms.build_prefix_parser(ears.automaton)

    def meaning(self, text: str) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
        """The commands of a transcript, parsed word for word; [] when it holds none."""
        found = self._prefix_parser.parse(text)
        return [(item.intent, _slots(item.values)) for item in found if item.rejected is None]

    def may_begin(self, text: str) -> bool:
        """Whether a command may begin with these words."""
        return self._prefix_parser.prefix(text) is not PrefixState.DEAD

    def known_words(self, words: Sequence[str]) -> int:
        """How many of the words some command holds."""
        return sum(word in self.understander.exact.automaton.vocabulary for word in words)

    def recognize(self, sound: FloatArray) -> str:
        """What the recognizer makes of a recording of one utterance, whatever its confidence."""
        stream = FinalsStream(self.recognizer)
        stream.accept(sound)
        return stream.finish().text

    def hear(self, near: FloatArray, far: FloatArray | None = None, cancel_echo: bool = True) -> list[Taken]:
        """Listen to a whole recording as the car does, in blocks of 20 ms."""
        audio = self.config.audio.model_copy(update={"echo_cancellation": cancel_echo})
        config = self.config.model_copy(update={"audio": audio})
        events = listen(config, FinalsStream(self.recognizer), self._prefix_parser, near, far)
        taken = []
        for event in events:
            if isinstance(event, Heard) and event.hypothesis.is_final:
                taken += self._commands(event)
        return taken

    def _commands(self, event: Heard) -> list[Taken]:
        hypothesis = event.hypothesis
        return [
            Taken(
                item.intent,
                _slots(item.values),
                item.confidence,
                item.confidence >= self.config.nlu.sure_confidence,
                hypothesis.text,
                hypothesis.words[0].start_s if hypothesis.words else 0.0,
                hypothesis.speech_end_s or 0.0,
            )
            for item in self.understander.parse(hypothesis)
            if item.rejected is None
        ]


def _slots(values: Mapping[str, Value]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in values.items()))
