from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carvoice.errors import AnswerError
from carvoice.llm.sentences import CutShort, sound_sentences, split_sentences, whole_sentences


def test_a_sentence_comes_as_soon_as_the_next_begins() -> None:
    pulled: list[str] = []

    def pieces():
        for piece in ("It is ", "2.5 bar. ", "Check it cold", "."):
            pulled.append(piece)
            yield piece

    sentences = whole_sentences(pieces())
    assert next(sentences) == "It is 2.5 bar."
    assert pulled == ["It is ", "2.5 bar. "]
    assert list(sentences) == ["Check it cold."]


@pytest.mark.parametrize(
    "text",
    [
        "Use e.g. the jack.",
        "Ask Dr. Smith.",
        "It takes 5.5 litres of oil.",
        "1. Stop the car",
        "Do as follows: 1. Stop the car",
        "Mr. J. Smith drives.",
    ],
)
def test_a_stop_that_ends_no_sentence(text: str) -> None:
    assert split_sentences(text) == [text]


def test_ends() -> None:
    assert split_sentences('Stop! "Why?" Because. Fine…  ok') == [
        "Stop!",
        '"Why?"',
        "Because.",
        "Fine…",
        "ok",
    ]
    assert split_sentences("one\ntwo\n\nthree") == ["one", "two", "three"]
    assert split_sentences("No. Never do it.") == ["No.", "Never do it."]


def test_the_half_sentence_of_a_broken_stream_is_dropped() -> None:
    def pieces():
        yield "First one. Second wi"
        raise OSError("cut")

    got: list[str] = []
    with pytest.raises(OSError, match="cut"):
        got.extend(iter_into(got, whole_sentences(pieces())))
    assert got == ["First one."]


def iter_into(got, sentences):
    for sentence in sentences:
        got.append(sentence)
    return ()


def test_endless_text_is_cut_at_a_space() -> None:
    sentences = split_sentences("word " * 300)
    assert all(len(sentence) <= 400 for sentence in sentences)
    assert sum(len(s.split()) for s in sentences) == 300


def test_a_model_that_goes_round_in_circles_is_stopped_also_where_it_counts() -> None:
    got: list[str] = []
    with pytest.raises(AnswerError, match="repeats itself: '3"):
        got.extend(iter_into(got, sound_sentences(["1. Open it. 2. Open it. ", "3. Open it. 4. Open it."])))
    assert got == ["1. Open it.", "2. Open it."]
    numbers = "1. 2. 3. 4. 5."
    assert " ".join(sound_sentences([numbers])) == numbers


@given(st.text(alphabet="ab .!?\n", max_size=120), st.integers(1, 7))
def test_chunking_changes_nothing_and_loses_nothing(text: str, size: int) -> None:
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(whole_sentences(pieces)) == split_sentences(text)
    assert "".join(" ".join(split_sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "spoken"),
    [("One. Two and", ["One."]), ("One and", ["One and"]), ("One. Two. ", ["One.", "Two."])],
)
def test_an_answer_that_reached_its_limit_ends_with_a_whole_sentence(text: str, spoken: list[str]) -> None:
    def pieces():
        yield text
        raise CutShort("token limit")

    assert list(whole_sentences(pieces())) == spoken
