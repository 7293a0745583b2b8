"""Cython over the C audio core, and the devices that feed it."""

from carvoice.audio._frontend import FrontEnd, FrontEndOutput
from carvoice.audio._ring import RingBuffer
from carvoice.audio.settings import ZONES, FrontEndSettings

__all__ = ["ZONES", "FrontEnd", "FrontEndOutput", "FrontEndSettings", "RingBuffer"]
