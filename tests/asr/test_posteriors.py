"""Two networks for a final: their mean, in any pieces, and what is told of a pair that does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import tone_model
from conftest import SENTENCES, tree_of
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.models import load_model
from carvoice.asr.posteriors import Posteriors
from carvoice.asr.utterance_model import Utterance, UtteranceModel
from carvoice.errors import ModelError

PHONES = ("k", "ao", "l", "jh", "aa", "n", "ow", "p", "ah", "n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tone_model.write_finals(tone_model.write(tmp_path_factory.mktemp("pair")), {"jh": "ch"})


@pytest.fixture(scope="module")
def pair(folder):
    model = load_model(folder)
    return AcousticModel(model), UtteranceModel(model)


def pieces(sound, lengths):
    at = 0
    for length in lengths:
        yield sound[at : at + length]
        at += length
    yield sound[at:]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9_000), max_size=8))
def test_any_pieces_give_the_same(pair, lengths):
    sound, padding = tone_model.say(PHONES), np.zeros(9_000, np.float32)
    whole = Posteriors(*pair)
    whole.accept(sound)
    parted = Posteriors(*pair)
    for piece in pieces(sound, lengths):
        parted.accept(piece)
    np.testing.assert_array_equal(parted.so_far(), whole.so_far())
    np.testing.assert_allclose(parted.at_end(padding), whole.at_end(padding), atol=1e-4)


def test_an_end_is_the_mean_of_both(pair):
    sound, padding = tone_model.say(PHONES), np.zeros(9_000, np.float32)
    heard = Posteriors(*pair)
    heard.accept(sound)
    whole = np.concatenate([sound, padding])
    first = pair[0].create_stream().accept(whole)
    utterance = Utterance(pair[1])
    utterance.accept(whole)
    second = utterance.at_end(np.zeros(0, np.float32))
    late = pair[0].look_ahead_ms // pair[0].frame_ms
    assert late == tone_model.DELAY_FRAMES
    second = second[: len(first) - late]
    assert np.abs(first[late:] - second).max() > 1.0
    wanted = np.concatenate([first[:late], (first[late:] + second) / 2])
    np.testing.assert_allclose(heard.at_end(padding), wanted, atol=1e-4)


def test_an_end_may_be_tried_before_the_end(pair):
    sound, padding = tone_model.say(PHONES), np.zeros(9_000, np.float32)
    tried, straight = Posteriors(*pair), Posteriors(*pair)
    for half in np.array_split(sound, 2):
        tried.accept(half)
        tried.at_end(padding)
        straight.accept(half)
    np.testing.assert_array_equal(tried.at_end(padding), straight.at_end(padding))


def test_partials_are_the_first_networks(pair):
    both, alone = Posteriors(*pair), Posteriors(pair[0], None)
    for heard in (both, alone):
        heard.accept(tone_model.say(PHONES))
    np.testing.assert_array_equal(both.so_far(), alone.so_far())
    assert len(both.so_far())


def test_a_final_is_of_both(tmp_path, lexicon):
    sound = tone_model.say([phone for word in ("call", "john") for phone in lexicon.pronunciations(word)[0]])
    folder = tone_model.write(tmp_path)

    def worst_word():
        recognizer = GrammarRecognizer(tree_of(SENTENCES), load_model(folder), lexicon, cache=tmp_path)
        stream = recognizer.create_stream()
        stream.accept(sound)
        assert stream.finish().text == "call john"
        return stream.fit.poorest

    alone = worst_word()
    tone_model.write_finals(folder)
    assert worst_word() == pytest.approx(alone, abs=0.01)
    tone_model.write_finals(folder, taken_for={"ao": "aa"})
    assert worst_word() > alone + 0.5


@pytest.mark.parametrize("metadata", [{"subsampling_factor": 2}, {"vocab_size": 50}, {"vocab_size": None}])
def test_a_pair_that_does_not_fit(tmp_path, lexicon, metadata):
    tone_model.write_finals(tone_model.write(tmp_path), metadata=metadata)
    with pytest.raises(ModelError):
        GrammarRecognizer(tree_of(SENTENCES), load_model(tmp_path), lexicon, cache=tmp_path / "cache")


def test_a_finals_network_that_streams(tmp_path):
    tone_model.write_finals(tone_model.write(tmp_path))
    (tmp_path / "finals.onnx").write_bytes((tmp_path / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match="export it again"):
        UtteranceModel(load_model(tmp_path))


def test_nothing_heard(pair):
    assert Utterance(pair[1]).at_end(np.zeros(0, np.float32)).shape == (0, len(tone_model.TOKENS))


def test_a_finals_network_that_is_not_there(tmp_path):
    tone_model.write_finals(tone_model.write(tmp_path))
    (tmp_path / "finals.onnx").unlink()
    with pytest.raises(ModelError, match="file is missing"):
        load_model(tmp_path)
