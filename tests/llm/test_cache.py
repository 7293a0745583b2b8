from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from carvoice.errors import AnswerError
from carvoice.llm import AnswerContext, Exchange, TieredAnswerer
from carvoice.llm.cache import CacheTier, SemanticCache, is_timeless, likeness, meaning
from carvoice.records import AnswerRecord

ANSWERED = AnswerRecord("answered", "local", "tiny")


@pytest.mark.parametrize(
    "question",
    [
        "why is the sky blue",
        "what is the capital of france",
        "can you tell me who wrote hamlet",
        "how many legs does a spider have",
        "how old is the universe",
        "warum ist der himmel blau",
        "was ist die hauptstadt von frankreich",
        "können sie mir sagen wie viele beine eine spinne hat",
    ],
)
def test_timeless(question: str) -> None:
    assert is_timeless(question)


@pytest.mark.parametrize(
    "question",
    [
        "what's the weather today",
        "how much fuel is left in the tank",
        "what time is it",
        "how far can i still drive",
        "is the window open",
        "who won the last election",
        "where is the nearest charging station",
        "why does it do that",
        "and what about him",
        "tell me a joke",
        "what is my name",
        "what",
        "who is the president of france",
        "how old is madonna",
        "is it raining in paris",
        "wie wird das wetter morgen",
        "wie weit kann ich noch fahren",
        "wie spät ist es",
        "wo ist die nächste tankstelle",
        "ist das fenster offen",
        "wer ist bundeskanzler",
        "wie hoch ist der reifendruck",
        "wer ist er",
        "erzähl mir einen witz",
    ],
)
def test_depends_on_the_moment(question: str) -> None:
    assert not is_timeless(question)


def test_what_the_car_reports_is_never_timeless() -> None:
    assert is_timeless("what does altitude do to engines")
    assert not is_timeless("what does altitude do to engines", AnswerContext(car_state={"altitude": "300 m"}))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is the capital of france", "what's france's capital"),
        ("can you tell me what the capital of france is", "what is the capital of france"),
        ("who wrote hamlet", "do you know who wrote hamlet"),
        ("why is the sky blue", "please tell me why the sky is blue"),
    ],
)
def test_the_same_question_in_other_words(one: str, other: str) -> None:
    assert likeness(meaning(one), meaning(other)) == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("what is the capital of austria", "what is the capital of australia"),
        ("who wrote hamlet", "when was hamlet written"),
        ("how old is the moon", "how far is the moon"),
        ("what is 15 times 3", "what is 15 times 4"),
        ("can dogs eat grapes", "why can dogs not eat grapes"),
        ("which birds can fly", "which birds can not fly"),
        ("what is the largest planet", "what is the second largest planet"),
        ("how many people live in new york", "how many people live in new york state"),
        ("does the earth orbit the sun", "does the sun orbit the earth"),
    ],
)
def test_another_question_in_nearly_the_same_words(one: str, other: str) -> None:
    assert likeness(meaning(one), meaning(other)) < 0.95


def test_a_hit_and_a_miss() -> None:
    cache = SemanticCache()
    cache.put("What is the capital of France", "Paris.", "tiny")
    hit = cache.look_up("do you know what france's capital is")
    assert hit is not None
    assert (hit.answer, hit.model, hit.likeness) == ("Paris.", "tiny", 1.0)
    assert cache.look_up("what is the capital of spain") is None


def test_answers_outlive_the_process_and_a_damaged_file_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.sqlite"
    cache = SemanticCache(path)
    cache.put("why is the sky blue", "Scattering.", "tiny")
    cache.close()
    again = SemanticCache(path)
    assert again.look_up("why is the sky blue") is not None
    again.close()
    path.write_bytes(b"nonsense" * 1000)
    assert len(SemanticCache(path)) == 0


def test_old_answers_are_not_given_and_the_longest_unused_goes() -> None:
    now = [0.0]
    cache = SemanticCache(max_entries=2, max_age_s=100.0, clock=lambda: now[0])
    cache.put("who wrote hamlet", "Shakespeare.", "")
    now[0] = 10.0
    cache.put("who wrote faust", "Goethe.", "")
    now[0] = 20.0
    assert cache.look_up("who wrote hamlet") is not None
    cache.put("who wrote ulysses", "Joyce.", "")
    assert cache.look_up("who wrote faust") is None
    assert cache.look_up("who wrote hamlet") is not None
    now[0] = 101.0
    assert cache.look_up("who wrote hamlet") is None
    assert cache.look_up("who wrote ulysses") is not None


@pytest.mark.parametrize(
    ("question", "answer", "record", "kept"),
    [
        ("who wrote hamlet", "Shakespeare.", ANSWERED, True),
        ("what is the weather", "Sunny.", ANSWERED, False),
        ("who wrote hamlet", "I don't know.", ANSWERED, False),
        ("wer schrieb hamlet", "Leider weiß ich das nicht.", ANSWERED, False),
        ("who wrote hamlet", "Me.", AnswerRecord("answered", "local", untrusted=True), False),
        ("who wrote hamlet", "Me.", AnswerRecord("answered", "remote", fallbacks=("local: cut",)), False),
    ],
)
def test_what_is_learnt(question: str, answer: str, record: AnswerRecord, kept: bool) -> None:
    cache = SemanticCache()
    cache.learn(question, AnswerContext(), answer, record)
    assert len(cache) == kept


