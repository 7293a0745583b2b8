"""The policy's reasons in other languages than English."""

from __future__ import annotations

import sys

import pytest
from shipped import GRAMMARS, LANGUAGES

from carvoice.dialogue.replies import Replies
from carvoice.records import Interpretation
from carvoice.resources import data_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OTHERS = [code for code in LANGUAGES if code != "en"]


@pytest.mark.parametrize("code", OTHERS)
def test_every_reason_of_the_demo_car_is_said_in_the_language(code):
    rules = tomllib.loads(data_path("cars", "demo", "rules.toml").read_text(encoding="utf-8"))
    said = [rule["reason"] for rule in (*rules["rule"], *rules["rate"]) if "reason" in rule]
    said += rules["defaults"].values()
    replies = Replies.load(GRAMMARS / code / "replies.yaml")
    for reason in filter(lambda value: isinstance(value, str) and " " in value, said):
        assert reason.rstrip(".") not in replies.denied(Interpretation("DoorOpen", {}), reason).text
        assert reason.rstrip(".") not in replies.confirmation(Interpretation("DoorOpen", {}), reason).text


def test_numbers_of_a_reason_are_kept_in_their_order():
    replies = Replies.load(GRAMMARS / "de" / "replies.yaml")
    reply = replies.denied(Interpretation("ClimateSetTemperature", {}), "It only goes from -5.5 to 30.")
    assert reply.text == "Das geht nicht: es geht nur von -5.5 bis 30."


def test_a_reason_the_language_lacks_is_said_as_it_is():
    replies = Replies.load(GRAMMARS / "de" / "replies.yaml")
    reply = replies.denied(Interpretation("DoorOpen", {}), "No such rule.")
    assert reply.text == "Das geht nicht: no such rule."
