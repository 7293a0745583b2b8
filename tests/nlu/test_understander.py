"""Commands as people say them, with a small grammar and a hand-written lexicon."""

import pytest

from carvoice.grammar import compile_grammar, parse_grammar
from carvoice.nlu import Understander, UnderstanderSettings
from carvoice.nlu.confidence import MOST_INCOMPLETE
from carvoice.nlu.exact import MAX_EXPECTED, ExactParser
from carvoice.nlu.understander import Context
from carvoice.records import Hypothesis, PrefixState

GRAMMAR = """
language: en
skip_words: [please, could you]
lists:
  what: {values: [{in: window, out: window}, {in: sunroof, out: roof}, {in: trunk|boot, out: trunk}]}
  degrees: {range: {from: 16, to: 28, fractions: halves}}
intents:
  Open: {data: [{sentences: ["open [the] {what}"]}]}
  Close: {data: [{sentences: ["(close|shut) [the] {what}"]}]}
  Radio: {data: [{sentences: ["turn (on|up) the radio", "radio"], slots: {state: "on"}}]}
  RadioOff: {data: [{sentences: ["no radio"]}]}
  Temperature: {data: [{sentences: ["set [the] temperature to {degrees} [degrees]"]}]}
"""
SOUNDS = {
    "set": "s eh t", "said": "s eh d", "the": "dh ah", "temperature": "t eh m p r ah ch er",
    "to": "t uw", "too": "t uw", "two": "t uw", "twenty": "t w eh n t iy", "one": "w ah n", "won": "w ah n",
    "window": "w ih n d ow", "widow": "w ih d ow", "open": "ow p ah n", "opened": "ow p ah n d",
    "close": "k l ow z", "clothes": "k l ow z", "shut": "sh ah t", "sunroof": "s ah n r uw f",
    "trunk": "t r ah ng k", "boot": "b uw t", "turn": "t er n", "on": "aa n", "up": "ah p",
    "radio": "r ey d iy ow", "i": "ay", "yesterday": "y eh s t er d ey", "don't": "d ow n t",
    "weather": "w eh dh er", "what": "w ah t", "is": "ih z", "like": "l ay k", "uh": "ah",
}  # fmt: skip


class Sounds:
    def pronunciations(self, word):
        return (tuple(SOUNDS[word].split()),) if word in SOUNDS else (("k", "l", "s", "m", "p"),)

    def usual_pronunciation(self, word):
        return self.pronunciations(word)[0]

    def learn(self, words):
        pass


@pytest.fixture(scope="module")
def understander():
    return Understander(compile_grammar(parse_grammar(GRAMMAR)), Sounds())


def meaning(found):
    return [(item.intent, item.values) for item in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Open the window.", [("Open", {"what": "window"})]),
        ("could you open the boot, please?", [("Open", {"what": "trunk"})]),
        ("set the temperature to 21.5", [("Temperature", {"degrees": 21.5})]),
        ("set the temperature to twenty one no twenty two", [("Temperature", {"degrees": 22})]),
        ("open the window and turn on the radio", [("Open", {"what": "window"}), ("Radio", {"state": "on"})]),
        ("set the radio no radio", [("RadioOff", {})]),
        ("open the window and open the window", [("Open", {"what": "window"})]),
        ("open the window and the sunroof", [("Open", {"what": "window"}), ("Open", {"what": "roof"})]),
        ("open the window then shut the trunk and set the temperature to 20",
         [("Open", {"what": "window"}), ("Close", {"what": "trunk"}), ("Temperature", {"degrees": 20})]),
        # near misses
        ("said the temperature too twenty won", [("Temperature", {"degrees": 21})]),
        ("clothes the widow", [("Close", {"what": "window"})]),
        ("open window uh", [("Open", {"what": "window"})]),
        ("open the widow and turn on radio", [("Open", {"what": "window"}), ("Radio", {"state": "on"})]),
    ],
)  # fmt: skip
def test_understands(understander, text, expected):
    assert meaning(understander.parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "...", "what is the weather like", "don't open the window", "i opened the window yesterday",
     "open", "yesterday", "x" * 10_000, "open " * 2000, "日本語", "the the the the"],
)  # fmt: skip
def test_rejects(understander, text):
    (found,) = understander.parse(text)
    assert found.rejected
    assert found.intent == ""


def test_slots_carry_their_place(understander):
    text = "Please, open the BOOT!"
    slot = understander.parse(text)[0].slots["what"]
    assert text[slot.start : slot.end] == slot.text == "BOOT"
    text = "clothes the widow"
    slot = understander.parse(text)[0].slots["what"]
    assert (slot.value, text[slot.start : slot.end]) == ("window", "widow")
    text = "open the window and shut the trunk"
    second = understander.parse(text)[1].slots["what"]
    assert text[second.start : second.end] == "trunk"


def test_an_alternative_that_fits_is_taken(understander):
    heard = Hypothesis("weather like is what", alternatives=("open the window",), is_final=True)
    (found,) = understander.parse(heard)
    assert found.values == {"what": "window"}


def test_an_alternative_to_silence_is_no_command(understander):
    (found,) = understander.parse(Hypothesis("", alternatives=("open the window",), is_final=True))
    assert found.rejected


def test_confidence_falls_with_distance(understander):
    sure = understander.parse("open the window")[0].confidence
    near = understander.parse("open the widow")[0].confidence
    assert 0.5 < near < sure <= 1.0


def test_prefixes(understander):
    for text, state in (
        ("", PrefixState.VIABLE),
        ("open", PrefixState.VIABLE),
        ("open the window", PrefixState.FINAL),
        ("set the temperature to twenty", PrefixState.COMPLETE),
        ("set the temperature to twenty one", PrefixState.COMPLETE),
        ("weather", PrefixState.DEAD),
    ):
        assert understander.prefix(text) is state, text


