"""Free text with a third-party streaming transducer, when one is at hand."""

import pytest
import soundfile
import tone_model

from carvoice.asr.models import load_model
from carvoice.asr.open_models import load_open_model
from carvoice.asr.open_recognizer import OpenRecognizer
from carvoice.asr.side_by_side import SideBySide
from carvoice.errors import ModelError


@pytest.fixture(scope="module")
def transducer(shared):
    source = shared / "models" / "kws-zipformer-gigaspeech-3.3M"
    if not source.is_dir():
        pytest.skip(f"no streaming transducer in {shared}")
    return load_open_model(source)


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


def unpacked(folder, *names):
    """A folder as an archive leaves it: files of these names, nothing in them."""
    folder.mkdir()
    for name in (*names, "tokens.txt"):
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("names", "kind", "encoder"),
    [
        (
            (
                "encoder-epoch-99-avg-1.onnx",
                "encoder-epoch-99-avg-1.int8.onnx",
                "decoder-epoch-99-avg-1.onnx",
                "joiner-epoch-99-avg-1.int8.onnx",
            ),
            "transducer",
            "encoder-epoch-99-avg-1.int8.onnx",
        ),
        (("encoder.onnx", "decoder.onnx"), "paraformer", "encoder.onnx"),
    ],
)
def test_a_folder_is_told_by_its_files(tmp_path, names, kind, encoder):
    model = load_open_model(unpacked(tmp_path / "model", *names))
    assert model.kind == kind
    assert model.files["encoder"].name == encoder


# The tones are laid out for Kaldi's features; the NeMo form is fed others, and reads other phones.
@pytest.mark.parametrize(
    ("nemo", "kind", "heard"), [(False, "zipformer2-ctc", "kaet"), (True, "nemo-ctc", "laatllll")]
)
def test_ctc_networks_are_told_by_their_metadata_and_read(tmp_path, nemo, kind, heard):
    folder = tone_model.write(tmp_path / "tones", nemo=nemo)
    (folder / "model.toml").unlink()
    model = load_open_model(folder)
    assert model.kind == kind
    stream = OpenRecognizer(model).create_stream()
    stream.accept(tone_model.say(["k", "ae", "t"], level=20 if nemo else 0.2))
    assert stream.finish().text == heard


@pytest.mark.parametrize(
    ("names", "message"),
    [((), "no ONNX file"), (("encoder.onnx",), "encoder.onnx"), (("model.onnx",), "no ONNX")],
)
def test_a_folder_that_is_no_model_is_refused(tmp_path, names, message):
    with pytest.raises(ModelError, match=message):
        load_open_model(unpacked(tmp_path / "model", *names))


def test_a_network_for_whole_recordings_is_refused(tmp_path):
    folder = tone_model.write(tmp_path / "tones", metadata={"model_type": "offline"})
    (folder / "model.toml").unlink()
    with pytest.raises(ModelError, match="streaming"):
        load_open_model(folder)


def test_side_by_side_with_the_grammar(transducer, recognizer, shared):
    sound, text = clip(shared)
    stream = SideBySide(recognizer, OpenRecognizer(transducer)).create_stream()
    alone = recognizer.create_stream()
    for start in range(0, len(sound), 3200):
        stream.accept(sound[start : start + 3200])
        alone.accept(sound[start : start + 3200])
        assert stream.preview().text == alone.preview().text
    assert set(text.lower().split()) & set(stream.partial().open_text.split())
    both, one = stream.finish(), alone.finish()
    assert (both.text, both.confidence, both.source) == (one.text, one.confidence, "grammar")
    assert set(text.lower().split()) & set(both.open_text.split())
    assert stream.finish().open_text == ""
