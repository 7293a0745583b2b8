"""Free text with a third-party streaming transducer, when one is at hand."""

import pytest
import soundfile
import tone_model

from carvoice.asr.models import load_model
from carvoice.asr.open_recognizer import OpenRecognizer
from carvoice.errors import ModelError


@pytest.fixture(scope="module")
def transducer(shared, tmp_path_factory):
    source = shared / "models" / "kws-zipformer-gigaspeech-3.3M"
    if not source.is_dir():
        pytest.skip(f"no streaming transducer in {shared}")
    folder = tmp_path_factory.mktemp("transducer")
    for file in source.iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "model.toml").write_text(
        'kind = "transducer"\n[files]\nencoder = "encoder.int8.onnx"\ndecoder = "decoder.onnx"\n'
        'joiner = "joiner.int8.onnx"\ntokens = "tokens.txt"\n'
    )
    return load_model(folder)


def clip(shared):
    lines = (shared / "speech" / "manifest.tsv").read_text(encoding="utf-8").splitlines()
    name, text = next((row[0], row[-1]) for row in (line.split("\t") for line in lines) if "LJ" in row[0])
    sound, _ = soundfile.read(shared / "speech" / name, dtype="float32")
    return sound, text


def test_reads_a_sentence(transducer, shared):
    sound, text = clip(shared)
    stream = OpenRecognizer(transducer).create_stream()
    partials = []
    for start in range(0, len(sound), 3200):
        stream.accept(sound[start : start + 3200])
        partials.append(stream.partial().text)
    heard = stream.finish()
    said = set(text.lower().replace(",", "").replace(".", "").split())
    assert len(said & set(heard.text.split())) >= 0.6 * len(said)
    assert heard.text.startswith(partials[len(partials) // 2].split()[0])
    assert heard.source == "open"
    assert all(0 <= word.score <= 1 for word in heard.words)
    assert [word.start_s for word in heard.words] == sorted(word.start_s for word in heard.words)


def test_next_utterance_and_preview(transducer, shared):
    sound, _ = clip(shared)
    recognizer = OpenRecognizer(transducer)
    stream = recognizer.create_stream()
    stream.accept(sound)
    first = stream.finish()
    stream.accept(sound[: len(sound) // 2])
    stream.preview()
    stream.accept(sound[len(sound) // 2 :])
    assert stream.finish().text == first.text


def test_hotwords_run(transducer, shared):
    sound, _ = clip(shared)
    stream = OpenRecognizer(transducer, hotwords=["dark roast"]).create_stream()
    stream.accept(sound)
    assert stream.finish().text


def test_wrong_kind_of_model(tmp_path):
    with pytest.raises(ModelError, match="transducer"):
        OpenRecognizer(load_model(tone_model.write(tmp_path)))
