"""Differential test: what hassil matches, we match with the same intent and slots."""

from hassil.intents import Intents
from hassil.recognize import recognize_best
from hassil.sample import sample_intents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yaml import safe_dump

from carvoice.grammar import compile_grammar, parse_grammar
from carvoice.nlu.exact import ExactParser

WORDS = ["turn", "on", "off", "the", "light", "lights", "set", "to", "in", "go", "now", "a", "l'", "wi-fi"]
plain = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)


def combine(inner):
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        several.map(" ".join),
        several.map(lambda parts: f"({'|'.join(parts)})"),
        several.map(lambda parts: f"({';'.join(parts)})"),
        inner.map("[{}]".format),
        plain.map("light[{}]".format),
    )


body = st.recursive(
    st.one_of(plain, st.sampled_from(["{room}", "{room:where}", "{level}", "{odd:number}", "<where>"])),
    combine,
    max_leaves=6,
)
sentence = body.map(lambda text: f"go {text}")
block = st.fixed_dictionaries(
    {"sentences": st.lists(sentence, min_size=1, max_size=3)},
    optional={"slots": st.just({"zone": "all"})},
)
grammars = st.dictionaries(
    st.sampled_from(["Alpha", "Beta", "Gamma"]),
    st.fixed_dictionaries({"data": st.lists(block, min_size=1, max_size=2)}),
    min_size=1,
    max_size=3,
)
COMMON = {
    "language": "en",
    "lists": {
        "room": {"values": ["kitchen", "living room", {"in": "(big|small) hall", "out": "hall"}, "light"]},
        "level": {"range": {"from": 1, "to": 30}},
        "odd": {"range": {"from": 1, "to": 9, "step": 2}},
    },
    "expansion_rules": {"where": "in [the] {room}"},
    "skip_words": ["please"],
}


def entities(result):
    return {name: entity.value for name, entity in result.entities.items()}


def values(reading):
    return {name: slot.value for name, slot in reading.slots.items()}


def check(document, text):
    """True if hassil matches; then we must agree, except where it leaves the choice to chance."""
    theirs = recognize_best(text, Intents.from_dict(document))
    ours = ExactParser(compile_grammar(parse_grammar(safe_dump(document)))).parse(text)
    if theirs is None:
        return False
    assert ours, (text, theirs.intent.name)
    assert ours[0].intent == theirs.intent.name, text
    same = [values(reading) for reading in ours if reading.intent == ours[0].intent]
    assert entities(theirs) in same, text
    return True


@given(grammars, st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_agrees_on_sampled_sentences(intents, data):
    document = {**COMMON, "intents": intents}
    sampled = sample_intents(Intents.from_dict(document), max_sentences_per_intent=40)
    texts = sorted({text for _, text in sampled})
    for text in data.draw(st.lists(st.sampled_from(texts), min_size=1, max_size=4)):
        noisy = data.draw(st.sampled_from([text, text.upper(), f"Please, {text}!", text.replace("-", " ")]))
        check(document, noisy)


CASES = {
    "wildcards": ("play {song} by {artist} in {place}", "play {song} by {artist}", "play {song}"),
}
MUSIC = {
    "language": "en",
    "lists": {"song": {"wildcard": True}, "artist": {"wildcard": True}, "place": {"values": ["the car"]},
              "percent": {"range": {"from": 0, "to": 100}},
              "half": {"range": {"from": 1, "to": 9, "fractions": "halves"}}},
    "intents": {
        "Play": {"data": [{"sentences": list(CASES["wildcards"])}]},
        "Volume": {"data": [{"sentences": ["volume [to] {percent}[ ]%",
                                            "volume step {0..100,10:percent}", "volume {percent} percent"]}]},
        "Heat": {"data": [{"sentences": ["heat {half} degrees"]}]},
    },
}  # fmt: skip


def test_agrees_on_wildcards_and_numbers():
    for text in (
        "play yesterday",
        "play Yesterday by The Beatles",
        "play stand by me by Ben King in the car",
        "Play stand by me.",
        "volume 50%",
        "volume step 30",
        "volume to 50 %",
        "volume fifty percent",
        "volume fifty-five percent",
        "heat 2.5 degrees",
        "heat 2 degrees",
        "heat two point five degrees",
    ):
        assert check(MUSIC, text), text


NESTED = {
    "language": "en",
    "lists": {
        "side": {"values": ["left", {"in": "(right|other) hand", "out": "right"}]},
        "row": {"range": {"from": 1, "to": 3}},
        "seat": {
            "values": ["{side} seat", {"in": "[the] bench in row {row}", "out": "bench"}, "<all_of> rows"]
        },
    },
    "expansion_rules": {"all_of": "all {row:count}"},
    "intents": {"Heat": {"data": [{"sentences": ["heat {seat}", "warm {seat:what} [now]"]}]}},
}


def test_agrees_on_list_values_that_name_lists():
    for text in (
        "heat left seat",
        "heat other hand seat",
        "heat the bench in row two",
        "heat bench in row 2",
        "warm right hand seat now",
        "warm all three rows",
    ):
        assert check(NESTED, text), text


def test_number_out_of_range_is_refused():
    parser = ExactParser(compile_grammar(parse_grammar(safe_dump(MUSIC))))
    for text in ("volume 101%", "volume -1 percent", "heat 2.3 degrees", "heat 10 degrees", "volume 5.5%"):
        assert parser.parse(text) == []


HOME = {
    "language": "en",
    "lists": {
        "name": {
            "values": [
                {"in": "lamp", "out": "light.lamp", "context": {"domain": "light"}},
                {"in": "lamp", "out": "switch.lamp", "context": {"domain": "switch"}},
                {"in": "door", "out": "cover.door", "context": {"domain": "cover"}, "metadata": {"a": 1}},
            ]
        }
    },
    "intents": {
        "Switch": {
            "data": [
                {"sentences": ["turn on {name}"], "requires_context": {"domain": ["switch"]}},
                {"sentences": ["turn off {name}"], "excludes_context": {"domain": "light"}},
            ]
        },
        "Light": {"data": [{"sentences": ["dim {name}"], "requires_context": {"domain": "light"}}]},
        "Here": {
            "data": [{"sentences": ["lights on"], "requires_context": {"area": {"slot": True}}}],
        },
        "Key": {"data": [{"sentences": ["run {name}"], "required_keywords": ["run"]}]},
    },
}


def test_agrees_on_context():
    intents = Intents.from_dict(HOME)
    parser = ExactParser(compile_grammar(parse_grammar(safe_dump(HOME))))
    for text in (
        "turn on lamp",
        "turn on door",
        "turn off lamp",
        "dim lamp",
        "dim door",
        "lights on",
        "run door",
    ):
        for context in ({}, {"area": "hall"}, {"domain": "light"}, {"area": {"value": "hall"}}):
            theirs = recognize_best(text, intents, intent_context=context)
            ours = parser.parse(text, context)
            if theirs is None:
                assert ours == [], (text, context)
            else:
                assert ours[0].intent == theirs.intent.name
                assert values(ours[0]) == entities(theirs), (text, context)
