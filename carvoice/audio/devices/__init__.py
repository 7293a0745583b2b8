"""Where sound comes from and goes to: files, nothing, or a sound card, behind the same two protocols."""

from carvoice.audio.devices.files import WavSink, WavSource, read_wav, write_wav
from carvoice.audio.devices.host import list_devices
from carvoice.audio.devices.microphone import LoopbackTap, MicrophoneSource
from carvoice.audio.devices.null import NullSink, NullSource
from carvoice.audio.devices.protocols import FarTap, Sink, Source
from carvoice.audio.devices.speaker import SpeakerSink

__all__ = [
    "FarTap",
    "LoopbackTap",
    "MicrophoneSource",
    "NullSink",
    "NullSource",
    "Sink",
    "Source",
    "SpeakerSink",
    "WavSink",
    "WavSource",
    "list_devices",
    "read_wav",
    "write_wav",
]
