"""Lists replaced while the recognizer listens."""

import threading

import pytest

from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.live_lists import LiveLists
from carvoice.asr.sentences import sentences
from carvoice.errors import GrammarError
from carvoice.grammar import build_acceptor, compile_grammar, parse_grammar, replace_list

GRAMMAR = """
language: en
intents:
  Call:
    data:
      - sentences: ["call {contact}", "text {contact}"]
  Radio:
    data:
      - sentences: ["turn on the radio"]
lists:
  contact:
    values: ["john"]
"""


@pytest.fixture(scope="module")
def automaton():
    return compile_grammar(parse_grammar(GRAMMAR))


@pytest.fixture
def ear(automaton, model, lexicon, tmp_path):
    return GrammarRecognizer(build_acceptor(automaton), model, lexicon, cache=tmp_path)


def hear(stream, sound):
    stream.accept(sound)
    return stream.finish()


def hear_fit(stream, sound):
    hear(stream, sound)
    return stream.fit


def words_of(ear):
    return ear.graph.words[: ear.graph.grammar_words]


def test_new_names_are_commands_and_old_ones_are_not(ear, automaton, say):
    stream = ear.create_stream()
    assert hear_fit(stream, say("call mary")).outside > 0.0
    LiveLists(ear, automaton).replace_list("contact", ["michael jackson", "mary"], wait=True)
    assert hear(stream, say("call michael jackson")).text == "call michael jackson"
    assert hear_fit(stream, say("call mary")).outside == 0.0
    assert hear(stream, say("turn on the radio")).text == "turn on the radio"
    assert "michael" in words_of(ear)
    assert "john" not in words_of(ear)


def test_an_utterance_ends_as_it_began(ear, automaton, say):
    stream = ear.create_stream()
    sound = say("call john")
    stream.accept(sound[:8000])
    LiveLists(ear, automaton).replace_list("contact", ["mary"], wait=True)
    stream.accept(sound[8000:])
    assert stream.finish().text == "call john"
    assert hear(stream, say("call mary")).text == "call mary"


def test_lists_replaced_during_a_build_are_built_together(ear, automaton, monkeypatch):
    builds, may_go_on, has_begun = [], threading.Event(), threading.Event()
    build = ear.replace_grammar

    def slow(acceptor, meaning=None):
        builds.append(acceptor)
        has_begun.set()
        assert may_go_on.wait(30)
        build(acceptor, meaning)

    monkeypatch.setattr(ear, "replace_grammar", slow)
    lists = LiveLists(ear, automaton)
    lists.replace_list("contact", ["mary"])
    assert has_begun.wait(30)
    assert lists.is_building
    lists.replace_list("contact", ["peter"])
    lists.replace_list("contact", ["anna"])
    may_go_on.set()
    lists.replace_list("contact", ["anna", "michael"], wait=True)
    assert not lists.is_building
    assert len(builds) <= 3  # mary's, and what came meanwhile; perhaps the last by itself
    assert {"anna", "michael"} <= set(words_of(ear))


@pytest.mark.parametrize("fault", [GrammarError("too large"), MemoryError("too large")])
def test_what_cannot_be_built_leaves_the_old_in_use(ear, automaton, say, monkeypatch, caplog, fault):
    def broken(acceptor, meaning=None):
        raise fault

    monkeypatch.setattr(ear, "replace_grammar", broken)
    lists = LiveLists(ear, automaton)
    lists.replace_list("contact", ["mary"], wait=True)
    assert "too large" in caplog.text
    assert not lists.is_building
    assert hear(ear.create_stream(), say("call john")).text == "call john"


def test_a_list_that_there_is_not(ear, automaton):
    with pytest.raises(GrammarError, match="no sentence uses"):
        LiveLists(ear, automaton).replace_list("stations", ["one"])


def test_meanings_change_with_the_lists(ear, automaton):
    lists = LiveLists(ear, automaton, lambda grammar: lambda text: (grammar.digest, text))
    lists.replace_list("contact", ["mary"], wait=True)
    first = ear.decoder.meaning("call mary")
    lists.replace_list("contact", ["anna"], wait=True)
    assert ear.decoder.meaning("call mary") != first


TWO_PLACES = """
language: en
intents:
  Call:
    data:
      - sentences: ["call {contact} back"]
  Text:
    data:
      - sentences: ["text {contact}", "text {contact} a message"]
lists:
  contact:
    values: ["john"]
"""


def said_by(acceptor):
    """All sentences of an acceptor without cycles."""
    leaving = {}
    for source, word, target in acceptor.arcs:
        leaving.setdefault(source, []).append((word, target))

    def walk(state):
        if state in acceptor.finals:
            yield ()
        for word, target in leaving.get(state, []):
            for rest in walk(target):
                yield (word, *rest)

    return {" ".join(words) for words in walk(acceptor.start)}


def test_long_lists_are_there_once():
    names = [f"first{number % 50} last{number}" for number in range(1_500)]
    automaton = compile_grammar(parse_grammar(TWO_PLACES))
    few, many = replace_list(automaton, "contact", names[:4]), replace_list(automaton, "contact", names)
    assert said_by(sentences(few)) == said_by(build_acceptor(few))
    shared = sentences(many)
    said = said_by(shared)
    assert said_by(build_acceptor(many)) <= said
    assert said == {
        f"{verb} {name}{rest}"
        for verb in ("call", "text")
        for name in names
        for rest in ("", " back", " a message")
    }
    assert len([word for _, word, _ in shared.arcs if word == "last7"]) == 1
