"""The background that orders are measured against."""

import itertools
import math

import numpy as np
import pytest
import tone_model
from tone_model import rows_of

from carvoice.asr.free_phones import FreePhones, following, free_cost

TOKENS = tone_model.NUMBERS


@pytest.fixture(scope="module")
def free(lexicon, tmp_path_factory):
    return FreePhones(lexicon, TOKENS, tmp_path_factory.mktemp("phones"))


def test_every_phone_is_followed_by_something(lexicon):
    chances = following(lexicon, TOKENS)
    assert chances.shape == (len(TOKENS), len(TOKENS))
    assert (chances > 0).all()
    assert chances[:, 1:].sum(axis=1) == pytest.approx(np.ones(len(TOKENS)))


def test_the_cost_is_that_of_the_phones_in_turn(free, lexicon):
    chances = following(lexicon, TOKENS)
    phones = ("k", "ao", "l", "jh", "aa", "n")
    ids = [0, *(TOKENS[phone] for phone in phones)]
    expected = -sum(math.log(chances[last, then]) for last, then in itertools.pairwise(ids))
    assert free_cost(free.create(), rows_of(phones)) == pytest.approx(expected, abs=0.01)


def test_what_words_do_not_hold_costs_more(free):
    search = free.create()
    assert free_cost(search, rows_of(("zh", "zh", "dh", "zh"))) > free_cost(
        search, rows_of(("s", "t", "ao", "r"))
    )


def test_a_second_one_comes_from_the_cache(lexicon, tmp_path):
    FreePhones(lexicon, TOKENS, tmp_path)
    (path,) = tmp_path.glob("phones-*.fst")
    stamp = path.stat().st_mtime_ns
    FreePhones(lexicon, TOKENS, tmp_path)
    assert [path] == list(tmp_path.iterdir())
    assert path.stat().st_mtime_ns == stamp
