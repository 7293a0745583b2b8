"""Speech synthesis and cancellable playback.

    voice = CachedVoice(EspeakVoice("en-us"))
    player = Player(voice, sink)          # plays by itself
    player.say("The window is open.")

Playback is paced by the sink's thread, or by whoever calls :meth:`Player.pull` when there is no sink.
"""

from carvoice.tts.espeak import EspeakVoice
from carvoice.tts.farend import FarEndTap
from carvoice.tts.normalize import Speller, speller
from carvoice.tts.player import Player, Sink
from carvoice.tts.sentences import SentenceChunker, speech_pieces
from carvoice.tts.sherpa import SherpaVoice
from carvoice.tts.utterance import PlaybackEvent, PlaybackState
from carvoice.tts.voice import CachedVoice, Voice
from carvoice.tts.volume import VolumeSettings, speaking_gain

__all__ = [
    "CachedVoice",
    "EspeakVoice",
    "FarEndTap",
    "PlaybackEvent",
    "PlaybackState",
    "Player",
    "SentenceChunker",
    "SherpaVoice",
    "Sink",
    "Speller",
    "Voice",
    "VolumeSettings",
    "speaking_gain",
    "speech_pieces",
    "speller",
]
