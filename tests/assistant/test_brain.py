"""The configuration finds the local model and the remotes."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from carvoice.assistant.brain import build_answerer, build_judge, find_gguf, told_of
from carvoice.assistant.rooms import grammar_folder
from carvoice.config import LanguageConfig, LlmConfig, RemoteConfig, load_config
from carvoice.dialogue import Replies
from carvoice.errors import ConfigError
from carvoice.llm import AnswerContext
from carvoice.modelstore import ModelStore


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARVOICE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, size in (("big", 200), ("small", 100)):
        (tmp_path / f"{name}.gguf").write_bytes(b"x" * size)
    return tmp_path


def build(config: LlmConfig, code: str = "en"):
    language = LanguageConfig(code=code)
    folder = grammar_folder(language)
    return build_answerer(config, Path("no-manual"), Replies.load(folder / "replies.yaml"), language, folder)


def test_none_installed_none_configured(models: Path) -> None:
    assert find_gguf(LlmConfig()) is None


def test_a_remote_may_embed_only(models: Path) -> None:
    talker = RemoteConfig(name="talker", base_url="http://127.0.0.1:9/v1", model="m")
    embedder = RemoteConfig(name="embedder", base_url="http://127.0.0.1:9/v1", model="e")
    answerer = build(LlmConfig(remotes=(embedder, talker), embedding_model="embedder"))
    assert answerer.tiers == ("cache", "remote")
    stream = answerer.answer("why is the sky blue")
    list(stream)
    assert [reason.split(":")[0] for reason in stream.record.fallbacks] == ["remote/talker", "remote"]
    answerer.close()
    alone = build(LlmConfig(remotes=(embedder,), embedding_model="embedder"))
    assert alone.tiers == ()
    with pytest.raises(ConfigError, match=r"llm\.embedding_model = 'nowhere'"):
        build(LlmConfig(remotes=(talker,), embedding_model="nowhere"))


def test_the_judge_is_who_is_named(models: Path) -> None:
    talker = RemoteConfig(name="talker", base_url="http://127.0.0.1:9/v1", model="m")
    strict = RemoteConfig(name="strict", base_url="http://127.0.0.1:9/v1", model="s", group="judges")
    config = LlmConfig(remotes=(talker, strict), fallbacks={"remotes": ("judges",)})
    for name, asked in (
        ("", ["remote/talker", "remote/strict", "remote"]),
        ("strict", ["remote/strict", "remote"]),
    ):
        judge = build_judge(config, name)
        assert judge is not None
        stream = judge.answer("how good was it", AnswerContext(), Event())
        list(stream)
        assert [reason.split(":")[0] for reason in stream.record.fallbacks] == asked
        judge.close()
    assert build_judge(LlmConfig()) is None
    with pytest.raises(ConfigError, match=r"log\.quality_model = 'nobody'"):
        build_judge(config, "nobody")


def test_installed_models_are_found(models: Path) -> None:
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    for name in ("big", "small"):
        ModelStore().install(models / f"{name}.gguf")
    assert find_gguf(LlmConfig()) == models / "models" / "small" / "small.gguf"
    assert find_gguf(LlmConfig(model="big")) == models / "models" / "big" / "big.gguf"
    assert find_gguf(LlmConfig(model=str(models / "big.gguf"))) == models / "big.gguf"


def test_a_model_that_is_not_there(models: Path) -> None:
    with pytest.raises(ConfigError, match=r"llm\.model = 'huge'"):
        find_gguf(LlmConfig(model="huge"))


def test_every_remote_is_tried(models: Path) -> None:
    remotes = tuple(
        RemoteConfig(name=name, base_url="http://127.0.0.1:9/v1", model=f"{name}-model")
        for name in ("one", "two")
    )
    answerer = build(LlmConfig(remotes=remotes))
    stream = answerer.answer("why is the sky blue", None, None)
    list(stream)
    tried = [reason for reason in stream.record.fallbacks if "no connection" in reason]
    assert [reason.split(":")[0] for reason in tried] == ["remote/one", "remote/two"]
    answerer.close()


def test_everything_in_the_file_reaches_the_tiers(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST_KEY", "s3cret")
    (models / "carvoice.toml").write_text(
        f"""
