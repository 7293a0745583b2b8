"""Voices and their cache."""

import threading
from pathlib import Path

import numpy as np
import pytest

from carvoice.errors import ModelError, VoiceError
from carvoice.tts import CachedVoice, EspeakVoice, SherpaVoice


def heard(voice, text: str) -> np.ndarray:
    return np.concatenate(list(voice.synthesize(text)) or [np.zeros(0, np.float32)])


def test_espeak_speaks_in_16_khz_float32() -> None:
    sound = heard(EspeakVoice(), "The window is open.")
    assert sound.dtype == np.float32
    assert 0.8 * 16000 < len(sound) < 2.0 * 16000
    assert 0.1 < np.abs(sound).max() <= 1.0


def test_espeak_streams_and_can_be_left() -> None:
    voice = EspeakVoice()
    chunks = voice.synthesize("one two three four five six seven eight nine ten " * 20)
    assert 0 < len(next(chunks)) < 16000
    chunks.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "espeak"]


def test_espeak_says_nothing_for_nothing() -> None:
    assert list(EspeakVoice().synthesize("... 😀")) == []


def test_espeak_serves_many_threads_with_different_voices() -> None:
    slow, fast = EspeakVoice(rate_wpm=100), EspeakVoice("de", rate_wpm=300)
    text = "set the temperature to twenty one degrees please"
    alone = len(heard(slow, text)), len(heard(fast, text))
    lengths: list[tuple[int, int]] = []

    def work() -> None:
        lengths.append((len(heard(slow, text)), len(heard(fast, text))))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lengths) == 4
    for pair in lengths:  # espeak varies a little by itself
        assert pair == pytest.approx(alone, rel=0.05)


def test_wrong_voices_are_named() -> None:
    with pytest.raises(VoiceError, match="xx-none"):
        EspeakVoice("xx-none")
    with pytest.raises(VoiceError, match="rate 20"):
        EspeakVoice(rate_wpm=20)


def test_the_cache_gives_back_the_same_sound_without_the_voice(voice) -> None:
    cached = CachedVoice(voice)
    first, second = heard(cached, "hello"), heard(cached, "hello")
    np.testing.assert_array_equal(first, second)
    assert voice.texts == ["hello"]
    assert (cached.hits, cached.misses) == (1, 1)


def test_the_cache_forgets_the_least_recent_and_stays_bounded(voice) -> None:
    cached = CachedVoice(voice, capacity_s=0.1)  # 1600 samples: three words of 5
    for text in ("aaaaa", "bbbbb", "ccccc", "aaaaa", "ddddd"):
        heard(cached, text)
    assert len(cached) == 3
    assert cached.cached_s <= 0.1
    heard(cached, "aaaaa")
    assert voice.texts == ["aaaaa", "bbbbb", "ccccc", "ddddd"]


def test_the_cache_keeps_no_broken_or_long_sound(voice) -> None:
    cached = CachedVoice(voice, longest_s=0.1)
    chunks = cached.synthesize("a" * 15)
    next(chunks)
    chunks.close()
    heard(cached, "b" * 20)
    assert len(cached) == 0


def test_warming_renders_ahead(voice) -> None:
    cached = CachedVoice(voice)
    cached.warm(["yes", "no", "yes"])
    assert voice.texts == ["yes", "no"]
    heard(cached, "no")
    assert cached.hits == 1


def test_a_voice_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        SherpaVoice(tmp_path / "nowhere")
    with pytest.raises(ModelError, match=r"lacks tokens\.txt"):
        SherpaVoice(tmp_path)
    (tmp_path / "tokens.txt").write_text("a 1\n")
    with pytest.raises(ModelError, match="lacks a model"):
        SherpaVoice(tmp_path)
