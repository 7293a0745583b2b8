"""What the words alone say: features and arithmetic on a classifier made by hand, and the shipped one."""

import json

import numpy as np
import pytest

from carvoice.errors import GrammarError
from carvoice.grammar import compile_grammar, load_grammar, parse_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander
from carvoice.nlu.confidence import MOST_INCOMPLETE, Evidence, probability
from carvoice.nlu.exact import values_of
from carvoice.nlu.gist import NOTHING, Gist, known_rows, load_gist, text_features
from carvoice.resources import data_path

NUMBERS = frozenset({"twenty", "one"})
SHIPPED = data_path("gist-en.npz")


@pytest.fixture(scope="module")
def gist():
    """Two dimensions, three meanings: nothing, lights on, a temperature that lacks its number."""
    meanings = (NOTHING, ("Light", (("state", "on"),)), ("Heat", ()))
    return Gist(
        {"light": 0, "heat": 1, "heat #": 2},
        meanings,
        (False, True, False),
        frozenset({"state"}),
        np.array([[4.0, 0.0], [0.0, 4.0], [0.0, 1.0], [0.0, 0.0]], np.float32),
        np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 2.0]], np.float32),
        np.array([1.0, 0.0, 0.0], np.float32),
        {meaning: place for place, meaning in enumerate(meanings)},
        np.array([intent for intent, _ in meanings]),
    )


def test_features_are_words_and_neighbours_and_numbers_are_one():
    assert text_features(["heat", "twenty", "one", "now"], NUMBERS) == [
        "heat", "#", "now", "< heat", "heat #", "# now", "now >",
    ]  # fmt: skip
    assert text_features([], NUMBERS) == ["< >"]


def test_concepts_are_features_alone_and_in_pairs():
    concepts = {"nippy": ("cold",), "fog light": ("fog",), "light": ("light",), "the": ()}
    assert text_features(["the", "nippy", "fog", "light"], NUMBERS, concepts)[-5:] == [
        "@cold", "@fog", "@light", "@cold fog", "@cold light",
    ]  # fmt: skip
    # One whose row is not known says nothing, unlike a word.
    assert known_rows(["@cold", "nippy"], {"light": 0}) == [1]


def test_probabilities_are_those_of_the_formula(gist):
    # "light" alone: its row over the root of one; scores 1, 8, 0.
    scores = np.exp(np.array([1.0, 8.0, 0.0]))
    assert gist.probabilities(["light"], NUMBERS) == pytest.approx(scores / scores.sum(), rel=1e-5)
    # A word that is not known counts, with a row of its own: the others weigh less.
    weaker = np.exp(np.array([1.0, 8.0 / np.sqrt(2), 0.0]))
    assert gist.probabilities(["light", "xyzzy"], NUMBERS) == pytest.approx(weaker / weaker.sum(), rel=1e-5)
    assert gist.probabilities([], NUMBERS).sum() == pytest.approx(1.0)


def test_an_opinion_knows_meanings_by_their_few_valued_slots(gist):
    opinion = gist.opinion(["light"], NUMBERS)
    assert opinion.of("Light", {"state": "on", "level": 3}) == pytest.approx(0.9988, abs=1e-3)
    assert opinion.of("Light", {"state": "off"}) is None
    assert opinion.nothing < 0.01
    guess = opinion.guess()
    assert (guess.intent, guess.slots, guess.is_whole) == ("Light", (("state", "on"),), True)


def test_a_guess_says_that_a_slot_is_missing(gist):
    assert not gist.opinion(["heat", "twenty"], NUMBERS).guess().is_whole
    assert gist.opinion(["xyzzy"], NUMBERS).guess() is None


def test_a_file_that_is_no_table_is_named(tmp_path):
    for path, content in ((tmp_path / "a.npz", b"nonsense"), (tmp_path / "b.npz", None)):
        if content is None:
            np.savez(path, about=np.frombuffer(json.dumps({}).encode(), np.uint8))
        else:
            path.write_bytes(content)
        with pytest.raises(GrammarError, match=r"what sentences are about.*|no table"):
            load_gist(path)


def test_a_sentence_that_lacks_a_word_is_never_done_unasked():
    near = Evidence(cost=0.5, phones=30, margin=4.0, gist=1.0)
    assert probability(near) > MOST_INCOMPLETE
    assert probability(Evidence(cost=0.5, phones=30, margin=4.0, gist=1.0, dropped=1)) <= MOST_INCOMPLETE
    assert probability(Evidence(cost=0.5, phones=30, margin=4.0, gist=1.0, worst=2.0)) <= MOST_INCOMPLETE


@pytest.fixture(scope="module")
def shipped():
    return Understander(compile_grammar(load_grammar(data_path("grammars", "en"))), Lexicon.load())


def test_the_shipped_table_knows_only_meanings_of_the_shipped_grammar(shipped):
    intents = {block.intent for block in shipped.exact.automaton.blocks}
    table = load_gist(SHIPPED)
    assert {intent for intent, _ in table.meanings} - {""} <= intents
    assert SHIPPED.stat().st_size < 3_000_000


def test_a_wording_that_no_template_has(shipped):
    text = "it stinks outside close the air intake"
    assert not shipped.exact.parse(text)
    found = shipped.parse(text)[0]
    assert (found.intent, found.values) == ("ClimateRecirculation", {"state": "on"})
    assert found.confidence <= MOST_INCOMPLETE  # asked first


@pytest.mark.parametrize(
    "text",
    [
        "nobody put the windows at the back up",
        "the windows at the back are dirty",
        "put ninety windows at the back",
    ],
)
def test_talk_about_the_same_things_is_not_guessed(shipped, text):
    assert shipped.parse(text)[0].rejected


def test_a_grammar_that_the_classifier_knows_nothing_of_is_understood_without_it():
    drinks = compile_grammar(
        parse_grammar(
            "language: en\nintents:\n  Brew:\n    data:\n"
            "      - sentences: ['get me a {size} americano with milk']\n"
            "lists:\n  size:\n    values: [small, medium, large]\n"
        )
    )
    lexicon = Lexicon.load()
    text = "get me a medium american with milk"
    found = Understander(drinks, lexicon).parse(text)[0]
    words = load_gist(SHIPPED).opinion(text.split(), frozenset())
    assert words.nothing > 0.5  # to the car it is talk
    assert (found.intent, found.values) == ("Brew", {"size": "medium"})


@pytest.mark.parametrize(
    ("text", "intent", "values"),
    [
        ("give anna a little call", "PhoneCall", {"contact": "anna"}),
        ("i want my music at about thirty five percent loudness", "MediaVolumeSet", {"volume": 35}),
    ],
)
def test_a_value_is_found_in_a_wording_that_no_template_has(shipped, text, intent, values):
    assert not shipped.exact.parse(text)
    found = shipped.parse(text)[0]
    assert (found.intent, found.values) == (intent, values)
    assert found.confidence <= MOST_INCOMPLETE


def test_the_shipped_carriers_mean_what_the_table_says(shipped):
    table = load_gist(SHIPPED)
    numbers = ("two", "five", "twenty", "fifty", "seventy", "ninety five point eight")
    values = (*numbers, "anna", "queen", "paris", "city radio")
    for (intent, slots), carriers in table.carriers.items():
        read = [shipped.exact.parse(carriers[0].replace("#", value)) for value in values]
        meanings = [table.meaning_of(item[0].intent, values_of(item[0].slots)) for item in read if item]
        assert (intent, slots) in meanings, carriers[0]
