"""A wish beside the reason for it, and talk that only looks like one."""

import pytest

from carvoice.nlu.manners import ENGLISH, GERMAN
from carvoice.nlu.remarks import is_plea, is_remark, wishes_beside_remarks


def wishes(text, manners=ENGLISH):
    return {(text[a:b], text[c:d]) for (a, b), (c, d) in wishes_beside_remarks(text, manners)}


@pytest.mark.parametrize(
    ("text", "wish", "remark"),
    [
        ("it's dark in here turn the inside light on", "turn the inside light on", "it's dark in here"),
        ("shut the window it's loud", "shut the window", "it's loud"),
        ("my hands are freezing heat the wheel", "heat the wheel", "my hands are freezing"),
        ("The sun is too strong, close the shade!", "close the shade", "The sun is too strong"),
        (
            "child locks on please the kids are in the back",
            "child locks on please",
            "the kids are in the back",
        ),
    ],
)
def test_the_wish_is_found_beside_the_remark(text, wish, remark):
    assert (wish, remark) in wishes(text)


@pytest.mark.parametrize(
    "text",
    [
        "i'm just opening the window",
        "i can't open the window",
        "i'm going to turn on the radio",
        "my kids open the windows",
        "my favourite thing is open windows",
        "it's time we close the windows",
        "he is cold turn the heating up",
        "the song is called turn up the music",
        "it's the one they said open the window",
        "play the song i'm listening to",
        "i could eat",
    ],
)
def test_a_sentence_of_one_piece_is_not_parted(text):
    assert wishes(text) == set()


def test_words_of_talk_make_no_remark():
    assert not is_remark(["it's", "what", "he", "said"], ENGLISH)
    assert not is_remark(["it's"], ENGLISH)
    assert is_remark(["it's", "cold"], ENGLISH)


def test_who_tells_of_himself_goes_on_telling():
    assert wishes("i'm so hungry i could eat a horse") == set()


def test_a_plea_asks_for_nothing_by_name():
    assert is_plea("please fix it", ENGLISH)
    assert not is_plea("fix the window", ENGLISH)


def test_german_remarks():
    assert ("mach das fenster zu", "es ist laut") in wishes("es ist laut mach das fenster zu", GERMAN)
