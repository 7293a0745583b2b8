"""The search by sound: against a plain oracle, and what it must never do."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.grammar import build_acceptor, compile_grammar, parse_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander
from carvoice.nlu.confidence import MAX_MARGIN, Evidence, most_cost, probability
from carvoice.nlu.confusion import Confusions
from carvoice.nlu.phonetic import PhoneticSearch, SearchSettings
from carvoice.nlu.speller import Speller
from carvoice.records import Hypothesis, Word

ALPHABET = "abcd"
ROUNDING = 0.1  # of a limit beside so wide a beam, in 32 bits
SENTENCES = [" ".join(words) for words in itertools.product(["abc", "bd", "cab"], ["a", "dd"], ["bad", "cd"])]
SENTENCES += ["abc", "dab cab"]
GRAMMAR = "intents:\n" + "\n".join(
    f"  I{index}: {{data: [{{sentences: ['{sentence}']}}]}}" for index, sentence in enumerate(SENTENCES)
)
EACH = np.full(len(ALPHABET), 0.8, np.float32)
CONFUSIONS = Confusions.of(tuple(ALPHABET), 1.2 * (1 - np.eye(len(ALPHABET), dtype=np.float32)), EACH, EACH)
UNBOUNDED = SearchSettings(
    beam=1e6,
    narrow_beam=1e6,
    word_beam=1e6,
    word_limit_base=1e6,
    drop_word=2.0,
    drop_small=2.0,
    lost_word=0.0,
    lost_number=0.0,
)
SEARCH = PhoneticSearch(
    build_acceptor(compile_grammar(parse_grammar(GRAMMAR))), Speller(None, CONFUSIONS), settings=UNBOUNDED
)


def distance(meant, heard):
    """Plain weighted edit distance (Wagner and Fischer)."""
    number = {letter: index for index, letter in enumerate(ALPHABET)}
    row = [0.0]
    for letter in heard:
        row.append(row[-1] + float(CONFUSIONS.insert[number[letter]]))
    for letter in meant:
        after = [row[0] + float(CONFUSIONS.drop[number[letter]])]
        for index, other in enumerate(heard):
            swap = row[index] + float(CONFUSIONS.substitute[number[letter], number[other]])
            after.append(
                min(swap, row[index + 1] + float(CONFUSIONS.drop[number[letter]]),
                    after[-1] + float(CONFUSIONS.insert[number[other]]))
            )  # fmt: skip
        row = after
    return row[-1]


def oracle(heard):
    """The cheapest sentence: each of its words is put for a stretch of the letters, or was not heard."""

    def cost(words, letters):
        if not words:
            return 0.0 if not letters else math.inf
        first = words[0]
        best = 2.0 + cost(words[1:], letters) if len(first) <= 4 else math.inf
        for cut in range(1, len(letters) + 1):
            best = min(best, distance(first, letters[:cut]) + cost(words[1:], letters[cut:]))
        return best

    return min(cost(sentence.split(), heard) for sentence in SENTENCES)


@given(st.text(ALPHABET, min_size=2, max_size=8))
@settings(max_examples=40, deadline=None)
def test_the_cheapest_sentence_is_the_oracles(heard):
    (word,) = SEARCH.hear(heard)
    skip_nothing = type(word)("?", word.symbols, 0, len(heard))
    found = list(SEARCH.search([skip_nothing]))
    assert found[0].cost == pytest.approx(oracle(heard), abs=1e-4)
    assert [item.cost for item in found] == sorted(item.cost for item in found)


@given(st.text(ALPHABET, min_size=2, max_size=8), st.floats(0.0, 12.0))
@settings(max_examples=40, deadline=None)
def test_only_what_costs_too_much_is_given_up(heard, limit):
    words = SEARCH.hear(heard)
    everything, found = list(SEARCH.search(words)), list(SEARCH.search(words, limit))
    costs = [correction.cost for correction in found]
    assert costs == pytest.approx([item.cost for item in everything][: len(costs)])
    assert all(cost <= limit + ROUNDING for cost in costs)
    assert all(item.cost > limit - ROUNDING for item in everything[len(costs) :])


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.one_of(st.none(), st.floats(0.0, 1.0)))
def test_no_reading_that_costs_more_is_so_probable(phones, at_least, gist):
    cost = most_cost(phones, at_least, gist)
    for known in (None, gist):
        assert probability(Evidence(cost + 1e-3, phones, MAX_MARGIN, gist=known)) <= at_least


VOLUME = """
language: en
skip_words: [please, i want to]
lists: {percent: {range: {from: 0, to: 100}}}
intents:
  Up: {data: [{sentences: ["turn up the volume"]}]}
  Down: {data: [{sentences: ["turn down the volume"]}]}
  Set: {data: [{sentences: ["set the volume to {percent} [percent]", "volume {percent}"]}]}
  Call: {data: [{sentences: ["call my mother"]}]}
