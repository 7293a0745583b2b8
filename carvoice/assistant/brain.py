"""Builds the tiers that answer open questions, as far as they are configured."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from carvoice.config import LlmConfig, RemoteConfig
from carvoice.errors import ConfigError
from carvoice.grammar import load_grammar
from carvoice.llm import Answerer, IntentTool
from carvoice.llm.build import AnswerSettings
from carvoice.llm.build import build_answerer as build_tiers
from carvoice.llm.grammar_tools import tools_from_grammar
from carvoice.llm.remote import Deployment
from carvoice.llm.tiered import UNAVAILABLE
from carvoice.modelstore import ModelStore

_REMOTES = "remotes"  # one group: the routing strategy chooses among all of them


def build_answerer(config: LlmConfig, manual: Path, no_model: str, grammar: Path | None = None) -> Answerer:
    """The answerer.

    Args:
        config: the tiers wanted.
        grammar: folder of the grammar whose intents a remote with the tag "tools" may propose.
        manual: the owner's manual of the car, used when none is configured and it is there.
        no_model: said when a question needs a language model and none is configured.

    Raises:
        ConfigError: the model or the manual that is configured does not exist.
    """
    folder = config.manual or (manual if manual.is_dir() else None)
    model = find_gguf(config)
    settings = AnswerSettings(
        manual=folder,
        cache=config.cache,
        model=model,
        threads=config.threads,
        state_folder=_state_folder(),
        tools=_tools(config, grammar),
        remotes=tuple(_deployment(remote) for remote in config.remotes),
        routing_strategy=config.routing,
        max_tokens=config.max_tokens,
        first_token_timeout_s=config.first_token_timeout_s,
        total_timeout_s=config.total_timeout_s,
        unavailable=no_model if model is None and not config.remotes else UNAVAILABLE,
    )
    return build_tiers(settings)


def build_judge(config: LlmConfig) -> Answerer | None:
    """Remote models alone, to score answers; None when none is configured."""
    if not config.remotes:
        return None
    return build_tiers(AnswerSettings(cache=False, remotes=tuple(map(_deployment, config.remotes))))


def find_gguf(config: LlmConfig) -> Path | None:
    """The local model's file: the one configured, or the smallest installed; None if there is none.

    Raises:
        ConfigError: one is configured and not there, or llama-cpp-python is not.
    """
    store = ModelStore()
    can_run = importlib.util.find_spec("llama_cpp") is not None
    if not config.model:
        installed = store.find_kind("gguf")
        return installed[0].path(".gguf") if installed and can_run else None
    path = Path(config.model).expanduser()
    if not path.is_file():
        model = store.find(config.model)
        found = model.path(".gguf") if model is not None else None
        if found is None:
            raise ConfigError(
                f"llm.model = '{config.model}': no such file and no such installed model; "
                "`carvoice models` lists what can be had"
            )
        path = found
    if not can_run:
        raise ConfigError("llm.model needs llama-cpp-python: pip install 'carvoice[llm]'")
    return path


def _tools(config: LlmConfig, grammar: Path | None) -> tuple[IntentTool, ...]:
    """What a model may propose; read only if there is one that can."""
    if grammar is None or not any("tools" in remote.tags for remote in config.remotes):
        return ()
    return tools_from_grammar(load_grammar(grammar))


def _state_folder() -> Path:
    """Where the model's warm prompt state is kept between starts; it holds no word of the driver."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "carvoice" / "prompt"


def _deployment(remote: RemoteConfig) -> Deployment:
    return Deployment(
        model_name=_REMOTES,
        model=remote.model,
        base_url=remote.base_url,
        api_key=os.environ.get(remote.api_key_env, "none"),
        tags=frozenset(remote.tags),
    )
