"""A reply that sounds from the first moment on, before the cabin was ever heard without it."""

import numpy as np
import pytest

from carvoice.assistant.onset import SpeechOnset
from carvoice.audio import FrontEnd
from carvoice.audio.cabin import VirtualCabin
from carvoice.audio.devices import read_wav
from carvoice.resources import data_path
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


@pytest.mark.parametrize(("name", "voice_s"), [("volume_up", 0.69), ("too_cold", 0.65)])
def test_who_speaks_over_it_is_heard(name, voice_s):
    # A recorded driver, since espeak-ng never says a thing twice alike.
    driver = 0.6 * read_wav(data_path("demo", f"{name}.wav"))
    found = onsets(2e-3, driver, driver_at_s=0.5)
    begin_s = 0.5 + voice_s  # when the echo path is hardly known yet
    assert found
    assert begin_s <= found[0] < begin_s + 0.3
