"""The shipped grammars do what their tests say, and everything they can say has an action and a reply."""

from __future__ import annotations

import os
import zlib
from collections import Counter
from string import Formatter

import pytest
from hassil import recognize_all
from hassil.intents import TextSlotList
from shipped import (
    GRAMMARS,
    LANGUAGES,
    PLACEHOLDER,
    actions,
    combinations,
    counts,
    expected,
    intents,
    paths_of,
    references,
    replies,
    signal_of,
    slot_values,
)

from carvoice.errors import CarError
from carvoice.grammar import compile_grammar, load_grammar
from carvoice.nlu.exact import ExactParser
from carvoice.records import Evidence
from carvoice.resources import data_path
from carvoice.vehicle.car import Car
from carvoice.vehicle.planner import Actions, instance

# hassil takes milliseconds a sentence: one in forty is checked, all with CARVOICE_FULL=1.
HASSIL_SHARE = 1 if os.environ.get("CARVOICE_FULL") else 40
# What needs no place in a table: "talker" is resolved to the zone of the one who spoke.
RESOLVED = {"talker"}
# Seats without motors: the planner says that this car does not have it.
NOT_IN_EVERY_CAR = {"front_seat": {"rear", "rear_left", "rear_right"}}
MINIMA = {
    "en": {
        "intents": 120,
        "intent and slot combinations": 200,
        "templates": 600,
        "test sentences": 4000,
        "test sentences that must be rejected": 500,
    },
    "de": {
        "intents": 40,
        "templates": 150,
        "test sentences": 400,
        "test sentences that must be rejected": 80,
    },
}

language = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module")
def parsers():
    cache: dict[str, ExactParser] = {}

    def parser(language: str) -> ExactParser:
        if language not in cache:
            grammar = load_grammar(GRAMMARS / language, language=language)
            cache[language] = ExactParser(compile_grammar(grammar))
        return cache[language]

    return parser


@language
def test_it_is_as_large_as_promised(language):
    size = counts(language)
    assert {name: size[name] for name, least in MINIMA[language].items() if size[name] < least} == {}


@language
def test_every_sentence_has_one_reading_and_it_is_the_right_one(language, parsers):
    parser = parsers(language)
    wrong = {}
    for sentence in expected(language):
        readings = {
            (reading.intent, tuple(sorted((name, slot.value) for name, slot in reading.slots.items())))
            for reading in parser.parse(sentence.text)
        }
        if readings != ({(sentence.intent, sentence.slots)} if sentence.intent else set()):
            wrong[sentence.text] = readings
    assert wrong == {}


@language
def test_hassil_reads_them_the_same_way(language):
    wrong = {}
    for sentence in expected(language):
        if zlib.crc32(sentence.text.encode()) % HASSIL_SHARE:
            continue
        results = recognize_all(sentence.text, intents(language))
        readings = {
            (result.intent.name, tuple(sorted((e.name, e.value) for e in result.entities_list)))
            for result in results
        }
        if readings != ({(sentence.intent, sentence.slots)} if sentence.intent else set()):
            wrong[sentence.text] = readings
    assert wrong == {}


@language
def test_no_sentence_is_listed_twice(language):
    times = Counter(sentence.text for sentence in expected(language))
    assert [text for text, count in times.items() if count > 1] == []


@language
def test_every_list_and_rule_is_used(language):
    loaded = intents(language)
    used_lists = {
        reference.list_name
        for intent in loaded.intents.values()
        for block in intent.data
        for sentence in block.sentences
        for reference in references(language, block, sentence.expression)
    }
    assert set(loaded.slot_lists) - used_lists == set()
    text = "".join(path.read_text() for path in (GRAMMARS / language).glob("*.yaml"))
    assert {rule for rule in loaded.expansion_rules if f"<{rule}>" not in text} == set()


@language
def test_every_intent_and_every_value_of_a_list_is_spoken_in_a_test(language):
    spoken = {sentence.intent for sentence in expected(language)}
    assert set(intents(language).intents) - spoken == set()
    said = {(name, value) for sentence in expected(language) for name, value in sentence.slots}
    missing = set()
    loaded = intents(language)
    for intent in loaded.intents.values():
        for block in intent.data:
            for sentence in block.sentences:
                for reference in references(language, block, sentence.expression):
                    values = loaded.slot_lists.get(reference.list_name)
                    if isinstance(values, TextSlotList) and reference.list_name != "frequency_oh":
                        missing |= {
                            (reference.slot_name, v.value_out)
                            for v in values.values
                            if (reference.slot_name, v.value_out) not in said
                        }
    assert missing == set()


