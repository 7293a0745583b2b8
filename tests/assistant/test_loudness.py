"""How loud replies are, from the car's speed and the noise at the microphone to the loudspeaker."""

import numpy as np
import pytest

from carvoice.audio.cabin import VirtualCabin
from carvoice.cli.live import cabin_session
from carvoice.config import Config, VehicleConfig


@pytest.fixture
def reply_db(monkeypatch):
    """Asks for the time and gives the level of what the loudspeaker plays, dB; and the session."""
    cabins = []

    def cabin(audio):
        cabins.append(VirtualCabin(320, np.zeros(16000, np.float32)))
        return cabins[-1]

    monkeypatch.setattr("carvoice.cli.live._cabin", cabin)
    with cabin_session(
        Config(vehicle=VehicleConfig(channel="loudness-test")), lambda event: None, 0.0
    ) as session:

        def level(speed_kmh=0.0, noise_level=0.0):
            session.assistant.vehicle.set_simulated("Vehicle.Speed", speed_kmh)
            cabins[0]._noise[:] = noise_level * np.random.default_rng(3).standard_normal(16000)
            session.speak(np.zeros(5 * 16000, np.float32))  # time to hear the noise
            played = []
            session.on_block = lambda block: played.append(np.array(block.far))
            session.assistant.say("how fast am i going")
            session.speak(np.zeros(1600, np.float32))  # until it is said
            sound = np.concatenate(played)
            return float(10 * np.log10(np.mean(sound[np.abs(sound) > 1e-3] ** 2)))

        yield level


def test_a_reply_is_louder_at_speed_and_in_noise(reply_db):
    at_rest = reply_db()
    assert reply_db(speed_kmh=100.0) == pytest.approx(at_rest + 6.0, abs=1.0)
    assert reply_db(noise_level=10 ** (-45 / 20)) == pytest.approx(at_rest + 4.0, abs=1.0)
    assert reply_db(speed_kmh=200.0, noise_level=10 ** (-30 / 20)) == pytest.approx(at_rest + 8.0, abs=1.0)