"""


@pytest.fixture(scope="module")
def volume():
    return Understander(compile_grammar(parse_grammar(VOLUME)), Lexicon.load())


def test_a_word_that_was_not_heard_is_not_guessed_by_its_length(volume):
    """ "up" is shorter than "down", yet nothing speaks for it: both are given, and neither is done."""
    near = volume.sound.nearest("turn the volume", {})
    assert {near.reading.intent, near.rivals[0][0].intent} == {"Up", "Down"}
    assert near.rivals[0][1] < 0.5
    assert volume.parse("turn the volume")[0].rejected


def test_close_readings_have_close_probabilities(volume):
    (found,) = volume.parse("turn town the volume")
    assert found.intent == "Down"
    assert all(0 <= other.confidence < found.confidence for other in found.alternatives)


@pytest.mark.parametrize(
    "text",
    ["set the volume to", "volume to", "set the volume the", "i just called my mother",
     "have you called my mother", "he set the volume to twenty", "set the volume fifty five fifty",
     "set the volumes to three hundred"],
)  # fmt: skip
def test_never_done(volume, text):
    (found,) = volume.parse(text)
    assert found.rejected or found.confidence < 0.75


@pytest.mark.parametrize(
    ("text", "percent"),
    [("said the volume too fifty", 50), ("set the volume to fifty plays", 50),
     ("i want to set the volume to fifty", 50),
     ("set the volumes to too", 2)],
)  # fmt: skip
def test_numbers_that_sound_the_same_are_taken(volume, text, percent):
    assert volume.parse(text)[0].values == {"percent": percent}


def test_doubted_words_are_changed_for_less(volume):
    text = "turn town the volume"
    cost = {
        score: volume.sound.nearest(text, {}, [0.95, score, 0.95, 0.95]).evidence.cost
        for score in (None, 0.95, 0.5, 0.1)
    }
    assert cost[None] == cost[0.95] > cost[0.5] > cost[0.1]
    words = tuple(Word(part, 0.0, 0.0, 0.1) for part in text.split())
    doubted = volume.parse(Hypothesis(text, words))[0]
    assert doubted.intent == "Down"
    assert doubted.confidence > volume.parse(text)[0].confidence
    elsewhere = volume.parse(Hypothesis(text, words[:2]))[0]
    assert elsewhere.confidence == volume.parse(text)[0].confidence


WILD = """
lists: {query: {wildcard: true}, song: {wildcard: true}, how: {values: [kindly, gently]}}
intents:
  Search: {data: [{sentences: ["search for {query}"]}]}
  Play: {data: [{sentences: ["play {song} by {query:artist} loudly"]}]}
  Close: {data: [{sentences: ["{@how} close everything"]}]}
"""


@pytest.mark.parametrize(
    ("text", "intent", "values"),
    [
        ("serch fur pink floyd", "Search", {"query": "pink floyd"}),
        ("play yesterday buy the beatles loudly", "Play", {"song": "yesterday", "artist": "the beatles"}),
        ("gentle clothes everything", "Close", {}),
    ],
)
def test_wildcards_and_captures_are_found_by_sound(text, intent, values):
    near = Understander(compile_grammar(parse_grammar(WILD)), Lexicon.load()).sound.nearest(text, {})
    assert (near.reading.intent, {name: slot.value for name, slot in near.slots.items()}) == (intent, values)
