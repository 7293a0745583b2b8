"""The decoding graph: cache, size, what it refuses."""

import os
from dataclasses import replace

import pytest
import tone_model
from conftest import Words, tree_of

from carvoice.asr.graph import GraphSettings, build_graph
from carvoice.errors import GrammarError, ModelError

TOKENS = {token: number for number, token in enumerate(tone_model.TOKENS)}


def test_second_build_comes_from_the_cache(tmp_path, lexicon):
    first = build_graph(tree_of(["call john"]), lexicon, TOKENS, tmp_path)
    stamp = first.path.stat().st_mtime_ns
    assert build_graph(tree_of(["call john"]), lexicon, TOKENS, tmp_path) == first
    assert first.path.stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob("*.part"))


def test_the_cache_forgets_what_was_not_used_for_longest(tmp_path, lexicon):
    settings = GraphSettings(open_words=0)
    first = build_graph(tree_of(["call john"]), lexicon, TOKENS, tmp_path, settings)
    os.utime(first.path.with_suffix(".json"), ns=(0, 0))
    for index in range(20):
        graph = build_graph(tree_of([f"call {'john ' * (index + 2)}"]), lexicon, TOKENS, tmp_path, settings)
        os.utime(graph.path.with_suffix(".json"), ns=(10**9 + index, 10**9 + index))
        assert graph.path.exists()
    assert len(list(tmp_path.glob("*.fst"))) == len(list(tmp_path.glob("*.json"))) == 16
    assert not first.path.exists()


def test_any_change_makes_another_graph(tmp_path, lexicon):
    settings = GraphSettings(open_words=10)
    base = build_graph(tree_of(["call john"]), lexicon, TOKENS, tmp_path, settings)
    other_words = build_graph(tree_of(["call mary"]), lexicon, TOKENS, tmp_path, settings)
    other_costs = build_graph(
        tree_of(["call john"]), lexicon, TOKENS, tmp_path, replace(settings, open_entry=1.0)
    )
    assert len({base.path, other_words.path, other_costs.path}) == 3


def test_words_know_where_they_come_from(tmp_path, lexicon):
    graph = build_graph(tree_of(["call john"]), lexicon, TOKENS, tmp_path, GraphSettings(open_words=10))
    grammar, loop = graph.words[: graph.grammar_words], graph.words[graph.grammar_words :]
    assert {"call", "john", "and"} <= set(grammar)
    assert loop == lexicon.frequent_words(10)
    assert graph.filler == len(graph.words) + 1


def test_ten_thousand_names_stay_small(tmp_path, lexicon):
    names = lexicon.frequent_words(10_000)
    graph = build_graph(tree_of([f"call {name}" for name in names]), lexicon, TOKENS, tmp_path)
    assert graph.states < 100_000
    assert graph.path.stat().st_size < 8e6


def test_grammar_that_accepts_nothing(tmp_path, lexicon):
    with pytest.raises(GrammarError, match="no sentence"):
        build_graph(Words(1, 0, frozenset(), ()), lexicon, TOKENS, tmp_path)


def test_model_without_a_phone(tmp_path, lexicon):
    without = {token: number for token, number in TOKENS.items() if token != "zh"}
    with pytest.raises(ModelError, match="'zh'"):
        build_graph(tree_of(["garage"]), lexicon, without, tmp_path)
