"""A shoe-box cabin of 2.5 x 1.5 x 1.2 m: the way from a loudspeaker to a microphone, also while it changes.

Image-source method: J. Allen, D. Berkley, "Image method for efficiently simulating small-room acoustics",
JASA 65, 1979.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter

RATE = 16_000
CABIN_M = np.array([2.5, 1.5, 1.2])
LOUDSPEAKER_M = np.array([0.35, 0.12, 0.35])
LOUDSPEAKER_RIGHT_M = np.array([0.35, 1.38, 0.35])
MICROPHONE_M = np.array([0.75, 0.75, 1.15])
DRIVER_M = np.array([1.15, 0.40, 0.95])
PASSENGER_M = np.array([1.15, 1.10, 0.95])
HEAD_RADIUS_M = 0.12
LEAN_M = np.array([-0.30, 0.25, 0.05])  # from the seat towards the mirror, and the microphone
LEAN_PERIOD_S = 5.0
OPEN_WINDOW = 0.4  # what the driver's side, its window down, reflects of what it did
WINDOW_TRAVEL_S, WINDOW_REST_S = 4.0, 2.0
BLOCK = 160


def impulse_response(
    source_m: np.ndarray,
    microphone_m: np.ndarray,
    t60_s: float = 0.07,
    order: int = 16,
    seed: int = 0,
    window: float = 1.0,
) -> np.ndarray:
    """Impulse response of the cabin, float64, long enough for 60 dB of decay.

    Args:
        source_m: where it sounds, microphone_m: where it is heard; metres from the driver's front corner.
        t60_s: reverberation time.
        order: most reflections off each pair of walls.
        seed: of the diffuse tail.
        window: what the driver's side reflects, as a share of what it does with its window closed.
    """
    return _impulse_response(tuple(source_m), tuple(microphone_m), t60_s, order, seed, window)


@functools.lru_cache(maxsize=64)
def _impulse_response(
    source_m: tuple[float, ...],
    microphone_m: tuple[float, ...],
    t60_s: float,
    order: int,
    seed: int,
    window: float,
) -> np.ndarray:
    volume = float(np.prod(CABIN_M))
    x, y, z = CABIN_M
    surface = 2 * (x * y + y * z + x * z)
    # Eyring: t60 = 0.161 V / (-S ln(1 - absorption))
    reflection = np.sqrt(np.exp(-0.161 * volume / (surface * t60_s)))
    n = np.arange(-order, order + 1)
    length = int(1.3 * t60_s * RATE) + 200
    response = np.zeros(length + 64)
    taps = np.arange(-20, 21)
    per_axis = []
    for axis in range(3):
        for mirrored in (0, 1):
            place = 2 * n * CABIN_M[axis] + (1 - 2 * mirrored) * source_m[axis]
            first_wall, second_wall = np.abs(n - mirrored), np.abs(n)
            per_axis.append((place - microphone_m[axis], first_wall + second_wall, first_wall))
    for px in (0, 1):
        for py in (0, 1):
            for pz in (0, 1):
                dx, hx, _ = per_axis[px]
                dy, hy, side = per_axis[2 + py]
                dz, hz, _ = per_axis[4 + pz]
                distance = np.sqrt(
                    dx[:, None, None] ** 2 + dy[None, :, None] ** 2 + dz[None, None, :] ** 2
                ).ravel()
                hits = (hx[:, None, None] + hy[None, :, None] + hz[None, None, :]).ravel()
                delay = distance / 343.0 * RATE
                near = delay < length
                past_window = np.broadcast_to((window**side)[None, :, None], (len(n),) * 3).ravel()[near]
                delay, hits, distance = delay[near], hits[near], distance[near]
                gain = reflection**hits * past_window / (4 * np.pi * distance)
                whole = np.round(delay).astype(int)
                t = taps[None, :] - (delay - whole)[:, None]
                pulse = np.sinc(t) * (0.5 + 0.5 * np.cos(np.pi * np.clip(t / 21, -1, 1)))
                at = whole[:, None] + taps[None, :]
                inside = at >= 0
                np.add.at(response, at[inside], (pulse * gain[:, None])[inside])
    # at 1.5 % of the size of the direct path, each response gets a diffuse tail of its own
    rng = np.random.default_rng(seed)
    t = np.arange(len(response)) / RATE
    tail = rng.standard_normal(len(response)) * 10 ** (-3 * t / t60_s)
    tail[: int(np.argmax(np.abs(response))) + 80] = 0
    response += 0.015 * np.max(np.abs(response)) * tail
    # all images are positive, which piles up at low frequencies: Allen and Berkley's high-pass
    return lfilter(*butter(2, 80 / (RATE / 2), "high"), response)


def leaning_head(source_m: np.ndarray, t60_s: float, seed: int) -> np.ndarray:
    """Responses from the source to the microphone while the driver leans forward: (121, n), upright first.

    The head is a rigid sphere, which scatters a / 2 of what arrives there, at a metre (P. Morse, K. Ingard,
    "Theoretical Acoustics", 1968, section 8.2, the limit of short waves).
    """
    still = impulse_response(source_m, MICROPHONE_M, t60_s, seed=seed)
    steps = np.linspace(0, 1, 121)  # 3 mm
    out = []
    for step in steps:
        head = DRIVER_M + step * LEAN_M
        there = impulse_response(source_m, head, t60_s, 6, seed + 11)
        back = impulse_response(head, MICROPHONE_M, t60_s, 6, seed + 12)
        scattered = fftconvolve(there, back)[: len(still)] * (4 * np.pi * HEAD_RADIUS_M / 2)
        out.append(still + scattered)
    return np.array(out)


def lowered_window(source_m: np.ndarray, t60_s: float, seed: int) -> np.ndarray:
    """Responses to the microphone while the driver's window goes down: (13, n), closed first."""
    return np.array(
        [
            impulse_response(source_m, MICROPHONE_M, t60_s, seed=seed, window=window)
            for window in np.linspace(1.0, OPEN_WINDOW, 13)
        ]
    )


