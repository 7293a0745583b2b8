"""The search for the best word sequences, against all paths tried one by one."""

import itertools
import math
import struct

import kaldifst
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carvoice.asr._search import WordSearch
from carvoice.asr.nbest import BEAM, log_odds, read_transducer
from carvoice.errors import ModelError

WIDE = 1e6


@pytest.fixture
def toy(tmp_path):
    """Columns 0 (blank), 1, 2; word 1 is "1", word 2 is "2", and word 3 is "1 2"."""
    lines = [
        "0 0 1 0 0", "0 1 2 1 0.5", "0 2 3 2 0.25", "0 3 2 0 0",
        "1 1 2 0 0", "1 0 0 0 0.1", "2 2 3 0 0", "2 0 0 0 0.1",
        "3 3 2 0 0", "3 4 3 3 0.75", "4 4 3 0 0", "4 0 0 0 0.1",
        "0 0", "1 0", "2 0", "4 0",
    ]  # fmt: skip
    path = tmp_path / "toy.fst"
    kaldifst.StdConstFst(kaldifst.compile("\n".join(lines) + "\n")).write(str(path))
    return path


ARCS = (
    (0, 0, 1, 0, 0.0), (0, 1, 2, 1, 0.5), (0, 2, 3, 2, 0.25), (0, 3, 2, 0, 0.0),
    (1, 1, 2, 0, 0.0), (1, 0, 0, 0, 0.1), (2, 2, 3, 0, 0.0), (2, 0, 0, 0, 0.1),
    (3, 3, 2, 0, 0.0), (3, 4, 3, 3, 0.75), (4, 4, 3, 0, 0.0), (4, 0, 0, 0, 0.1),
)  # fmt: skip
FINALS = {0, 1, 2, 4}


def every_path(rows):
    """Cheapest cost by word sequence, by trying all paths."""
    found = {}
    stack = [(0, 0, 0.0, ())]
    while stack:
        state, frame, cost, words = stack.pop()
        if frame == len(rows) and state in FINALS:
            found[words] = min(cost, found.get(words, math.inf))
        for source, target, label, word, weight in ARCS:
            if source != state or (label and frame == len(rows)):
                continue
            further = words + ((word,) if word else ())
            acoustic = -float(rows[frame, label - 1]) if label else 0.0
            stack.append((target, frame + bool(label), cost + weight + acoustic, further))
    return sorted((cost, words) for words, cost in found.items())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 9999), frames=st.integers(1, 5))
def test_finds_what_trying_every_path_finds(toy, seed, frames):
    rows = np.random.default_rng(seed).normal(0, 2, (frames, 3)).astype(np.float32)
    search = WordSearch(*read_transducer(toy), 99, WIDE, 100)
    for _ in range(2):  # a search leaves nothing behind
        found = [(cost, tuple(w for _, w, _ in steps if w)) for cost, steps in search.search(rows, 3)]
        by_words = {words: cost for cost, words in every_path(rows)}
        for (cost, words), (best, _) in zip(found, every_path(rows), strict=False):
            assert cost == pytest.approx(best, abs=1e-3)
            assert by_words[words] == pytest.approx(cost, abs=1e-3)  # two may cost the same
        assert len({words for _, words in found}) == len(found)


def test_steps_tell_columns_and_frames(toy):
    rows = np.full((6, 3), -9.0, np.float32)
    for frame, column in enumerate((0, 1, 1, 0, 2, 0)):
        rows[frame, column] = 0.0
    _, steps = WordSearch(*read_transducer(toy), 99, WIDE, 100).search(rows, 1)[0]
    assert [(column, frame) for column, _, frame in steps] == [(1, 1), (2, 4)]


def test_fillers_make_no_difference(toy):
    rows = np.random.default_rng(1).normal(0, 1, (4, 3)).astype(np.float32)
    for filler in (99, 2):
        found = WordSearch(*read_transducer(toy), filler, WIDE, 100).search(rows, 30)
        texts = [tuple(w for _, w, _ in steps if w and w != filler) for _, steps in found]
        assert len(texts) == len(set(texts))


def test_narrow_search_is_never_better(toy):
    rows = np.random.default_rng(2).normal(0, 3, (30, 3)).astype(np.float32)
    states, arcs, start = read_transducer(toy)
    costs = [
        WordSearch(states, arcs, start, 99, beam, active).search(rows, 1)[0][0]
        for beam, active in itertools.product((WIDE, 2.0), (100, 2))
    ]
    assert min(costs) == costs[0]


def test_no_frames(toy):
    ((cost, steps),) = WordSearch(*read_transducer(toy), 99, WIDE, 100).search(np.zeros((0, 3), np.float32))
    assert (cost, steps) == (0.0, [])


def test_damaged_graphs(toy, tmp_path):
    whole = toy.read_bytes()
    for number, content in enumerate((whole[:-8], whole[:20], b"x" * 200, struct.pack("<i", 7) + whole[4:])):
        path = tmp_path / f"{number}.fst"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="decoding graph"):
            read_transducer(path)


def test_odds_between_meanings():
    assert log_odds([5.0], ["a"]) == pytest.approx(BEAM / 2)
    assert log_odds([5.0, 5.5, 9.0], "aab") > log_odds([5.0, 9.0], "ab")  # two ways to say it count for it
    assert log_odds([5.0, 5.0], "ab") == pytest.approx(0.0, abs=1e-3)
    assert log_odds([5.0, 6.0], "ab") < log_odds([5.0, 9.0], "ab") < log_odds([5.0, 9.0], "aa")
    # A list that is full of one meaning leaves open what comes next.
    assert log_odds([5.0 + i / 10 for i in range(24)], ["a"] * 24) < log_odds([5.0] + [18.0] * 23, ["a"] * 24)
