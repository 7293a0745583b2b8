"""The words of what is no order."""

import math

import numpy as np
import pytest
import tone_model
from tone_model import rows_of

from carvoice.asr.free_words import FreeWords
from carvoice.asr.nbest import best_paths
from carvoice.grammar.lexicon import Lexicon

TOKENS = tone_model.NUMBERS
WORDS = {
    "the": "dh ah|dh iy",
    "moon": "m uw n",
    "man": "m ae n",
    "mahn": "m ae n",
    "on": "aa n",
}


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    return FreeWords(Lexicon(WORDS), TOKENS, tmp_path_factory.mktemp("words"), [("the", "mahn")])


def heard(free, said):
    return free.hear(free.create(), rows_of(said.split()))


def test_any_words_in_any_order(free):
    assert heard(free, "m ae n aa n dh iy m uw n m uw n").text == "man on the moon moon"


def test_words_of_an_order_that_were_not_heard(free):
    said = heard(free, "m ae n aa n dh iy m uw n")
    assert said.missed(["man", "on", "the", "moon"]) == set()
    assert said.missed(["the", "man", "on", "the", "moon"]) == {0}
    assert said.missed(["moon", "the", "on", "man"]) in ({0, 1, 2}, {0, 2, 3}, {1, 2, 3}, {0, 1, 3})
    assert said.missed(["man", "bites", "moon"]) == {1}
    assert not free.knows("bites")
    assert said.missed([]) == set()


def test_of_words_that_sound_alike_the_more_frequent_one(free):
    paths = best_paths(free.create(), rows_of(("m", "ae", "n")))
    assert paths[0].cost == pytest.approx(3.0 + 0.7 * math.log(3), abs=0.01)
    assert paths[1].cost == pytest.approx(3.0 + 0.7 * math.log(4), abs=0.01)


def test_after_some_words_others_are_usual(free):
    assert heard(free, "m ae n dh ah m ae n").text == "man the mahn"


def test_silence_is_no_word(free):
    assert free.hear(free.create(), np.tile(rows_of(("m",))[2:], (20, 1))).text == ""
    assert free.hear(free.create(), np.zeros((0, len(TOKENS)), np.float32)).text == ""


def test_a_second_one_comes_from_the_cache_until_a_word_is_said_otherwise(tmp_path):
    for count, words, pairs in (
        (1, Lexicon(WORDS), None),
        (1, Lexicon(WORDS), None),
        (2, Lexicon(WORDS, {"moon": (("m", "uh", "n"),)}), None),
        (3, Lexicon(WORDS), [("<s>", "on")]),
    ):
        FreeWords(words, TOKENS, tmp_path, pairs)
        assert len(list(tmp_path.iterdir())) == count
