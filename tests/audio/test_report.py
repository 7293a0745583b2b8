import sys

import numpy as np
import pytest

from carvoice.audio import FrontEndSettings
from carvoice.audio.devices import write_wav
from carvoice.audio.report import write_report
from carvoice.errors import AudioError, AudioFormatError

pytest.importorskip("matplotlib")


def test_writes_a_picture(tmp_path):
    rng = np.random.default_rng(0)
    far = (0.1 * rng.standard_normal(16000)).astype(np.float32)
    write_wav(tmp_path / "mic.wav", 0.5 * np.roll(far, 500))
    write_wav(tmp_path / "far.wav", far[:9000])
    write_report(tmp_path / "mic.wav", tmp_path / "out.png", far=tmp_path / "far.wav")
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"


def test_second_channel_is_the_loudspeaker(tmp_path):
    write_wav(tmp_path / "both.wav", np.zeros((2, 8000), np.float32))
    write_report(tmp_path / "both.wav", tmp_path / "out.svg")
    assert "<svg" in (tmp_path / "out.svg").read_text()


def test_an_array_has_a_channel_for_each_microphone(tmp_path):
    places = ((0.75, 0.70, 1.15), (0.75, 0.80, 1.15))
    settings = FrontEndSettings(microphones=2, microphone_positions_m=places)
    write_wav(tmp_path / "array.wav", np.random.default_rng(0).normal(0, 0.1, (3, 8000)).astype(np.float32))
    write_report(tmp_path / "array.wav", tmp_path / "out.svg", settings=settings)
    assert "<svg" in (tmp_path / "out.svg").read_text()
    write_wav(tmp_path / "one.wav", np.zeros(8000, np.float32))
    with pytest.raises(AudioFormatError, match=r"one\.wav: has 1 channels, but 2 microphones"):
        write_report(tmp_path / "one.wav", tmp_path / "out.svg", settings=settings)


def test_errors_name_the_thing(tmp_path, monkeypatch):
    write_wav(tmp_path / "a.wav", np.zeros(3200, np.float32))
    with pytest.raises(AudioError, match=r"no\.wav: no such file"):
        write_report(tmp_path / "no.wav", tmp_path / "out.png")
    with pytest.raises(AudioError, match=r"out\.xyz: report cannot be written"):
        write_report(tmp_path / "a.wav", tmp_path / "out.xyz")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(AudioError, match=r"carvoice\[report\]"):
        write_report(tmp_path / "a.wav", tmp_path / "out.png")
