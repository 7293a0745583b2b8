"""The neural path, run for real by sherpa-onnx on a tiny voice that is made here: every phone a tone."""

import threading
from pathlib import Path

import numpy as np
import pytest

from carvoice.errors import ModelError
from carvoice.tts import SherpaVoice
from carvoice.tts.sherpa import _describe, phonemes

onnx = pytest.importorskip("onnx", reason="the tiny voice is written with onnx")

SAMPLES_PER_TOKEN = 600
RATE_HZ = 22_050
IPA = "abcdefhijklmnopqrstuvwxyzæçðøħŋœǀɐɑɒɓɔɕɖɗəɚɛɜɝɞɟɠɡɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕˈˌːˑ˞βθχ̩"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from onnx import TensorProto, helper, numpy_helper

    ramp = np.arange(1, SAMPLES_PER_TOKEN + 1, dtype=np.float32).reshape(1, 1, -1) / 50
    nodes = [
        helper.make_node("Cast", ["input"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["floats", "last"], ["column"]),
        helper.make_node("Mul", ["column", "ramp"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Mul", ["wave", "gain"], ["soft"]),
        helper.make_node("Reshape", ["soft", "shape"], ["output"]),
    ]
    constants = {
        "last": np.array([2], np.int64),
        "ramp": ramp,
        "gain": np.array(0.3, np.float32),
        "shape": np.array([1, 1, -1], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "tones",
        [
            helper.make_tensor_value_info("input", TensorProto.INT64, [1, "T"]),
            helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
            helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "L"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    facts = {"model_type": "vits", "comment": "piper", "language": "English", "voice": "en-us"}
    facts |= {"has_espeak": "1", "n_speakers": "1", "sample_rate": str(RATE_HZ)}
    for key, value in facts.items():
        model.metadata_props.add(key=key, value=value)
    path = tmp_path_factory.mktemp("voice")
    onnx.save(model, str(path / "tones.onnx"))
    symbols = ["_", "^", "$", " ", "!", "'", ",", "-", ".", ":", ";", "?", *IPA]
    (path / "tokens.txt").write_text("".join(f"{symbol} {index}\n" for index, symbol in enumerate(symbols)))
    (path / "tones.onnx.json").write_text('{"espeak": {"voice": "en-us"}}')
    return path


def test_phonemes_keep_sentences_and_punctuation() -> None:
    assert phonemes("Stop, please. Is it on?") == ["stˈɑːp, plˈiːz.", "ɪz ɪɾ ˈɔn?"]
    assert phonemes("... !") == []


def test_a_voice_folder_speaks_at_16_khz(folder: Path) -> None:
    sound = np.concatenate(list(SherpaVoice(folder, threads=1).synthesize("The window is open.")))
    assert sound.dtype == np.float32
    assert 0.2 < np.abs(sound).max() <= 1.0
    assert 0.5 < len(sound) / 16000 < 3.0


def test_sentences_come_one_by_one_and_can_be_left(folder: Path) -> None:
    voice = SherpaVoice(folder, threads=1)
    text = "This is the first one. This is the second one. And here is the third one."
    assert len(list(voice.synthesize(text))) >= 3
    chunks = voice.synthesize(text * 5)
    first = next(chunks)
    chunks.close()
    assert len(first) > 0
    assert np.concatenate(list(voice.synthesize("Still here."))).any()


def test_two_threads_do_not_disturb_each_other(folder: Path) -> None:
    voice = SherpaVoice(folder, threads=1)
    alone = np.concatenate(list(voice.synthesize("One two three.")))
    sounds: list[np.ndarray] = []

    def work() -> None:
        sounds.append(np.concatenate(list(voice.synthesize("One two three."))))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for sound in sounds:
        np.testing.assert_allclose(sound, alone, atol=1e-5)


def test_nothing_to_say_is_silent(folder: Path) -> None:
    assert list(SherpaVoice(folder, threads=1).synthesize("😀")) == []


def test_a_broken_model_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens.txt").write_text("a 0\n")
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=str(tmp_path)):
        SherpaVoice(tmp_path)


LEXICONS = ("lexicon-gb-en.txt", "lexicon-us-en.txt")
KINDS = {
    "vits": (("en_US-amy-low.onnx", "tokens.txt"), {"model": "en_US-amy-low.onnx"}),
    "kokoro": (
        (
            "model.onnx",
            "model.int8.onnx",
            "voices.bin",
            "tokens.txt",
            "lexicon-us-en.txt",
            "lexicon-gb-en.txt",
        ),
        {"model": "model.int8.onnx", "voices": "voices.bin"},
    ),
    "kitten": (("model.fp16.onnx", "voices.bin", "tokens.txt"), {"voices": "voices.bin"}),
    "matcha": (
        ("model-steps-3.onnx", "vocos-22khz-univ.onnx", "tokens.txt"),
        {"acoustic_model": "model-steps-3.onnx", "vocoder": "vocos-22khz-univ.onnx"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_voice_is_told_by_its_files_and_accepted_by_sherpa(kind: str, tmp_path: Path) -> None:
    import sherpa_onnx

    names, expected = KINDS[kind]
    for name in names:
        (tmp_path / name).write_bytes(b"onnx")
    if kind == "kitten":
        (tmp_path / "model.fp16.onnx").write_bytes(b"graph" + b"model_type" + b"kitten-tts")
    model = _describe(tmp_path, threads=2)
    for attribute, name in expected.items():
        assert Path(getattr(getattr(model, kind), attribute)).name == name
    assert getattr(model, kind).tokens == str(tmp_path / "tokens.txt")
    for other in KINDS.keys() - {kind}:
        empty = getattr(model, other)
        assert not (empty.acoustic_model if other == "matcha" else empty.model)
    if kind == "kokoro":
        assert tuple(Path(path).name for path in model.kokoro.lexicon.split(",")) == LEXICONS
    assert sherpa_onnx.OfflineTtsConfig(model=model).validate()


@pytest.mark.parametrize("missing", ["tokens.txt", "voice.onnx"])
def test_what_a_folder_lacks_is_named(missing: str, tmp_path: Path) -> None:
    for name in {"tokens.txt", "voice.onnx"} - {missing}:
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match=r"tokens\.txt" if missing == "tokens.txt" else "a model"):
        _describe(tmp_path, threads=1)
