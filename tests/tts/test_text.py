"""What is written and what is said, and where text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carvoice.errors import ConfigError
from carvoice.tts import SentenceChunker, Speller, speech_pieces, speller


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("The temperature is 21.5 °C.", "The temperature is twenty-one point five degrees."),
        ("Fan at 30%", "Fan at thirty percent"),
        ("It is -5°C outside", "It is minus five degrees outside"),
        ("120 km/h", "one hundred twenty kilometers per hour"),
        ("1 km", "one kilometer"),
        ("2 km.", "two kilometers."),
        ("It's 7:05", "It's seven oh five"),
        ("at 18:00", "at eighteen o'clock"),
        ("1,250 m", "one thousand two hundred fifty meters"),
        ("A/C on", "A C on"),
        ("e.g. 3-5 bar", "for example three to five bar"),
        ("call 0049", "call zero zero four nine"),
        ("call 555-1234", "call five five five one two three four"),
        ("call 212-555-1234", "call two one two five five five one two three four"),
        ("call +49 89 12345", "call plus four nine eight nine one two three four five"),
        ("It is 0 °C", "It is zero degrees"),
        ("It is -0.5 °C", "It is minus zero point five degrees"),
        ("It is −12.5°C", "It is minus twelve point five degrees"),
        ("72 °F", "seventy-two degrees Fahrenheit"),
        ("-1 °F", "minus one degree Fahrenheit"),
        ("in °C", "in degrees"),
        ("-5 to -10 °C", "minus five to minus ten degrees"),
        ("20–25 °C", "twenty to twenty-five degrees"),
        ("100 %", "one hundred percent"),
        ("0.5%", "zero point five percent"),
        ("50 km/h", "fifty kilometers per hour"),
        ("in km/h", "in kilometers per hour"),
        ("1 mph", "one mile per hour"),
        ("3.2 kWh", "three point two kilowatt hours"),
        ("1 kWh", "one kilowatt hour"),
        ("18 kWh/100 km", "eighteen kilowatt hours per hundred kilometers"),
        ("6.5 l/100 km", "six point five liters per hundred kilometers"),
        ("2.4 bar", "two point four bar"),
        ("36 psi", "thirty-six P S I"),
        ("240 kPa", "two hundred forty kilopascals"),
        ("101.3 FM", "one hundred one point three F M"),
        ("89.5 MHz", "eighty-nine point five megahertz"),
        ("AM 1010", "A M one thousand ten"),
        ("DAB+", "D A B plus"),
        ("12:00", "twelve o'clock"),
        ("00:00", "midnight"),
        ("0:15", "zero fifteen"),
        ("5:30 pm", "five thirty P M"),
        ("at 7 a.m. sharp", "at seven A M sharp"),
        ("It's 7 p.m.", "It's seven P M."),
        ("8:00 AM", "eight A M"),
        ("1h 20min", "one hour twenty minutes"),
        ("1st, 2nd, 21st and 100th", "first, second, twenty-first and one hundredth"),
        ("$5.50", "five dollars fifty"),
        ("£1.00", "one pound"),
        ("€20", "twenty euros"),
        ("1/2 full", "one half full"),
        ("3/4", "three quarters"),
        ("24/7", "twenty-four seven"),
        ("in 2024", "in twenty twenty-four"),
        ("12 V", "twelve volts"),
        ("1000 rpm", "one thousand revolutions per minute"),
        ("since 1999", "since nineteen ninety-nine"),
        ("3rd gear", "third gear"),
        ("**bold** [link](http://x.y)", "bold link"),
        ("The answer is no.", "The answer is no."),
        ("22.0 degrees", "twenty-two degrees"),
        ("\x01120S hi", "120S hi"),
        ("😀", ""),
        ("", ""),
    ],
)
def test_what_is_written_is_said_as_a_person_would(written: str, said: str) -> None:
    assert speller().spoken(written) == said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("21,5 °C", "einundzwanzig Komma fünf Grad"),
        ("21.5 °C", "einundzwanzig Komma fünf Grad"),
        ("-3 °C", "minus drei Grad"),
        ("1 °C", "ein Grad"),
        ("-1 °C", "minus ein Grad"),
        ("1 kWh", "eine Kilowattstunde"),
        ("1.250 km", "eintausendzweihundertfünfzig Kilometer"),
        ("1.250,5 km", "eintausendzweihundertfünfzig Komma fünf Kilometer"),
        ("um 7:05", "um sieben Uhr fünf"),
        ("18:00", "achtzehn Uhr"),
        ("z. B. 3-5 bar", "zum Beispiel drei bis fünf Bar"),
        ("€ 5,50", "fünf Euro fünfzig"),
        ("€1,50", "ein Euro fünfzig"),
        ("seit 1999", "seit neunzehnhundertneunundneunzig"),
        ("101,3 MHz", "einhunderteins Komma drei Megahertz"),
        ("3/4 voll", "drei Viertel voll"),
    ],
)
def test_german_is_said_in_german(written: str, said: str) -> None:
    assert speller("de").spoken(written).replace("\u00ad", "") == said


@given(st.text(max_size=80))
def test_voices_never_get_control_characters_or_markup_only(text: str) -> None:
    said = speller().spoken(text)
    assert not any(ord(character) < 32 for character in said)
    assert said == "" or any(character.isalnum() for character in said)


def test_an_unknown_language_says_what_to_do(tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"xx\.yaml.*add the file"):
        Speller("en", tmp_path / "xx.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("units: {}")
    with pytest.raises(ConfigError, match="needs the tables"):
        Speller("en", bad)


def test_sentences_are_cut_where_they_end() -> None:
    assert speech_pieces("Dr. Smith drives 3.5 km. He is e.g. late! Really?") == [
        "Dr. Smith drives 3.5 km.",
        "He is e.g. late!",
        "Really?",
    ]


def test_the_first_piece_of_a_long_sentence_comes_early() -> None:
    chunker = SentenceChunker()
    assert chunker.feed("When the oil light comes on,") == []
    assert chunker.feed(" stop the car as soon as it is safe") == ["When the oil light comes on,"]
    assert chunker.feed(", then wait five minutes or so.") == []
    assert chunker.flush() == ["stop the car as soon as it is safe, then wait five minutes or so."]


def test_a_text_without_end_is_still_heard() -> None:
    assert max(len(piece) for piece in speech_pieces("la " * 500)) <= 240


@given(st.text(alphabet="ab .,!?\n12", max_size=300), st.lists(st.integers(1, 20), max_size=50))
def test_nothing_is_lost_however_the_text_arrives(text: str, sizes: list[int]) -> None:
    chunker = SentenceChunker()
    pieces: list[str] = []
    rest = text
    for size in sizes:
        pieces += chunker.feed(rest[:size])
        rest = rest[size:]
    pieces += chunker.feed(rest) + chunker.flush()
    assert "".join("".join(pieces).split()) == "".join(text.split())
