"""The whole path of the embedded recognizer, with sound whose transcript is certain."""

import dataclasses

import numpy as np
import pytest
import tone_model
from conftest import SENTENCES, tree_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carvoice.asr.confidence import Fit
from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.graph import GraphSettings
from carvoice.errors import AudioFormatError, ModelError
from carvoice.grammar.usage import WordUsage


def hear(recognizer, sound, chunk=1600):
    stream = recognizer.create_stream()
    for start in range(0, len(sound), chunk):
        stream.accept(sound[start : start + chunk])
    return stream.finish()


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentences_of_the_grammar(recognizer, say, sentence):
    heard = hear(recognizer, say(sentence))
    assert heard.text == sentence
    assert heard.is_final
    assert heard.source == "grammar"


@pytest.mark.parametrize("usual", ["turn right", "turn write"])
def test_of_what_sounds_alike_the_usual_is_heard(model, lexicon, cache, say, usual):
    ear = GrammarRecognizer(
        tree_of(["turn right", "turn write"]), model, lexicon, cache=cache, usage=WordUsage.of([usual])
    )
    heard = hear(ear, say("turn right"))
    assert heard.text == usual
    assert list(heard.alternative_costs) == sorted(heard.alternative_costs)
    assert heard.alternative_costs[0] > 0.0


def test_two_commands_joined(recognizer, say):
    text = "open the window and then call john"
    assert hear(recognizer, say(text)).text == text


def test_speech_outside_the_grammar_stays_readable(recognizer, say):
    heard = hear(recognizer, say("i love my little house"))
    assert heard.text == "i love my little house"


def test_words_around_a_command_are_kept(recognizer, say):
    assert hear(recognizer, say("hello please call john now")).text == "hello please call john now"


def test_unfinished_order_is_not_completed(recognizer, say):
    assert hear(recognizer, say("set the temperature to")).text == "set the temperature to"


def test_partials_grow_and_become_stable(recognizer, say):
    stream = recognizer.create_stream()
    sound = say("turn on the radio", tail_s=0.8)
    partials = []
    for start in range(0, len(sound), 800):
        stream.accept(sound[start : start + 800])
        partials.append(stream.partial())
    texts = list(dict.fromkeys(partial.text for partial in partials))
    assert texts == ["", "turn", "turn on", "turn on the", "turn on the radio"]
    assert not any(partial.is_final for partial in partials)
    assert partials[-1].stability == 1.0
    assert max(partial.stability for partial in partials if partial.text == "") == 0.0


def test_the_result_does_not_stay_behind(recognizer, say):
    """sherpa-onnx keeps the previous result unless a final state is reached."""
    stream = recognizer.create_stream()
    stream.accept(say("open the window", tail_s=1.0))
    assert stream.partial().text == "open the window"
    stream.accept(say("and call", lead_s=0.0, tail_s=1.0))
    assert stream.partial().text == "open the window and call"


def test_word_times(recognizer, say):
    heard = hear(recognizer, say("call john", lead_s=0.5))
    # three phones of 0.18 s each per word, after 0.5 s
    for word, start_s in zip(heard.words, (0.5, 1.04), strict=True):
        assert word.start_s == pytest.approx(start_s, abs=0.12)
        assert word.end_s == pytest.approx(start_s + 0.54, abs=0.12)
        assert word.score == pytest.approx(1.0, abs=0.05)
    assert heard.speech_end_s == heard.words[-1].end_s


def test_stream_clock(recognizer, say):
    stream = recognizer.create_stream()
    stream.reset(start_s=100.0)
    stream.accept(say("call john"))
    assert stream.finish().words[0].start_s == pytest.approx(100.3, abs=0.12)


def test_phones_are_heard_without_the_grammar(recognizer, say, lexicon):
    expected = tuple(phone for word in ("call", "john") for phone in lexicon.pronunciations(word)[0])
    assert hear(recognizer, say("call john")).phones == expected


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 6000), min_size=1, max_size=40))
def test_any_chunking_gives_the_same_result(recognizer, say, cuts):
    sound = say("turn off the radio")
    whole = hear(recognizer, sound, chunk=len(sound))
    stream = recognizer.create_stream()
    start = 0
    for cut in cuts:
        stream.accept(sound[start : start + cut])
        start += cut
    stream.accept(sound[start:])
    assert stream.finish() == whole


def test_preview_does_not_disturb(recognizer, say):
    sound = say("open the window halfway")
    stream = recognizer.create_stream()
    seen = []
    for start in range(0, len(sound), 4000):
        stream.accept(sound[start : start + 4000])
        seen.append(stream.preview().text)
    assert stream.finish() == hear(recognizer, sound)
    assert "open the window" in seen


