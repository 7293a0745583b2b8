"""Every test sentence's meaning can be planned for the demo car, and every outcome of it can be spoken."""

from __future__ import annotations

import re
from functools import cache

import pytest
from shipped import GRAMMARS, LANGUAGES, actions, expected

from carvoice.dialogue.replies import Replies
from carvoice.errors import CarError
from carvoice.records import Action, ActionKind, Actuation, Evidence, Interpretation, Slot, Zone
from carvoice.resources import data_path
from carvoice.vehicle.car import Car
from carvoice.vehicle.planner import Actions, Planner
from carvoice.vehicle.state import Reading

LONGEST_REPLY = 110  # characters: about six seconds of speech
NO_MOTORS = "table 'front_seat'"  # the rear seats of the demo car do not move

language = pytest.mark.parametrize("language", LANGUAGES)


class MiddlingState:
    """A car in which every signal is in the middle of its range."""

    def __init__(self, car: Car) -> None:
        self._car = car

    def get(self, path: str) -> Reading:
        node = self._car.find(path)
        if node.is_numeric:
            return Reading(node.cast((node.low + node.high) / 2), 0.0)
        return Reading(False if node.datatype == "boolean" else next(iter(node.allowed), ""), 0.0)


@cache
def car() -> Car:
    return Car.load(data_path("cars", "demo", "demo.toml"))


@cache
def meanings(language: str) -> tuple[Interpretation, ...]:
    """One interpretation for each intent and slots in the tests."""
    distinct = {(sentence.intent, sentence.slots): sentence.text for sentence in expected(language)}
    return tuple(
        Interpretation(intent, {name: Slot(value) for name, value in slots}, text=text)
        for (intent, slots), text in distinct.items()
        if intent
    )


@language
def test_every_meaning_can_be_planned(language):
    planner = Planner(car(), Actions.load(GRAMMARS / "actions.yaml"))
    state = MiddlingState(car())
    problems = {}
    for meaning in meanings(language):
        acts = "steps" in actions()["intents"][meaning.intent]
        try:
            planned = planner.plan(meaning, state, Zone.DRIVER)
        except CarError as error:
            if NO_MOTORS not in str(error):
                problems[meaning.text] = str(error)
            continue
        if bool(planned) != acts:
            problems[meaning.text] = f"{len(planned)} actions"
        for action in planned:
            try:
                if action.value is not None:
                    car().find(action.path).cast(action.value)
            except CarError as error:
                problems[meaning.text] = str(error)
    assert problems == {}


@language
def test_every_outcome_can_be_spoken(language):
    replies = Replies.load(GRAMMARS / language / "replies.yaml")
    state = MiddlingState(car())
    planner = Planner(car(), Actions.load(GRAMMARS / "actions.yaml"))
    odd = {}
    for meaning in meanings(language):
        try:
            planned = planner.plan(meaning, state, Zone.DRIVER)
        except CarError:
            continue
        if not planned:
            continue
        sentences = {
            "denied": replies.denied(meaning, "The car is moving").text,
            "confirm": replies.confirmation(meaning).text,
        }
        for evidence in Evidence:
            actuations = [actuation(action, evidence, state) for action in planned]
            sentences[evidence.value] = replies.outcome(meaning, actuations).text
        for kind, sentence in sentences.items():
            if complaint := complain(sentence):
                odd[f"{meaning.intent} {meaning.values} {kind}"] = f"{complaint}: {sentence!r}"
    assert odd == {}


def actuation(action: Action, evidence: Evidence, state: MiddlingState) -> Actuation:
    reads = action.kind is ActionKind.GET
    value = state.get(action.path).value if reads else action.value
    return Actuation(action, evidence, value=value if evidence is Evidence.ACTUATED else None)


def complain(sentence: str) -> str:
    """What is wrong with a sentence that is to be spoken, "" if nothing is."""
    if not sentence:
        return ""  # said by what happens
    if re.search(r"[{}_]|  | [.,]|None", sentence):
        return "not speech"
    if not (sentence[0].isupper() or sentence[0].isdigit()) or sentence[-1] not in ".?!":
        return "not a sentence"
    return "too long" if len(sentence) > LONGEST_REPLY else ""
