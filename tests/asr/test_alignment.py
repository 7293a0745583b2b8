"""Alignment against plain enumeration."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.asr.alignment import align, greedy_labels, normalized, spell_path, undecided


def collapse(path):
    return tuple(label for label, _ in itertools.groupby(path) if label)


def random_rows(frames, tokens, seed):
    return normalized(np.random.default_rng(seed).normal(0, 2, (frames, tokens)).astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(
    frames=st.integers(1, 6),
    labels=st.lists(st.integers(1, 2), min_size=1, max_size=3),
    seed=st.integers(0, 999),
)
def test_best_path_is_the_best_of_all_paths(frames, labels, seed):
    rows = random_rows(frames, 3, seed)
    free = rows.max(axis=1).sum()
    totals = [
        sum(rows[frame, label] for frame, label in enumerate(path)) - free
        for path in itertools.product(range(3), repeat=frames)
        if collapse(path) == tuple(labels)
    ]
    laid = align(rows, labels)
    if not totals:
        assert laid is None
    else:
        assert laid.total == pytest.approx(max(totals), abs=1e-3)
        assert all(laid.first <= laid.last)
        assert all(laid.last[:-1] < laid.first[1:])


def test_free_labels_align_perfectly():
    rows = random_rows(40, 6, 3)
    laid = align(rows, greedy_labels(rows))
    assert laid.total == pytest.approx(0.0, abs=1e-4)


def test_no_labels():
    rows = random_rows(10, 4, 0)
    assert align(rows, ()).total == pytest.approx((rows[:, 0] - rows.max(axis=1)).sum(), abs=1e-4)
    assert align(rows[:0], ()).total == 0.0
    assert align(rows[:0], (1,)) is None


def test_undecided_between_equals_and_not_at_all():
    even, sure = np.zeros((3, 4), np.float32), np.full((3, 4), -1e9, np.float32)
    sure[:, 2] = 0.0
    assert undecided(normalized(even)) == pytest.approx(np.log(4))
    assert undecided(normalized(sure)) == 0.0
    assert undecided(normalized(np.concatenate([even, sure]))) == pytest.approx(np.log(4) / 2)
    assert undecided(even[:0]) == 0.0


def test_greedy_labels_collapse():
    rows = np.full((7, 3), -9.0, np.float32)
    rows[np.arange(7), [0, 1, 1, 0, 1, 2, 2]] = 0.0
    assert greedy_labels(rows) == (1, 1, 2)


SPELLINGS = [((1, 2), (1,)), ((2, 3),), ((3,),)]


@pytest.mark.parametrize(
    ("labels", "tokens", "spans", "covered"),
    [
        ([1, 2], (1, 2, 2, 3), [(0, 2), (2, 4)], 4),
        ([1, 2], (1, 2, 3), [(0, 1), (1, 3)], 3),
        ([1], (1, 2), [(0, 2)], 2),
        ([1], (1, 2, 7), [(0, 2)], 2),
        ([4, 4, 3], (7, 8, 3), [(0, 1), (1, 2), (2, 3)], 3),
        ([], (5,), [], 0),
        ([3], (1,), [(0, 0)], 0),
    ],
)
def test_words_found_in_the_token_string(labels, tokens, spans, covered):
    assert spell_path(labels, tokens, SPELLINGS) == (spans, covered)