@pytest.mark.parametrize("chunk", [160, 333, 16_000])
def test_a_preview_stands_when_only_quiet_followed(recognizer, say, chunk):
    sound, quiet = say("open the window halfway", tail_s=0.2), np.zeros(1600, np.float32)
    stream = recognizer.create_stream()
    for start in range(0, len(sound), chunk):
        stream.accept(sound[start : start + chunk])
    stream.preview()
    stream.accept(quiet)
    final = stream.finish(as_previewed=True)
    assert final == hear(recognizer, sound, len(sound))
    assert final.text == hear(recognizer, np.concatenate([sound, quiet])).text
    stream.accept(say("call john"))  # the next utterance has no preview yet
    heard = stream.finish(as_previewed=True)
    assert heard.text == "call john"
    assert heard.words[0].start_s == pytest.approx((len(sound) + 1600) / 16_000 + 0.3, abs=0.12)


def test_finish_opens_the_next_utterance(recognizer, say):
    stream = recognizer.create_stream()
    first = say("call john")
    stream.accept(first)
    stream.finish()
    stream.accept(say("open the window"))
    heard = stream.finish()
    assert heard.text == "open the window"
    assert heard.words[0].start_s == pytest.approx(len(first) / 16_000 + 0.3, abs=0.12)


def test_streams_do_not_mix(recognizer, say):
    one, two = recognizer.create_stream(), recognizer.create_stream()
    sounds = say("call john"), say("turn on the radio")
    for start in range(0, max(map(len, sounds)), 1600):
        one.accept(sounds[0][start : start + 1600])
        two.accept(sounds[1][start : start + 1600])
    assert (one.finish().text, two.finish().text) == ("call john", "turn on the radio")


def test_nothing_said(recognizer):
    stream = recognizer.create_stream()
    assert stream.finish().text == ""
    stream.accept(np.zeros(0, np.float32))
    stream.accept(np.zeros(16_000, np.float32))
    heard = stream.finish()
    assert (heard.text, heard.words, heard.confidence) == ("", (), None)


def test_minutes_of_silence_keep_memory_bounded_and_ears_open(recognizer, say):
    stream = recognizer.create_stream()
    for _ in range(12):
        stream.accept(np.zeros(10 * 16_000, np.float32))
    assert stream._sound_n <= 20 * 16_000
    stream.accept(say("call john"))
    heard = stream.finish()
    assert heard.text == "call john"
    assert heard.words[0].start_s == pytest.approx(120.3, abs=0.12)


@pytest.mark.parametrize("level", [1.0, 1e-8])
def test_absurd_sound_gives_some_answer(recognizer, level):
    square = level * np.sign(np.sin(np.arange(48_000) * 0.05))
    assert hear(recognizer, square.astype(np.float32)).is_final


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(10),
        np.zeros((2, 10), np.float32),
        np.zeros(10, np.int16),
        np.array([0.0, np.nan], np.float32),
        np.array([0.0, np.inf], np.float32),
        [0.0, 0.1],
    ],
)
def test_wrong_samples_are_refused(recognizer, samples):
    with pytest.raises(AudioFormatError):
        recognizer.create_stream().accept(samples)


def test_pronunciation_variants(recognizer, lexicon):
    variants = lexicon.pronunciations("the")
    assert len(variants) > 1
    for the in variants:
        phones = [*lexicon.pronunciations("open")[0], *the, *lexicon.pronunciations("window")[0]]
        sound = np.concatenate([tone_model.say(phones), np.zeros(4800, np.float32)])
        assert hear(recognizer, sound).text == "open the window"


def test_wildcard_takes_any_words(model, lexicon, cache, say):
    words = tree_of(["remind me to <any>", "remind me to <any> please"])
    loop = (words.arcs[-2][2], "<any>", words.arcs[-2][2])
    looped = type(words)(words.n_states, 0, words.finals, (*words.arcs, loop))
    ear = GrammarRecognizer(looped, model, lexicon, cache=cache)
    assert hear(ear, say("remind me to love my house")).text == "remind me to love my house"


def test_calibrated_confidence(tmp_path, lexicon, cache, say):
    from carvoice.asr.models import load_model

    def table(**weights):
        all_weights = {field.name: weights.get(field.name, 0) for field in dataclasses.fields(Fit)}
        return "{ " + ", ".join(f"{name} = {weight}" for name, weight in all_weights.items()) + " }"

    tuning = "\n".join(
        f"[confidence.{name}]\nbias = 3.0\nweights = {weights}"
        for name, weights in {
            "command": table(outside=-8, unfinished=-1),
            "words": table(odds=0.5),
            "order": table(outside=-9),
        }.items()
    )
    folder = tone_model.write(tmp_path, tuning=tuning)
    ear = GrammarRecognizer(tree_of(SENTENCES), load_model(folder), lexicon, cache=cache)
    right, stream = hear(ear, say("call john")), ear.create_stream()
    stream.accept(say("i love my little house"))
    preview, chatter = stream.preview(), stream.finish()
    assert right.confidence > 0.9
    assert chatter.confidence < 0.3
    assert right.order_confidence > 0.9
    assert chatter.order_confidence < 0.5
    assert (right.open_text, chatter.open_text) == ("", "i love my little house")
    assert preview.open_text == ""  # an endpoint does not need it