def test_letters_do_without_a_lexicon():
    understander = Understander(compile_grammar(parse_grammar(GRAMMAR)))
    assert meaning(understander.parse("opne the sunrof")) == [("Open", {"what": "roof"})]
    assert understander.parse("what is this")[0].rejected


def test_near_misses_can_be_switched_off():
    settings = UnderstanderSettings(near_misses=False)
    understander = Understander(compile_grammar(parse_grammar(GRAMMAR)), Sounds(), settings)
    assert understander.parse("clothes the widow")[0].rejected


@pytest.mark.parametrize(("confidence", "intent"), [(0.95, "Open"), (0.2, "")])
def test_words_the_recognizer_doubts_are_no_command(confidence, intent):
    understander = Understander(compile_grammar(parse_grammar(GRAMMAR)))
    heard = Hypothesis("open the window", is_final=True, confidence=confidence)
    (reading,) = understander.parse(heard)
    assert reading.intent == intent
    assert reading.confidence == pytest.approx(confidence, abs=0.01)
    assert (reading.rejected is None) == bool(intent)


def test_each_of_several_commands_must_have_been_said(understander):
    text = "open the window and close the trunk and open the sunroof"
    found = understander.parse(Hypothesis(text, is_final=True, confidence=0.95))
    assert [item.confidence for item in found] == [pytest.approx(0.95**3, abs=0.01)] * 3
    assert min(item.confidence for item in understander.parse(text)) > 0.99


def test_a_reason_beside_a_command(understander):
    found = understander.parse("it's stuffy open the sunroof")
    assert meaning(found) == [("Open", {"what": "roof"})]
    assert found[0].slots["what"].text == "sunroof"
    assert "it's stuffy open the sunroof"[found[0].slots["what"].start :] == "sunroof"
    assert meaning(understander.parse("open the sunroof it's stuffy")) == [("Open", {"what": "roof"})]
    assert understander.parse("i can't open the sunroof")[0].rejected
    assert understander.parse("i'm happy they open the sunroof")[0].rejected


def test_a_wish_about_it_beside_a_reason_is_asked_for():
    grammar = """
    language: en
    intents: {Louder: {data: [{sentences: ["make (it|the music) louder"]}]}}
    """
    music = Understander(compile_grammar(parse_grammar(grammar)))
    assert music.parse("i can't hear the sat nav make it louder")[0].confidence <= MOST_INCOMPLETE
    assert music.parse("it's too quiet make the music louder")[0].confidence > MOST_INCOMPLETE


def test_a_reason_completes_what_the_command_leaves_open():
    grammar = """
    language: en
    lists: {whose: {values: [{in: my, out: talker}]}}
    intents:
      Heat: {data: [{sentences: ["heat (the|{whose:zone}) seat", "{whose:zone} seat is icy"]}]}
    """
    heated = Understander(compile_grammar(parse_grammar(grammar)))
    assert meaning(heated.parse("my seat is icy heat the seat")) == [("Heat", {"zone": "talker"})]
    assert meaning(heated.parse("my seat is icy do something")) == [("Heat", {"zone": "talker"})]


def test_words_that_were_expected_mean_what_they_mean(understander, monkeypatch):
    texts = ["open the window", "open the wind", "turn on the radio", "what is the weather like"]
    before = {text: understander.parse(text) for text in texts}
    for text in texts * 2:
        understander.expect(text)
    matched = []
    match_text = understander.exact._matcher.match_text

    class Matcher:
        def match_text(self, text, any_number=False):
            matched.append(text)
            return match_text(text, any_number)

    monkeypatch.setattr(understander.exact, "_matcher", Matcher())
    assert understander.parse("open the window") == before["open the window"]
    assert matched == []  # nothing was left to do
    monkeypatch.undo()
    assert {text: understander.parse(text) for text in texts} == before
    for number in range(100):  # bounded
        understander.expect(f"open the {number}")
    assert len(understander.exact._expected) <= MAX_EXPECTED


def test_what_is_expected_is_asked_anew_when_more_is_known():
    grammar = """
language: en
intents:
  Louder:
    data:
      - sentences: ["a bit more"]
        requires_context: {doing: sound}
      - sentences: ["more"]
"""
    understander = Understander(compile_grammar(parse_grammar(grammar)), Sounds())
    understander.expect("a bit more")
    said = understander.parse("a bit more", Context({"doing": "sound"}))
    assert [item.intent for item in said] == ["Louder"]
    assert understander.parse("a bit more", Context({"doing": "heat"}))[0].rejected


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("set it to a hundred", {"percent": 100}),
        ("set the timer to a hundred hours", {"hours": 100}),
        ("stop the one hundred hours timer", {"hours": 100}),
        ("stop the a hundred hours timer", {"name": "a hundred hours"}),  # no number has two articles
        ("stop the 100 hours timer", {"hours": 100}),
    ],
)
def test_a_hundred_has_its_article_already(text, values):
    grammar = """
language: en
lists:
  percent: {range: {from: 0, to: 100}}
  hours: {range: {from: 1, to: 100}}
  name: {wildcard: true}
intents:
  Percent: {data: [{sentences: ["set it to {percent}"]}]}
  Timer: {data: [{sentences: ["set [the] timer to {hours} hours", "stop [the] {hours} hours timer",
                              "stop [the] {name} timer"]}]}
"""
    parser = ExactParser(compile_grammar(parse_grammar(grammar)))
    readings = parser.parse(text)
    assert {name: slot.value for name, slot in readings[0].slots.items()} == values
