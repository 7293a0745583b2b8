"""A reply that sounds from the first moment on, before the cabin was ever heard without it."""

import numpy as np
import pytest

from carvoice.assistant.onset import SpeechOnset
from carvoice.audio import FrontEnd
from carvoice.audio.cabin import VirtualCabin
from carvoice.tts import EspeakVoice

BLOCK = 320
REPLY = "The temperature is twenty one degrees. The fan is at three. All windows are closed."


def onsets(noise_level, driver=None, driver_at_s=0.0):
    """Seconds at which speech surely begins while the reply plays from the start."""
    noise = noise_level * np.random.default_rng(9).standard_normal(16000).astype(np.float32)
    cabin = VirtualCabin(BLOCK, noise, seed=3)
    reply = np.concatenate(list(EspeakVoice().synthesize(REPLY))) * np.float32(0.8)
    played = iter(reply[: len(reply) // BLOCK * BLOCK].reshape(-1, BLOCK))
    cabin.loudspeaker = lambda n: next(played)
    front_end, onset = FrontEnd(), SpeechOnset()
    found = []
    for block in range(len(reply) // BLOCK):
        if driver is not None and block == round(driver_at_s * 16000 / BLOCK):
            cabin.speak(driver)
        heard = cabin.read()
        out = front_end.process(heard.near, heard.far)
        if onset.update(out.speech, over_reply=bool(out.far_active.any())):
            found.append(heard.start_s)
    return found


@pytest.mark.parametrize("noise_level", [4e-4, 2e-3, 6e-3])
def test_noise_in_its_first_pause_is_nobody(noise_level):
    assert onsets(noise_level) == []


def test_who_speaks_over_it_is_heard():
    driver = np.concatenate(list(EspeakVoice("en-gb-x-rp").synthesize("open the window")))
    found = onsets(2e-3, driver * np.float32(0.3), driver_at_s=1.0)
    assert found
    assert 1.0 <= found[0] < 1.5  # the voice begins some 50 ms later, and the echo path is hardly known
