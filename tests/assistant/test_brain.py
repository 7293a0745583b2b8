"""The configuration finds the local model and the remotes."""

from __future__ import annotations

from pathlib import Path

import pytest

from carvoice.assistant.brain import build_answerer, find_gguf
from carvoice.config import LlmConfig, RemoteConfig
from carvoice.errors import ConfigError
from carvoice.modelstore import ModelStore


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CARVOICE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, size in (("big", 200), ("small", 100)):
        (tmp_path / f"{name}.gguf").write_bytes(b"x" * size)
    return tmp_path


def test_none_installed_none_configured(models: Path) -> None:
    assert find_gguf(LlmConfig()) is None


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
    answerer = build_answerer(LlmConfig(remotes=remotes), models / "no-manual", "no model")
    stream = answerer.answer("why is the sky blue", None, None)
    list(stream)
    tried = [reason for reason in stream.record.fallbacks if "no connection" in reason]
    assert [reason.split("@")[0] for reason in tried] == ["remote/one-model", "remote/two-model"]
    answerer.close()
