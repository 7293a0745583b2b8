"""Microphone places in the settings: the beam hears the talker, and their seat reaches the turn."""

import numpy as np
import pytest

from carvoice.audio.cabin import VirtualCabin
from carvoice.audio.devices import read_wav, write_wav
from carvoice.audio.settings import SEATS_M
from carvoice.cli.live import run_recordings
from carvoice.config import Config, load_config
from carvoice.errors import AudioFormatError, ConfigError
from carvoice.resources import data_path

CONSOLE_M = ((0.75, 0.70, 1.15), (0.75, 0.80, 1.15))
WHERE = {"microphone_positions_m": CONSOLE_M, "zone_positions_m": SEATS_M[:2]}


def arrive(sound, source_m):
    """The sound at each microphone through air, with exact fractional delays."""
    size = len(sound) + 1600
    spectrum, hz = np.fft.rfft(sound, size), np.fft.rfftfreq(size, 1 / 16_000)
    metres = [np.linalg.norm(np.subtract(source_m, place)) for place in CONSOLE_M]
    return np.array([np.fft.irfft(spectrum * np.exp(-2j * np.pi * hz * m / 343) / m, size) for m in metres])


def test_the_seat_is_the_one_of_who_says_so(tmp_path):
    heard = arrive(read_wav(data_path("demo", "seat_heating.wav")), SEATS_M[1])
    noise = 1e-4 * np.random.default_rng(1).standard_normal(heard.shape)
    write_wav(tmp_path / "two.wav", (0.5 * heard + noise).astype(np.float32))
    config = Config.model_validate({"audio": WHERE, "tts": {"voice": "none"}})
    (turn,) = run_recordings(config, [tmp_path / "two.wav"], json=True)
    assert "PassengerSide" in turn.actuations[0].action.path


def test_each_microphone_of_the_virtual_cabin_hears_its_own():
    cabin = VirtualCabin(160, microphones=2)
    cabin.speak(np.stack([np.full(200, 0.1), np.full(200, 0.2)]))
    cabin.speak(np.full(60, 0.3))
    near = np.concatenate([cabin.read().near, cabin.read().near], axis=1)
    np.testing.assert_allclose(near[:, :200], np.repeat([[0.1], [0.2]], 200, axis=1), rtol=1e-6)
    np.testing.assert_allclose(near[:, 200:260], 0.3, rtol=1e-6)
    assert not near[:, 260:].any()
    cabin.loudspeaker = lambda n: np.ones(n, np.float32)
    echo = np.concatenate([cabin.read().near for _ in range(8)], axis=1)
    assert echo.any(axis=1).all()
    assert not np.array_equal(echo[0], echo[1])
    with pytest.raises(AudioFormatError, match=r"give \(n,\) or \(2, n\)"):
        cabin.speak(np.zeros((3, 160), np.float32))


def test_one_place_alone_is_refused_with_its_line(tmp_path):
    path = tmp_path / "carvoice.toml"
    path.write_text("[audio]\ninput = 'default'\nmicrophone_positions_m = [[0.75, 0.75, 1.15]]\n")
    with pytest.raises(ConfigError, match=r"carvoice.toml:3: audio.microphone_positions_m.*two to four"):
        load_config(path, environ={})