def test_talk_fits_worse_than_its_own_words(recognizer, say):
    stream = recognizer.create_stream()
    stream.accept(say("turn on the radio"))
    stream.finish()
    order = stream.fit
    stream.accept(say("turn on the video radio"))
    stream.finish()
    other = stream.fit
    assert (order.unheard, order.poorest, order.contested) == (0.0, 0.0, 0.0)
    assert order.words < 0 < order.odds
    assert other.words > order.words


def test_two_voices_at_once_blur_the_phones(recognizer, say):
    def fit(sound):
        stream = recognizer.create_stream()
        stream.accept(sound)
        stream.finish()
        return stream.fit

    order, other = say("turn on the radio"), say("i love my little house")
    n = min(len(order), len(other))
    assert fit(order).blurred < 0.5
    assert fit(order[:n] + other[:n]).blurred > fit(order).blurred + 0.5


def test_decoding_settings_of_the_model(tmp_path, lexicon, cache, say):
    from carvoice.asr.models import load_model

    folder = tone_model.write(tmp_path, tuning="[decoding]\nopen_words = 0\nfiller_phone = 1.0")
    ear = GrammarRecognizer(tree_of(SENTENCES), load_model(folder), lexicon, cache=cache)
    assert hear(ear, say("i love my little house")).text == ""
    bad = tone_model.write(tmp_path / "bad", tuning="[decoding]\nopen_wrods = 0")
    with pytest.raises(ModelError, match="open_wrods"):
        GrammarRecognizer(tree_of(SENTENCES), load_model(bad), lexicon, cache=cache)


def test_graph_without_the_open_loop(model, lexicon, cache, say):
    closed = GraphSettings(open_words=0, filler_phone=50.0)
    ear = GrammarRecognizer(tree_of(SENTENCES), model, lexicon, settings=closed, cache=cache)
    assert hear(ear, say("call john")).text == "call john"


def test_nemo_form_with_its_other_features(tmp_path, lexicon, cache):
    """sherpa-onnx feeds this form librosa's features; ours must be the same for scores to fit."""
    from carvoice.asr.models import load_model

    ear = GrammarRecognizer(
        tree_of(SENTENCES), load_model(tone_model.write(tmp_path, nemo=True)), lexicon, cache=cache
    )
    assert ear.acoustic.form.nemo
    assert hear(ear, np.zeros(16_000, np.float32)).text == ""


def test_manners_around_commands(model, lexicon, cache, say):
    ear = GrammarRecognizer(
        tree_of(SENTENCES),
        model,
        lexicon,
        cache=cache,
        skip_phrases=["could you", "please", "right now"],
        settings=GraphSettings(open_words=0, filler_phone=50.0),
    )
    for text in (
        "could you please call john",
        "open the window right now please",
        "could you call john and please turn on the radio",
    ):
        assert hear(ear, say(text)).text == text


def smeared(lexicon, first="n", second="f"):
    """ "Turn on the radio" and "turn off the radio", both at once."""
    on = [*lexicon.pronunciations("turn")[0], "ao"]
    rest = [phone for word in ("the", "radio") for phone in lexicon.pronunciations(word)[0]]
    both = 0.5 * (tone_model.say([*on, first, *rest]) + tone_model.say([*on, second, *rest]))
    return np.concatenate([both, np.zeros(4800, np.float32)])


def test_close_alternatives_are_named(recognizer, say, lexicon):
    stream = recognizer.create_stream()
    stream.accept(say("turn on the radio"))
    clear = stream.finish()
    assert "turn off the radio" not in clear.alternatives
    assert stream.fit.odds > 3
    stream.accept(smeared(lexicon))
    unclear = stream.finish()
    assert {unclear.text, unclear.alternatives[0]} == {"turn on the radio", "turn off the radio"}
    assert unclear.alternative_costs[0] < 4
    assert stream.fit.odds < 2
    assert list(unclear.alternative_costs) == sorted(unclear.alternative_costs)


def test_two_wordings_of_one_order_are_no_doubt(model, lexicon, cache):
    ear = GrammarRecognizer(
        tree_of(SENTENCES), model, lexicon, cache=cache, meaning=lambda text: text.replace("off", "on")
    )
    stream = ear.create_stream()
    stream.accept(smeared(lexicon))
    stream.finish()
    assert stream.fit.odds > 3


def test_partials_have_times_and_scores(recognizer, say):
    stream = recognizer.create_stream()
    stream.accept(say("open the window", tail_s=1.0))
    partial = stream.partial()
    assert [word.text for word in partial.words] == ["open", "the", "window"]
    assert all(word.score > 0.9 for word in partial.words)
    assert [word.start_s for word in partial.words] == sorted(word.start_s for word in partial.words)
    assert partial.phones
