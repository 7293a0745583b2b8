"""A free-text model from the settings, beside the grammar's recognizer."""

import os
from pathlib import Path

import pytest

from carvoice.assistant import rooms
from carvoice.assistant.ears import Ears
from carvoice.audio.devices import read_wav
from carvoice.config import Config
from carvoice.errors import ModelError
from carvoice.resources import data_path

GRAMMAR = "language: en\nintents:\n  Open:\n    data:\n      - sentences: ['open the window']\n"


@pytest.fixture
def build(tmp_path):
    """The grammar's recognizer, and what listens with a free-text model."""
    grammar = tmp_path / "grammar.yaml"
    grammar.write_text(GRAMMAR)

    def build_with(open_model):
        settings = Config.model_validate(
            {"language": {"shipped": False, "grammars": [grammar]}, "asr": {"open_model": str(open_model)}}
        )
        ears = Ears(settings)
        recognizer = rooms.build_recognizer(ears.automaton, ears.lexicon, settings)
        return recognizer, rooms.build_listening(recognizer, ears.automaton, settings.asr)

    return build_with


def test_none_configured(build):
    recognizer, listening = build("")
    assert listening is recognizer


def test_both_hear_the_same_sound(build):
    shared = Path(os.environ.get("CARVOICE_SHARED", Path(__file__).parents[3] / "shared"))
    model = shared / "models" / "kws-zipformer-gigaspeech-3.3M"
    if not model.is_dir():
        pytest.skip(f"no free-text model in {shared}: set CARVOICE_SHARED to the folder of shared material")
    _, listening = build(model)
    stream = listening.create_stream()
    stream.accept(read_wav(data_path("demo", "outside_temperature.wav")))
    heard = stream.finish()
    assert heard.source == "grammar"
    assert "temperature" in heard.open_text


def test_a_folder_that_is_not_there(build, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        build(tmp_path / "nowhere")
