"""How loud to speak: louder with speed and with noise, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass


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
