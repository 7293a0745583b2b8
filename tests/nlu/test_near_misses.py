"""Orders beside words that no template has, and what is not looked for at all."""

import pytest

from carvoice.grammar import compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.nlu import Understander
from carvoice.nlu.confidence import MOST_INCOMPLETE
from carvoice.records import Hypothesis
from carvoice.resources import data_path


@pytest.fixture(scope="module")
def shipped():
    return Understander(compile_grammar(load_grammar(data_path("grammars", "en"))), Lexicon.load())


@pytest.mark.parametrize(
    ("text", "intent", "values"),
    [
        ("we've broken down put the hazard lights on", "LightHazard", {"state": "on"}),
        ("open the boot i need to load the shopping", "TrunkOpen", {}),
    ],
)
def test_an_order_beside_its_reason_is_asked_for(shipped, text, intent, values):
    assert not shipped.exact.parse(text)
    found = shipped.parse(text)[0]
    assert (found.intent, found.values) == (intent, values)
    assert found.confidence <= MOST_INCOMPLETE


@pytest.mark.parametrize(
    "text", ["she told him to put the hazard lights on", "never put the hazard lights on"]
)
def test_an_order_beside_what_others_said_is_none(shipped, text):
    assert shipped.parse(text)[0].rejected


def test_what_does_not_sound_like_an_order_is_not_looked_for(shipped):
    text = "turn the temperatur up a bit"
    for order_confidence, is_found in ((0.95, True), (0.1, False)):
        (found,) = shipped.parse(Hypothesis(text, is_final=True, order_confidence=order_confidence))
        assert bool(found.alternatives) == is_found
