"""The recipe of what sentences are about, on a toy size."""

import random

import pytest

torch = pytest.importorskip("torch", reason="the training recipe needs the `train` extra (torch)")
pytest.importorskip("wordfreq", reason="the training recipe needs the `train` extra")

from carvoice.nlu.gist import NOTHING, load_gist
from training import gist


def test_what_was_learnt_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(gist, "EPOCHS", 12)
    meanings = [NOTHING, ("Light", (("state", "on"),)), ("Light", (("state", "off"),))]
    commands = [
        (f"{verb} the light {state}".split(), index)
        for index, state in ((1, "on"), (2, "off"))
        for verb in ("turn", "switch", "put")
    ]
    talk = [(text.split(), 0) for text in ("she put it off", "we were on time", "turn around", "the end")]
    found = gist.Examples(meanings, [False, True, True], frozenset({"state"}), (commands + talk) * 8)
    found.carriers[meanings[1]] = ["# light"]
    path = tmp_path / "gist.npz"
    gist.save(path, found, *gist.fit(found, random.Random(1)))

    table = load_gist(path)
    opinion = table.opinion(["please", "flip", "the", "light", "off"], gist.number_words())
    guess = opinion.guess()
    assert (guess.intent, guess.slots) == ("Light", (("state", "off"),))
    assert table.carriers[meanings[1]] == ("# light",)
    assert table.opinion(["we", "were", "around"], gist.number_words()).nothing > 0.5


def test_only_slots_with_few_values_and_no_numbers_tell_meanings_apart():
    cases = gist.load_tests(gist.ROOT / "grammars" / "en")
    closed = gist.closed_slots(cases)
    assert {"state", "direction", "zone"} <= closed
    assert not closed & {"temperature", "contact", "city"}


def test_a_spoiled_command_is_another_sentence():
    rng = random.Random(3)
    words = ["open", "the", "window"]
    assert all(gist.spoil(words, ["banana"], rng) != words for _ in range(20))
