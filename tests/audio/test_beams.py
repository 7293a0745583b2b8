"""Two and four microphones: which seat talks, and the beam towards it."""

import numpy as np
import pytest

from carvoice.audio import ZONES, FrontEnd, FrontEndSettings
from carvoice.audio.beams import design_beams
from carvoice.audio.devices import read_wav
from carvoice.audio.settings import SEATS_M
from carvoice.errors import ConfigError
from carvoice.records import Zone
from carvoice.resources import data_path

RATE = 16_000
CONSOLE_M = ((0.75, 0.70, 1.15), (0.75, 0.80, 1.15))
SQUARE_M = ((0.70, 0.70, 1.15), (0.70, 0.80, 1.15), (0.80, 0.70, 1.15), (0.80, 0.80, 1.15))


def arrive(signal, source_m, microphones_m):
    """The signal at each microphone, through air only: exact fractional delays in the frequency domain."""
    spectrum, hz = np.fft.rfft(signal), np.fft.rfftfreq(len(signal), 1 / RATE)
    out = []
    for place in microphones_m:
        distance = np.linalg.norm(np.subtract(source_m, place))
        out.append(np.fft.irfft(spectrum * np.exp(-2j * np.pi * hz * distance / 343) / distance, len(signal)))
    return np.array(out)


def talk(seconds, seed):
    """A demo clip from somewhere on, over and over."""
    clip = read_wav(data_path("demo", "seat_heating.wav")).astype(np.float64)
    clip = clip / np.sqrt(np.mean(clip**2))
    return 0.06 * np.resize(np.roll(clip, 3000 * seed), int(seconds * RATE))


def front_end(microphones_m, zones_m=SEATS_M):
    return FrontEnd(
        FrontEndSettings(
            microphones=len(microphones_m),
            microphone_positions_m=microphones_m,
            zone_positions_m=zones_m,
            cancel_echo=False,
            highpass_hz=0,
        )
    )


def noisy(signal, seed):
    return (signal + 1e-3 * np.random.default_rng(seed).standard_normal(signal.shape)).astype(np.float32)


@pytest.mark.parametrize("seat", range(4))
def test_the_seat_that_talks_is_found(seat):
    near = noisy(arrive(talk(4, seat), SEATS_M[seat], SQUARE_M), 9)
    out = front_end(SQUARE_M).process(near)
    assert ZONES[out.zone[-1]] is (Zone.DRIVER, Zone.PASSENGER, Zone.REAR_LEFT, Zone.REAR_RIGHT)[seat]


def test_two_microphones_tell_driver_from_passenger_and_follow():
    driver = arrive(talk(3, 1), SEATS_M[0], CONSOLE_M)
    passenger = arrive(talk(3, 2), SEATS_M[1], CONSOLE_M)
    out = front_end(CONSOLE_M, SEATS_M[:2]).process(noisy(np.concatenate([driver, passenger], axis=1), 3))
    assert out.zone[290] == 0
    assert out.zone[-1] == 1


def test_the_beam_keeps_the_talker_and_lowers_the_noise():
    signal = talk(4, 5)
    clean = arrive(signal, SEATS_M[0], SQUARE_M)
    rng = np.random.default_rng(1)
    places = rng.standard_normal((48, 3))
    places = np.array(SQUARE_M[0]) + 5 * places / np.linalg.norm(places, axis=1, keepdims=True)
    noise = sum(arrive(0.01 * rng.standard_normal(len(signal)), place, SQUARE_M) for place in places)
    chain = front_end(SQUARE_M)
    out = chain.process((clean + noise).astype(np.float32)).asr[chain.latency_samples :]
    part = slice(2 * RATE, len(out))
    error = out[part] - clean[0, : len(out)][part]
    assert np.mean(noise[0] ** 2) / np.mean(error**2) > 2  # 3 dB in diffuse noise


def test_talker_is_undistorted_by_design():
    beams = design_beams(SQUARE_M, SEATS_M)
    for seat, place in enumerate(SEATS_M):
        distance = np.linalg.norm(np.subtract(place, SQUARE_M), axis=1)
        gain = np.sum(
            beams.weights[seat].conj() * beams.steering[seat] * (distance[0] / distance)[:, None], axis=0
        )
        np.testing.assert_allclose(gain, 1, atol=1e-4)


def test_one_microphone_knows_no_zone():
    assert (FrontEnd().process(np.zeros(1600, np.float32)).zone == -1).all()


def test_wrong_positions_are_refused():
    with pytest.raises(ConfigError, match="give one"):
        FrontEndSettings(microphones=2)
    with pytest.raises(ConfigError, match="two microphones are at one place"):
        FrontEnd(FrontEndSettings(microphones=2, microphone_positions_m=((0.0, 0.0, 0.0),) * 2))
    with pytest.raises(ConfigError, match="a talker is at a microphone"):
        design_beams(CONSOLE_M, CONSOLE_M)
