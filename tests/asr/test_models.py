"""Models that are missing, damaged or of the wrong kind are refused before sherpa-onnx sees them."""

import hashlib

import numpy as np
import pytest
import tone_model

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.models import embedded_model, load_model
from carvoice.errors import ModelError


def test_whole_model(tmp_path):
    model = load_model(tone_model.write(tmp_path))
    assert (model.name, model.kind, model.look_ahead_ms) == ("tones", "phone-ctc", 160)
    assert model.tokens()["zh"] == 39


def test_missing_folder(tmp_path):
    with pytest.raises(ModelError, match=r"model\.toml"):
        load_model(tmp_path / "nothing")


def test_unknown_embedded_model():
    with pytest.raises(ModelError, match="asr-xx"):
        embedded_model("asr-xx")


def test_missing_file(tmp_path):
    tone_model.write(tmp_path)
    (tmp_path / "tokens.txt").unlink()
    with pytest.raises(ModelError, match=r"tokens\.txt: file is missing"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("kind = ", "Invalid value"),
        ('kind = "whisper"', "whisper"),
        ('[files]\nmodel = "model.onnx"', "lacks 'tokens'"),
    ],
)
def test_wrong_description(tmp_path, text, what):
    tone_model.write(tmp_path)
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(ModelError, match=what):
        load_model(tmp_path)


def test_checksum(tmp_path):
    tone_model.write(tmp_path)
    right = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    toml = (tmp_path / "model.toml").read_text()
    (tmp_path / "model.toml").write_text(f'{toml}[sha256]\nmodel = "{right}"\n')
    load_model(tmp_path)
    with (tmp_path / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="SHA-256"):
        load_model(tmp_path)


def test_corrupt_network(tmp_path):
    tone_model.write(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(ModelError, match="not a usable ONNX model"):
        AcousticModel(load_model(tmp_path))


@pytest.mark.parametrize(
    ("nemo", "metadata", "what"),
    [
        (True, {"window_size": None}, "window_size"),
        (True, {"vocab_size": "many"}, "vocab_size"),
        (True, {"vocab_size": 80}, "40 tokens"),
        (True, {"chunk_shift": 8}, "overlap"),
        (False, {"T": None}, "lacks T"),
        (False, {"T": 8}, "overlap"),
        (False, {"num_encoder_layers": 3}, "do not fit"),
        (False, {"encoder_dims": None}, "encoder_dims"),
    ],
)
def test_wrong_metadata(tmp_path, nemo, metadata, what):
    with pytest.raises(ModelError, match=what):
        AcousticModel(load_model(tone_model.write(tmp_path, metadata=metadata, nemo=nemo)))


def test_broken_tuning(tmp_path):
    tone_model.write(tmp_path, tuning="[decoding")
    with pytest.raises(ModelError, match=r"tuning\.toml"):
        load_model(tmp_path)


@pytest.mark.parametrize(
    "tokens",
    [tone_model.TOKENS[:-1], ("aa", "<blk>", *tone_model.TOKENS[2:]), ("<blk>", *tone_model.TOKENS[:-1])],
)
def test_wrong_tokens(tmp_path, tokens):
    with pytest.raises(ModelError):
        AcousticModel(load_model(tone_model.write(tmp_path, tokens=tokens)))


def test_token_table_that_is_none(tmp_path):
    tone_model.write(tmp_path)
    (tmp_path / "tokens.txt").write_text("<blk> 0\naa one\n")
    with pytest.raises(ModelError, match=r"tokens\.txt:2"):
        load_model(tmp_path).tokens()


def test_streaming_equals_all_at_once(model):
    acoustic = AcousticModel(model)
    sound = np.random.default_rng(1).normal(0, 0.1, 40_000).astype(np.float32)
    whole = acoustic.create_stream().accept(sound)
    stream = acoustic.create_stream()
    pieces = [stream.accept(sound[start : start + 777]) for start in range(0, len(sound), 777)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert whole.shape[1] == acoustic.form.n_tokens
