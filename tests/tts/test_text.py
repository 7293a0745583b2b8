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