@pytest.mark.parametrize(
    ("context", "kept"),
    [
        (AnswerContext(), True),
        (AnswerContext(history=(Exchange("who was napoleon", "An emperor."),)), False),
        (AnswerContext(car_state={"speed": "52 km/h"}), False),
    ],
)
def test_what_a_model_may_have_taken_from_car_or_conversation_is_not_learnt(
    context: AnswerContext, kept: bool
) -> None:
    cache = SemanticCache()
    cache.learn("where was the final battle", context, "At Waterloo.", ANSWERED)
    assert len(cache) == kept


def test_a_model_is_told_of_the_car_only_where_the_car_matters() -> None:
    told: list[dict[str, str]] = []

    class Model:
        name = "local"

        def answer(self, question, context, cancel, draft):
            told.append(dict(context.car_state))
            yield "So it is."

        def close(self) -> None:
            pass

    cache = SemanticCache()
    answerer = TieredAnswerer([CacheTier(cache), Model()], learn=cache.learn)
    context = AnswerContext(car_state={"speed": "52 km/h"})
    for question in ("why is the sky blue", "is my speed all right", "why is the sky blue"):
        assert list(answerer.answer(question, context)) == ["So it is."]
    assert told == [{}, {"speed": "52 km/h"}]
    assert len(cache) == 1


def test_where_no_file_can_be_written_answers_are_kept_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "disk").write_bytes(b"in the way")
    cache = SemanticCache(tmp_path / "disk" / "answers.sqlite")
    cache.put("why is the sky blue", "Scattering.", "tiny")
    assert cache.look_up("why is the sky blue") is not None
    assert "kept in memory only" in caplog.text


def test_as_a_tier_it_says_that_it_was_a_hit() -> None:
    cache = SemanticCache()
    cache.put("why is the sky blue", "Because of scattering. Blue most.", "tiny")
    stream = TieredAnswerer([CacheTier(cache)]).answer("why is the sky blue")
    assert list(stream) == ["Because of scattering.", "Blue most."]
    assert (stream.record.tier, stream.record.cache_hit, stream.record.model) == ("cache", True, "tiny")
    assert TieredAnswerer([CacheTier(cache)]).answer("why is it blue now").record.outcome == "cancelled"


class Directions:
    """Gives each wording the direction that it is told; None is an embedder that is down."""

    def __init__(self, name: str, **degrees: float | None) -> None:
        self.name = name
        self.degrees = {key.replace("_", " "): angle for key, angle in degrees.items()}
        self.is_closed = False

    def embed(self, text: str):
        angle = self.degrees.get(text, 90.0)
        if angle is None:
            raise AnswerError("down")
        return np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))], np.float32)

    def close(self) -> None:
        self.is_closed = True


def test_embeddings_find_the_same_question_in_other_words_but_not_over_numbers_order_or_negation() -> None:
    cache = SemanticCache(
        embedder=Directions(
            "d",
            how_tall_is_mount_everest=0.0,
            what_size_is_the_highest_peak_on_earth=10.0,  # cosine 0.985
            how_big_is_the_tallest_of_all_mountains=10.0,
            how_tall_is_number_7=0.0,
            how_tall_is_mount_everest_not=0.0,
            how_high_is_k_two=20.0,  # cosine 0.940
        )
    )
    cache.put("how tall is mount everest", "8849 metres.", "")
    hit = cache.look_up("how big is the tallest of all mountains")
    assert hit is not None
    assert (hit.answer, round(hit.likeness, 3)) == ("8849 metres.", 0.985)
    assert cache.look_up("what size is the highest peak on earth") is None  # another kind of question
    assert cache.look_up("how tall is number 7") is None
    assert cache.look_up("how tall is mount everest not") is None
    assert cache.look_up("how high is k two") is None


def test_the_order_of_words_counts_with_embeddings_too() -> None:
    cache = SemanticCache(
        embedder=Directions("d", does_the_earth_orbit_the_sun=0, does_the_sun_orbit_the_earth=0)
    )
    cache.put("does the earth orbit the sun", "Yes.", "")
    assert cache.look_up("does the sun orbit the earth") is None


def test_without_a_vector_words_are_compared() -> None:
    cache = SemanticCache(embedder=Directions("d", who_wrote_hamlet=None, do_you_know_who_wrote_hamlet=None))
    cache.put("who wrote hamlet", "Shakespeare.", "")
    assert cache.look_up("do you know who wrote hamlet") is not None


def test_vectors_outlive_the_process_but_not_their_model(tmp_path: Path) -> None:
    words = {"how_tall_is_mount_everest": 0.0, "how_big_is_the_tallest_of_all_mountains": 0.0}
    other = "how big is the tallest of all mountains"
    first = SemanticCache(tmp_path / "a.sqlite", embedder=Directions("one", **words))
    first.put("how tall is mount everest", "8849 metres.", "")
    first.close()
    again = SemanticCache(tmp_path / "a.sqlite", embedder=Directions("one", **words))
    assert again.look_up(other) is not None
    again.close()
    embedder = Directions("two", **words)
    exchanged = SemanticCache(tmp_path / "a.sqlite", embedder=embedder)
    assert exchanged.look_up(other) is None
    assert exchanged.look_up("how tall is mount everest") is not None
    exchanged.put("how tall is mount everest", "8850 metres.", "")
    assert exchanged.look_up(other).answer == "8850 metres."
    exchanged.close()
    assert embedder.is_closed
