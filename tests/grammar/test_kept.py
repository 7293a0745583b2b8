"""Grammars are compiled once, and never taken from the cache when anything about them changed."""

import numpy as np
import pytest

from carvoice.errors import GrammarError
from carvoice.grammar import build_acceptor, compile_grammar, kept, load_grammar, replace_list
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.resources import data_path

SMALL = """
language: en
intents:
  Light: {data: [{sentences: ["light {state}"]}]}
lists:
  state: {values: ["on", "off"]}
"""


@pytest.fixture
def compiled(monkeypatch):
    """The number of times something was compiled."""
    count = []

    def counting(grammar):
        count.append(grammar)
        return compile_grammar(grammar)

    monkeypatch.setattr(kept, "compile_grammar", counting)
    return count


@pytest.fixture
def grammar(tmp_path):
    file = tmp_path / "car.yaml"
    file.write_text(SMALL)
    return file


def said(automaton, text):
    (found,) = Understander(automaton, None, UnderstanderSettings(near_misses=False)).parse(text)
    return found.rejected is None


def test_the_second_start_compiles_nothing_and_understands_the_same(compiled, grammar, tmp_path):
    first = kept.compile_files([grammar], "en", tmp_path / "cache")
    again = kept.compile_files([grammar], "en", tmp_path / "cache")
    assert len(compiled) == 1
    for name in ("arc_start", "arc_word", "arc_next", "final_template"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
    assert (again.templates, again.blocks, again.digest) == (first.templates, first.blocks, first.digest)
    assert said(again, "light on")
    assert not said(again, "light green")


def test_a_changed_file_place_language_or_compiler_is_compiled(compiled, grammar, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    kept.compile_files([grammar], "en", cache)
    grammar.write_text(SMALL.replace('"off"', '"off", "green"'))
    assert said(kept.compile_files([grammar], "en", cache), "light green")
    elsewhere = tmp_path / "other.yaml"
    elsewhere.write_text(grammar.read_text())
    assert kept.compile_files([elsewhere], "en", cache).templates[0].path == str(elsewhere)
    kept.compile_files([grammar], "de", cache)
    monkeypatch.setattr(kept, "_compiler", lambda: "another")
    kept.compile_files([grammar], "en", cache)
    assert len(compiled) == 5


def test_a_damaged_cache_or_none_that_can_be_written_only_costs_time(compiled, grammar, tmp_path, caplog):
    cache = tmp_path / "cache"
    kept.compile_files([grammar], "en", cache)
    (file,) = cache.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert said(kept.compile_files([grammar], "en", cache), "light on")
    blocked = tmp_path / "a-file"
    blocked.write_text("")
    assert said(kept.compile_files([grammar], "en", blocked / "cache"), "light on")
    assert len(compiled) == 3
    assert "cannot be kept" in caplog.text


def test_old_ones_are_forgotten(grammar, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "_MOST_KEPT", 2)
    for language in ("en", "de", "fr"):
        kept.compile_files([grammar], language, tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_the_word_sequences_are_built_once(tmp_path, monkeypatch):
    automaton = compile_grammar(load_grammar(data_path("grammars", "de")))
    fresh = build_acceptor(automaton)
    assert same(kept.kept_acceptor(automaton, 20_000, (), tmp_path), fresh)
    monkeypatch.setattr(kept, "build_acceptor", None)  # it would fail if it were built again
    assert same(kept.kept_acceptor(automaton, 50_000, (), tmp_path), fresh)  # no list is that long
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    monkeypatch.setattr(kept, "build_acceptor", build_acceptor)
    assert same(kept.kept_acceptor(automaton, 20_000, (), tmp_path), fresh)


def test_other_names_are_other_word_sequences(grammar, tmp_path):
    automaton = compile_grammar(load_grammar(grammar))
    kept.kept_acceptor(automaton, 100, (), tmp_path)
    for other in (replace_list(automaton, "state", ["up"]), replace_list(automaton, "state", ["on", "up"])):
        assert same(kept.kept_acceptor(other, 100, (), tmp_path), build_acceptor(other))
    for most, apart in ((1, ()), (100, ("state",))):
        built = build_acceptor(automaton, most, apart)
        assert same(kept.kept_acceptor(automaton, most, apart, tmp_path), built)
    assert len(list(tmp_path.glob("*.acceptor"))) == 5


def same(one, other):
    return (one.words, one.start, one.finals, one.n_states, one.arcs) == (
        other.words, other.start, other.finals, other.n_states, other.arcs
    )  # fmt: skip


def test_mistakes_are_named_as_ever(grammar, tmp_path):
    grammar.write_text(SMALL.replace("{state}", "{shade}"))
    with pytest.raises(GrammarError, match="shade"):
        kept.compile_files([grammar], "en", tmp_path / "cache")
    with pytest.raises(GrammarError, match=r"absent\.yaml"):
        kept.compile_files([tmp_path / "absent.yaml"], "en", tmp_path / "cache")


def test_the_shipped_grammar_is_the_same_from_the_cache(tmp_path):
    folder = data_path("grammars", "en")
    kept.compile_files([folder], "en", tmp_path)
    again, fresh = kept.compile_files([folder], "en", tmp_path), compile_grammar(load_grammar(folder))
    for text in ("open the driver window halfway", "set the temperature to twenty one and a half"):
        parsers = [Understander(a, None, UnderstanderSettings(near_misses=False)) for a in (again, fresh)]
        assert parsers[0].parse(text) == parsers[1].parse(text)
