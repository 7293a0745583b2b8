"""Builds each room from its section of the settings."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from carvoice.asr.endpoint import Endpointer, EndpointSettings
from carvoice.asr.models import Model, embedded_model, load_model
from carvoice.audio import FrontEnd, FrontEndSettings
from carvoice.audio.devices import FarTap, LoopbackTap, MicrophoneSource, NullSink, SpeakerSink
from carvoice.audio.settings import SEATS_M
from carvoice.config import AsrConfig, AudioConfig, Config, LanguageConfig, NluConfig, TtsConfig
from carvoice.errors import ConfigError
from carvoice.grammar import Automaton
from carvoice.grammar.kept import compile_files, kept_usage
from carvoice.grammar.lexicon import Lexicon
from carvoice.grammar.store import cache_folder
from carvoice.modelstore import ModelStore
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.resources import data_path
from carvoice.tts import EspeakVoice, SherpaVoice, Voice, speller

if TYPE_CHECKING:  # recognizers load what takes a third of a second: only who listens shall wait for it
    from carvoice.asr.grammar_recognizer import GrammarRecognizer
    from carvoice.asr.live_lists import LiveLists
    from carvoice.asr.recognizer import Recognizer

_STILL_SPEECH = 0.2  # noise alone stays near 0; the weak end of a word in noise does not reach a half


def grammar_folder(config: LanguageConfig) -> Path:
    """Folder of the language's shipped grammar.

    Raises:
        ConfigError: there is none for this language.
    """
    folder = data_path("grammars", config.code)
    if not folder.is_dir():
        known = ", ".join(sorted(p.name for p in data_path("grammars").iterdir() if p.is_dir()))
        raise ConfigError(f"language.code = '{config.code}': no such grammar; there are: {known}")
    return folder


def grammar_paths(config: LanguageConfig) -> list[Path]:
    """The grammar files and folders wanted."""
    return [*((grammar_folder(config),) if config.shipped else ()), *config.grammars]


def build_automaton(config: LanguageConfig) -> Automaton:
    """Compile the grammar, or take it from the cache.

    Raises:
        GrammarError: a file is missing or wrong; it names file, line and column.
    """
    return compile_files(grammar_paths(config), config.code, _kept_grammars())


def _kept_grammars() -> Path:
    return cache_folder() / "grammars"


def build_understander(automaton: Automaton, lexicon: Lexicon, config: NluConfig) -> Understander:
    """The parser of what was heard."""
    settings = UnderstanderSettings(reject_below=config.min_confidence, keep_in=_kept_grammars())
    return Understander(automaton, lexicon, settings)


def build_prefix_parser(automaton: Automaton) -> Understander:
    """A parser for partial transcripts: exact, without the search by sound."""
    return Understander(automaton, None, UnderstanderSettings(near_misses=False))


def build_recognizer(automaton: Automaton, lexicon: Lexicon, config: Config) -> GrammarRecognizer:
    """The embedded recognizer over the grammar, which it prefers worded as in the tests beside it.

    Raises:
        ModelError: the model is missing or damaged.
        GrammarError: a test file is no YAML.
    """
    from carvoice.asr.grammar_recognizer import GrammarRecognizer
    from carvoice.asr.sentences import sentences

    return GrammarRecognizer(
        sentences(automaton, _kept_grammars()),
        find_asr_model(config.asr),
        lexicon,
        threads=config.asr.threads,
        skip_phrases=automaton.skip_texts(),
        meaning=meaning_of(automaton),
        usage=kept_usage(grammar_paths(config.language), _kept_grammars()),
    )


def meaning_of(automaton: Automaton) -> Callable[[str], Hashable]:
    """What texts mean, told from every stream's thread; one without a meaning stands for itself."""
    parser = build_prefix_parser(automaton)
    lock = Lock()

    def meaning(text: str) -> Hashable:
        with lock:
            found = parser.parse(text)
        known = [(item.intent, sorted(item.values.items(), key=str)) for item in found if item.intent]
        return repr(known) if known else text

    return meaning