@language
def test_every_intent_has_an_action(language):
    assert set(intents(language).intents) - set(actions()["intents"]) == set()


def test_english_reaches_every_action():
    assert set(actions()["intents"]) - set(intents("en").intents) == set()


@language
@pytest.mark.parametrize("intent", sorted(actions()["intents"]))
def test_what_can_be_said_can_be_planned(language, intent):
    values = slot_values(language).get(intent)
    if values is None:
        return  # not in this language
    action = actions()["intents"][intent]
    tables = actions()["tables"]
    default = action.get("default", {})
    for step in action.get("steps", ()):
        signal = actions()["signals"][signal_of(step["path"])]
        for slot, table in PLACEHOLDER.findall(step["path"]):
            can_be = values.get(slot, set()) | ({default[slot]} if slot in default else set())
            unknown = can_be - set(tables[table]) - RESOLVED - NOT_IN_EVERY_CAR.get(table, set())
            assert unknown == set(), f"{slot} in table {table}"
            required = slot not in default and slot != "zone"
            if required:
                assert all(slot in slots for slots in combinations(language)[intent]), (
                    f"{slot} may be missing"
                )
        for key in ("value", "direction"):
            reference = step.get(key)
            if not (isinstance(reference, str) and reference.startswith("{")):
                continue
            slot = reference.strip("{}")
            assert all(slot in slots for slots in combinations(language)[intent]), f"{slot} may be missing"
            mapping = step.get("map")
            mapping = tables[mapping] if isinstance(mapping, str) else mapping
            results = values[slot]
            if mapping is not None:
                assert results - set(mapping) == set(), f"{slot} has values that are in no map"
                results = {mapping[value] for value in results}
            if key == "direction":
                assert results <= {"up", "down"}
            else:
                check_values(results, signal, has_unit="unit" in step)
        if step["kind"] == "set" and not str(step["value"]).startswith("{"):
            check_values({step["value"]}, signal, has_unit=False)
        if step["kind"] != "get":
            assert signal["access"] == "actuator"


def check_values(values, signal, has_unit):
    if signal["type"] == "boolean":
        assert all(isinstance(value, bool) for value in values)
    elif "allowed" in signal:
        assert values <= set(signal["allowed"])
    elif "min" in signal and not has_unit:
        # A number that was spoken may be out of range: the gate refuses it. None may be out of reach.
        assert min(values) <= signal["max"]
        assert max(values) >= signal["min"]


@language
def test_every_intent_has_words_for_every_evidence(language):
    table = replies(language)
    assert {level.value for level in Evidence} <= set(table["evidence"])
    for name in intents(language).intents:
        action = actions()["intents"][name]
        if "dialogue" in action:
            assert action["dialogue"] in table["dialogue"], name
            continue
        reply = table["intents"][name]
        reads = all(step["kind"] == "get" for step in action["steps"])
        assert {"do", "answer" if reads else "done"} <= set(reply), name


@language
@pytest.mark.parametrize("section", ["evidence", "system", "dialogue", "follow_ups"])
def test_every_language_says_the_same_things(language, section):
    assert replies(language)[section].keys() == replies("en")[section].keys()


@language
def test_the_fields_of_replies_can_always_be_filled(language):
    table = replies(language)
    always = {"value", "reason", "list", "do"}
    for name in intents(language).intents:
        if "steps" not in actions()["intents"][name]:
            continue
        values = slot_values(language)[name]
        default = actions()["intents"][name].get("default", {})
        certain = frozenset.intersection(*map(frozenset, combinations(language)[name])) | set(default)
        for key, sentence in table["intents"][name].items():
            if not isinstance(sentence, str):
                continue
            for _, field, _, _ in Formatter().parse(sentence):
                if field is None or field in always:
                    continue
                if field in table["fields"]:
                    entry = table["fields"][field]
                    can_be = {str(value) for value in values.get(entry["slot"], ())}
                    assert can_be - set(map(str, entry["words"])) <= {"other"}, f"{name}.{key}: {field}"
                else:
                    assert field in certain, f"{name}.{key}: {{{field}}} may be missing"


def test_the_demo_car_has_every_signal():
    car = Car.load(data_path("cars", "demo", "demo.toml"))
    table = Actions.load(GRAMMARS / "actions.yaml")
    missing = set()
    for action in actions()["intents"].values():
        for step in action.get("steps", ()):
            for path in paths_of(step["path"]):
                try:
                    instance(car, table, path)
                except CarError:
                    missing.add(path)
    assert missing == set()
