"""Cython over the C audio core, and the devices that feed it."""

from carvoice.audio._frontend import FrontEnd, FrontEndOutput
from carvoice.audio._ring import RingBuffer
from carvoice.audio.settings import ZONES, FrontEndSettings
from carvoice.audio.stages import (
    Beamformer,
    EchoCanceller,
    GainControl,
    NoiseSuppressor,
    VoiceActivityDetector,
)

__all__ = [
    "ZONES",
    "Beamformer",
    "EchoCanceller",
    "FrontEnd",
    "FrontEndOutput",
    "FrontEndSettings",
    "GainControl",
    "NoiseSuppressor",
    "RingBuffer",
    "VoiceActivityDetector",
]