def build_live_lists(recognizer: GrammarRecognizer, automaton: Automaton) -> LiveLists:
    """What gives the recognizer other contacts and stations while it listens."""
    from carvoice.asr.live_lists import LiveLists

    return LiveLists(recognizer, automaton, meaning_of)


def build_listening(grammar: GrammarRecognizer, automaton: Automaton, config: AsrConfig) -> Recognizer:
    """The grammar's recognizer, with the free-text one beside it where one is configured.

    Raises:
        ModelError: the free-text model is missing or damaged.
    """
    if not config.open_model:
        return grammar
    from carvoice.asr.open_models import load_open_model
    from carvoice.asr.open_recognizer import OpenRecognizer
    from carvoice.asr.side_by_side import SideBySide

    installed = ModelStore().find(config.open_model)
    model = load_open_model(installed.folder if installed else Path(config.open_model))
    return SideBySide(grammar, OpenRecognizer(model, sorted(automaton.list_texts()), threads=config.threads))


def find_asr_model(config: AsrConfig) -> Model:
    """The speech model: a shipped one by name, or a folder.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    folder = Path(config.model)
    return load_model(folder) if folder.is_dir() else embedded_model(config.model)


def build_endpointer(config: AsrConfig) -> Endpointer:
    """The end-of-command decision."""
    final_ms, incomplete_ms = config.endpoint_complete_ms, config.endpoint_incomplete_ms
    between_ms = (2 * final_ms + incomplete_ms) // 3
    return Endpointer(
        EndpointSettings(
            final_ms=final_ms,
            extendable_ms=between_ms,
            incomplete_ms=incomplete_ms,
            threshold=_STILL_SPEECH,
        )
    )


def microphone_count(config: AudioConfig) -> int:
    """How many microphones are read."""
    return max(1, len(config.microphone_positions_m))


def open_loudspeaker(config: AudioConfig) -> SpeakerSink | NullSink:
    """The loudspeaker; one that is not heard when none is wanted.

    Raises:
        AudioError: there is no such device, or PyAudio is missing.
    """
    return NullSink() if config.output == "none" else SpeakerSink(_device(config.output))


def open_microphone(config: AudioConfig, far: FarTap | None = None) -> MicrophoneSource:
    """The microphone or microphones, with what is played beside them.

    Args:
        config: which they are.
        far: what our loudspeaker plays; a loopback device, which hears everything, goes before it.

    Raises:
        AudioError: there is no such device, or PyAudio is missing.
    """
    far = LoopbackTap(config.loopback) if config.loopback else far
    return MicrophoneSource(
        _device(config.input), channels=microphone_count(config), far=far, block_ms=config.block_ms
    )


def _device(name: str) -> str | None:
    return None if name == "default" else name


def front_end_settings(config: AudioConfig) -> FrontEndSettings:
    """Of the audio chain for one microphone, or for an array whose places the settings tell."""
    return FrontEndSettings(
        microphones=microphone_count(config),
        microphone_positions_m=config.microphone_positions_m,
        zone_positions_m=config.zone_positions_m or SEATS_M,
        cancel_echo=config.echo_cancellation,
        suppress_echo=config.echo_cancellation,
        suppress_noise=config.noise_suppression,
    )


def build_front_end(config: AudioConfig) -> FrontEnd:
    """The audio chain.

    Raises:
        ConfigError: two microphones, or a microphone and a mouth, are at one place.
    """
    return FrontEnd(front_end_settings(config))


def build_voice(config: TtsConfig, language: str = "en") -> Voice | None:
    """The voice of the replies; None when it is switched off.

    Args:
        config: which voice.
        language: of the replies, ISO 639-1.

    Raises:
        VoiceError: espeak-ng does not speak the language.
        ModelError: the voice's folder is missing or not a sherpa-onnx voice.
    """
    if config.voice == "none":
        return None
    spell = speller(language if data_path("speech", f"{language}.yaml").is_file() else "en")
    espeak_voice = "en-us" if language == "en" else language
    if config.voice == "espeak":
        return EspeakVoice(espeak_voice, rate_wpm=config.rate_wpm, spell=spell)
    return SherpaVoice(Path(config.voice), config.speaker, spell=spell)
