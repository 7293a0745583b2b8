"""The shipped lexicon, the user's on top, text-to-phoneme below."""

import pytest

from carvoice.errors import GrammarError
from carvoice.grammar.g2p import ARPABET
from carvoice.grammar.lexicon import Lexicon


@pytest.fixture(scope="module")
def shipped():
    return Lexicon.load()


def test_shipped_lexicon_is_large_and_sound(shipped):
    assert len(shipped) >= 20_000
    for word in shipped.frequent_words(len(shipped)):
        said = shipped.pronunciations(word)
        assert said, word
        assert all(said), word
        assert {phone for variant in said for phone in variant} <= set(ARPABET), word


def test_function_words_have_reduced_forms(shipped):
    assert ("dh", "ah") in shipped.pronunciations("the")
    assert ("ah", "n") in shipped.pronunciations("and")


def test_unlisted_word_is_said_by_the_text_to_phoneme_front_end(shipped):
    assert "frunkify" not in shipped
    assert shipped.pronunciations("frunkify")[0][:4] == ("f", "r", "ah", "ng")


@pytest.mark.parametrize("word", ["the", "capachino", "Milkinner", "sixty-nounce"])
def test_the_usual_way_is_the_first_of_all(word):
    lexicon = Lexicon({"the": "dh ah|dh iy"})
    assert lexicon.usual_pronunciation(word) == Lexicon({"the": "dh ah|dh iy"}).pronunciations(word)[0]
    with pytest.raises(GrammarError, match="no pronunciation"):
        lexicon.usual_pronunciation("...")


def test_case_does_not_matter(shipped):
    assert shipped.pronunciations("Window") == shipped.pronunciations("window")


def phones(text):
    return tuple(text.split())


def test_user_lexicon_replaces_the_shipped_word(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text(
        "# mine\nNIKOLAI  N IH1 K OW0 L AY2\nnikolai(2)  n iy k ow l ay\nqashqai\tk ae sh k ay|k aa sh k ay\n"
    )
    lexicon = Lexicon.load(user=[own])
    assert lexicon.pronunciations("nikolai") == (phones("n ih k ow l ay"), phones("n iy k ow l ay"))
    assert lexicon.pronunciations("Qashqai") == (phones("k ae sh k ay"), phones("k aa sh k ay"))
    assert "qashqai" in lexicon


@pytest.mark.parametrize(("line", "what"), [("car  k aa rr", "'rr' is no ARPAbet"), ("car", "no phones")])
def test_wrong_user_line_is_named(tmp_path, line, what):
    own = tmp_path / "own.txt"
    own.write_text(f"# comment\n{line}\n")
    with pytest.raises(GrammarError, match=what) as caught:
        Lexicon.load(user=[own])
    assert caught.value.line == 2
    assert caught.value.path == own


def test_missing_and_malformed_lexicons(tmp_path):
    with pytest.raises(GrammarError, match="cannot be read"):
        Lexicon.load(tmp_path / "none.txt")
    bad = tmp_path / "bad.txt"
    bad.write_text("good\tg uh d\nbad b ae d\n")
    with pytest.raises(GrammarError, match="a tab") as caught:
        Lexicon.load(bad)
    assert caught.value.line == 2