def lean_course(time_s: np.ndarray) -> np.ndarray:
    """How far the driver leans, 0 to 1: forward and back without a rest."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * time_s / LEAN_PERIOD_S)


def window_course(time_s: np.ndarray) -> np.ndarray:
    """How far the window is down, 0 to 1: down, a rest, up, a rest."""
    travel, rest = WINDOW_TRAVEL_S, WINDOW_REST_S
    at = np.mod(time_s, 2 * (travel + rest))
    return np.interp(at, [0, travel, travel + rest, 2 * travel + rest, 2 * (travel + rest)], [0, 1, 1, 0, 0])


def through_changing(sound: np.ndarray, responses: np.ndarray, course: np.ndarray) -> np.ndarray:
    """The sound through a response that changes with every sample.

    Args:
        sound: (n,).
        responses: (places, taps), of places along the way.
        course: where on the way, 0 to 1, at the beginning of each block of 160 samples and at the end.
    """
    blocks = len(sound) // BLOCK
    taps = responses.shape[1]
    size = int(2 ** np.ceil(np.log2(BLOCK + taps)))
    padded = np.concatenate([np.zeros(taps), sound])
    spectra = np.fft.rfft(responses, size)
    fade = np.arange(BLOCK) / BLOCK
    out = np.zeros(len(sound))
    at = np.clip(course, 0, 1) * (len(responses) - 1)
    whole = np.minimum(at.astype(int), len(responses) - 2)
    part = (at - whole)[:, None]
    for block in range(blocks):
        piece = padded[block * BLOCK : block * BLOCK + taps + BLOCK]
        ends = slice(block, block + 2)
        filters = spectra[whole[ends]] * (1 - part[ends]) + spectra[whole[ends] + 1] * part[ends]
        first, last = np.fft.irfft(filters * np.fft.rfft(piece, size), size)[:, taps : taps + BLOCK]
        out[block * BLOCK : (block + 1) * BLOCK] = first + fade * (last - first)
    return out
