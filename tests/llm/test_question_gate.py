from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carvoice.llm import looks_like_question, question_score


@pytest.mark.parametrize(
    "text",
    [
        "what is the capital of france",
        "why is the sky blue",
        "how do i change a tire",
        "what does the yellow warning light mean",
        "can you explain how abs works",
        "tell me a joke",
        "hey carvoice who wrote hamlet",
        "is it dangerous to drive with low oil",
        "Could you tell me how far the moon is?",
        "warum ist der himmel blau",
        "wie funktioniert eine bremse",
        "was bedeutet die gelbe warnleuchte",
    ],
)
def test_questions(text: str) -> None:
    assert looks_like_question(text)


@pytest.mark.parametrize("text", ["what is rain", "why is grass green", "what is fog"])
def test_who_was_addressed_takes_more_for_a_question(text: str) -> None:
    assert looks_like_question(text, addressed=True)
    assert not looks_like_question(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "what",
        "yeah that's right",
        "do you want to stop for coffee",
        "i told you he was late",
        "did you see the game last night",
        "what do you think about dinner",
        "mom are we there yet",
        "she said what",
        "how was your day",
        "because it was raining",
        "oh look at that",
        "hast du die tür zugemacht",
        "wann kommst du denn nach hause",
        "ja genau",
    ],
)
def test_chatter(text: str) -> None:
    assert not looks_like_question(text)


@given(st.text(max_size=80))
def test_a_score_is_a_probability(text: str) -> None:
    assert 0.0 <= question_score(text) <= 1.0