[llm]
cache_file = "{models / "answers.sqlite"}"
fallbacks = {{fast = ["big"]}}
allowed_fails = 0
cooldown_s = 60
required_tags = ["eu"]

[[llm.remotes]]
name = "one"
group = "fast"
base_url = "http://127.0.0.1:9/v1"
model = "m1"
api_key_env = "FAST_KEY"
tags = ["eu", "tools"]
input_cost_per_token = 1e-6

[[llm.remotes]]
name = "two"
group = "big"
base_url = "http://127.0.0.1:9/v1"
model = "m2"
tags = ["eu"]

[[llm.remotes]]
name = "abroad"
group = "fast"
base_url = "http://127.0.0.1:9/v1"
model = "m3"
"""
    )
    answerer = build(load_config(models / "carvoice.toml", environ={}).llm)
    router = answerer._tiers[-1]
    assert [d.name for d in router.order(frozenset({"eu"}))] == ["one", "two"]
    first = router.order()[0]
    assert (first.api_key, first.input_cost_per_token) == ("s3cret", 1e-6)
    stream = answerer.answer("why is the sky blue")
    assert list(stream) == ["I couldn't get an answer just now."]
    assert [reason.split(":")[0] for reason in stream.record.fallbacks] == [
        "remote/one",
        "remote/two",
        "remote",
    ]
    assert all(health.resting_s > 50 for health in router.status() if health.name != "abroad")
    assert (models / "answers.sqlite").is_file()
    answerer.close()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[llm]\nmodle = "x"', 2, "unknown key 'llm.modle'"),
        ('[llm]\n\nrouting = "best"', 3, "llm.routing"),
        ("[llm]\nthreads = 0", 2, "llm.threads = 0"),
        ('[[llm.remotes]]\nname = "a"\nmodel = "m"\nbase_url = "localhost:80"', 4, "base_url"),
        ('[[llm.remotes]]\nname = "a"\nmodel = "m"', 1, "base_url"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_line(models: Path, text: str, line: int, said: str) -> None:
    path = models / "carvoice.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(path, environ={})
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert said in str(error.value)


def test_names_that_mean_nothing(models: Path) -> None:
    remote = RemoteConfig(name="one", base_url="http://127.0.0.1:9/v1", model="m")
    with pytest.raises(ConfigError, match="'spare'"):
        build(LlmConfig(remotes=(remote,), fallbacks={"remotes": ("spare",)}))
    with pytest.raises(ConfigError, match="no intent 'FlyAway'"):
        build(LlmConfig(local_tools=("FlyAway",)))


def test_a_key_that_is_not_there_is_said_and_keeps_nothing_from_starting(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    remote = RemoteConfig(name="one", base_url="http://127.0.0.1:9/v1", model="m", api_key_env="NO_SUCH_KEY")
    build(LlmConfig(remotes=(remote,))).close()
    assert "NO_SUCH_KEY holds no key" in caplog.text


def test_german_drivers_hear_german(models: Path) -> None:
    remote = RemoteConfig(name="one", base_url="http://127.0.0.1:9/v1", model="m")
    answerer = build(LlmConfig(remotes=(remote,)), "de")
    assert list(answerer.answer("warum ist der himmel blau")) == ["Ich habe gerade keine Antwort bekommen."]
    assert "Answer in German." in answerer._tiers[-1]._system
    answerer.close()


def test_a_model_is_told_the_car_in_units_that_are_spoken() -> None:
    known = {"Vehicle.Speed": 52.0, "Vehicle.Powertrain.Range": 412_000}
    units = {"Vehicle.Speed": "km/h", "Vehicle.Powertrain.Range": "m"}
    car = SimpleNamespace(nodes={path: SimpleNamespace(unit=unit) for path, unit in units.items()})
    state = SimpleNamespace(get=lambda path: SimpleNamespace(value=known[path]))
    assert told_of(state, car) == {"speed": "52 km/h", "range": "412 km"}
