"""Text to phones through espeak-ng."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.errors import GrammarError, VoiceError
from carvoice.grammar.g2p import ARPABET, ipa_to_arpabet, phonemize, pronunciations


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("windshield", "w ih n d sh iy l d"),
        ("temperature", "t eh m p r ih ch er"),
        ("i'd", "ay d"),
        ("twenty", "t w eh n t iy"),
        ("98", "n ay n t iy ey t"),
        ("Wi-Fi", "w ay f ay"),
    ],
)
def test_american_pronunciation(word, phones):
    assert " ".join(phonemize(word, "en-us")) == phones


def test_accents_give_variants_without_doubles():
    said = pronunciations("car")
    assert said == (("k", "aa", "r"), ("k", "aa"))
    assert len(set(pronunciations("window"))) == len(pronunciations("window"))


@pytest.mark.parametrize("text", ["", "...", "?!"])
def test_text_without_sound_is_refused(text):
    with pytest.raises(GrammarError, match="no pronunciation"):
        phonemize(text)


def test_unknown_voice_is_refused():
    with pytest.raises(VoiceError, match="en-klingon"):
        phonemize("hello", "en-klingon")


def test_foreign_sounds_are_refused():
    with pytest.raises(GrammarError, match="English voice"):
        ipa_to_arpabet("y_ɓ")


def test_language_switches_are_dropped():
    assert ipa_to_arpabet("(en)_h_ˈʌ_n_d_ɹ_ɪ_d_(fr)") == ("hh", "ah", "n", "d", "r", "ih", "d")


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz' ", min_size=1, max_size=30))
def test_any_english_letters_give_known_phones(text):
    try:
        phones = phonemize(text)
    except GrammarError as error:
        assert "no pronunciation" in str(error)  # noqa: PT017
    else:
        assert set(phones) <= set(ARPABET)


def test_threads_do_not_mix_voices():
    wrong = []

    def say(voice, expected):
        for number in range(50):
            phones = phonemize(f"car {number}", voice)
            if phones[:3] != expected[:3] and phones[: len(expected)] != expected:
                wrong.append((voice, phones))

    threads = [
        threading.Thread(target=say, args=("en-us", ("k", "aa", "r"))),
        threading.Thread(target=say, args=("en-gb-x-rp", ("k", "aa"))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
