"""Words against what else could stand in their place."""

import numpy as np
import pytest
from conftest import Words, tree_of
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.asr.alignment import align
from carvoice.asr.rivals import Places, strongest_rival, variant_scores


@settings(max_examples=40, deadline=None)
@given(
    variants=st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_scores_are_those_of_single_alignments(variants, seed):
    rows = np.random.default_rng(seed).normal(0, 2, (7, 5)).astype(np.float32)
    ratios = rows - rows.max(axis=1, keepdims=True)
    scores = variant_scores(ratios, variants)
    for variant, score in zip(variants, scores, strict=True):
        laid = align(rows, variant)
        if laid is None:
            assert score < -1e6
        else:
            assert score == pytest.approx(laid.total, abs=1e-3)


def heard(*labels):
    """Frames in which exactly these labels are heard, three frames each."""
    rows = np.full((3 * len(labels), 6), -2.0, np.float32)
    for index, label in enumerate(labels):
        rows[3 * index : 3 * index + 3, label] = 0.0
    return rows


SPELLINGS = {"left": ((1, 2),), "lift": ((1, 3),), "right": ((4, 5),), "lefft": ((1, 2),)}


def test_strongest_rival():
    rival = strongest_rival(heard(1, 2), "left", SPELLINGS.keys(), SPELLINGS)
    assert (rival.word, rival.margin) == ("lift", pytest.approx(6.0))  # three frames say otherwise


def test_a_rival_may_fit_better():
    assert strongest_rival(heard(1, 3), "left", SPELLINGS.keys(), SPELLINGS).margin < 0


def test_homophones_are_no_rivals():
    assert strongest_rival(heard(1, 2), "left", ["left", "lefft"], SPELLINGS) is None
    assert strongest_rival(heard(1, 2), "left", ["left"], SPELLINGS) is None


def test_places_follow_the_grammar():
    places = Places(tree_of(["open the window", "open the door", "close the door"]), ["and", "please"])
    found = places.choices(["open", "the", "window", "and", "close", "the", "door"])
    assert [sorted(choices) for choices in found] == [
        ["close", "open"], ["the"], ["door", "window"], [], ["close", "open"], ["the"], ["door"],
    ]  # fmt: skip
    assert [len(choices) for choices in places.choices([None, "open", "the"])] == [0, 2, 1]


def test_places_after_a_wildcard():
    words = Words(3, 0, frozenset({2}), ((0, "remind", 1), (1, "<any>", 2), (2, "<any>", 2)))
    assert [len(c) for c in Places(words, ()).choices(["remind", "milk", "now"])] == [1, 0, 0]
