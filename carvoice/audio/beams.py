"""Beams towards the seats, from where the microphones are.

Superdirective beams: the least diffuse noise with the talker undistorted, for a bounded gain of the
microphones' own noise (J. Bitzer, K. U. Simmer, "Superdirective microphone arrays", in "Microphone
Arrays", Springer 2001, eq. 2.26).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carvoice.errors import ConfigError
from carvoice.records import SAMPLE_RATE_HZ

BINS = 161
SPEED_OF_SOUND_M_S = 343.0
LOADING = 0.03  # of the microphones' own noise, against too sharp beams

Position = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Beams:
    """Steering phases and weights, complex64, (zones, microphones, 161 bins of 50 Hz)."""

    steering: NDArray[np.complex64]
    weights: NDArray[np.complex64]


def design_beams(microphones_m: tuple[Position, ...], zones_m: tuple[Position, ...]) -> Beams:
    """Compute a beam from the microphones to each zone.

    Args:
        microphones_m: positions, metres, in any one frame of reference.
        zones_m: positions of the talkers' mouths in the same frame.

    Raises:
        ConfigError: two microphones, or a microphone and a talker, are at one place.
    """
    microphones = np.asarray(microphones_m, np.float64)
    zones = np.asarray(zones_m, np.float64)
    apart = np.linalg.norm(microphones[:, None] - microphones[None], axis=2)
    distance = np.linalg.norm(zones[:, None] - microphones[None], axis=2)
    if (apart + np.eye(len(microphones)) < 1e-3).any():
        raise ConfigError(f"microphone_positions_m = {microphones_m}: two microphones are at one place")
    if (distance < 1e-2).any():
        raise ConfigError(f"zone_positions_m = {zones_m}: a talker is at a microphone's place")
    hz = np.arange(BINS) * SAMPLE_RATE_HZ / 320
    # phase and size of each talker at each microphone, relative to the first one
    lag_s = (distance - distance[:, :1]) / SPEED_OF_SOUND_M_S
    phase = np.exp(-2j * np.pi * hz[None, None] * lag_s[:, :, None])
    arrival = phase * (distance[:, :1] / distance)[:, :, None]
    diffuse = np.sinc(2 * hz[:, None, None] * apart[None] / SPEED_OF_SOUND_M_S)
    diffuse = diffuse + LOADING * np.eye(len(microphones))
    weights = np.empty_like(arrival)
    for zone in range(len(zones)):
        d = arrival[zone].T[:, :, None]  # (bins, microphones, 1)
        towards = np.linalg.solve(diffuse.astype(np.complex128), d)
        gain = np.sum(d.conj() * towards, axis=1, keepdims=True)
        weights[zone] = (towards / gain)[:, :, 0].T
    return Beams(phase.astype(np.complex64), weights.astype(np.complex64))
