"""How loud to speak: by speed and noise, up to a limit; softly while somebody may be speaking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from carvoice.errors import VoiceError
from carvoice.records import FloatArray

FADE_SAMPLES = 80  # 5 ms: short enough to be a stop and long enough not to click
_DUCKED = 0.1  # -20 dB: the reply gives way, and goes on unless somebody really speaks


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """Speech level against driving.

    Attributes:
        base_db: gain at standstill in a quiet car.
        per_100_kmh_db: gain added at 100 km/h, in proportion below and above.
        noise_floor_db: cabin noise (dBFS at the microphone) from which speech is raised.
        per_noise_db: dB of speech added for each dB of noise above the floor.
        highest_db: never more than this; 0 is full scale.
    """

    base_db: float = -8.0
    per_100_kmh_db: float = 6.0
    noise_floor_db: float = -55.0
    per_noise_db: float = 0.4
    highest_db: float = 0.0


def speaking_gain(
    speed_kmh: float = 0.0, noise_db: float | None = None, settings: VolumeSettings | None = None
) -> float:
    """Linear gain for :attr:`Player.surroundings`.

    The larger of the two needs counts, as road noise is in both.

    Args:
        speed_kmh: 0 when unknown.
        noise_db: cabin noise in dBFS, None when unknown.
        settings: defaults to :class:`VolumeSettings`.
    """
    settings = settings or VolumeSettings()
    raise_db = max(0.0, speed_kmh) / 100.0 * settings.per_100_kmh_db
    if noise_db is not None:
        raise_db = max(raise_db, (noise_db - settings.noise_floor_db) * settings.per_noise_db)
    return float(10.0 ** (min(settings.base_db + raise_db, settings.highest_db) / 20.0))


def checked_gain(gain: float) -> float:
    """The gain, if it is one.

    Raises:
        VoiceError: it is negative or absurdly large.
    """
    if not 0.0 <= gain <= 4.0:
        raise VoiceError(f"gain {gain}: use one between 0 and 4")
    return gain


class Loudness:
    """The gain that is in force, ramped over 5 ms when it changes.

    Attributes:
        volume: the driver's wish, linear.
        surroundings: what speed and noise ask for, linear.
        is_ducked: 20 dB softer.
    """

    def __init__(self) -> None:
        self.volume = self.surroundings = self._now = 1.0
        self.is_ducked = False

    def apply(self, sound: FloatArray) -> None:
        """Amplify the next samples in place, clipped to full scale."""
        wanted = self.volume * self.surroundings * (_DUCKED if self.is_ducked else 1.0)
        if self._now != wanted:
            ramp = np.full(len(sound), wanted, np.float32)
            ramp[:FADE_SAMPLES] = np.linspace(self._now, wanted, FADE_SAMPLES, dtype=np.float32)[: len(sound)]
            sound *= ramp
            self._now = float(ramp[-1])
        elif self._now != 1.0:
            sound *= np.float32(self._now)
        np.clip(sound, -1.0, 1.0, out=sound)
