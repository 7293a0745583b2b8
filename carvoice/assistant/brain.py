"""Builds the tiers that answer open questions, as far as they are configured."""

from __future__ import annotations

import os
from pathlib import Path

from carvoice.config import LlmConfig, RemoteConfig
from carvoice.errors import ConfigError
from carvoice.llm import Answerer
from carvoice.llm.build import AnswerSettings
from carvoice.llm.build import build_answerer as build_tiers
from carvoice.llm.remote import Deployment
from carvoice.llm.tiered import UNAVAILABLE


def build_answerer(config: LlmConfig, manual: Path, no_model: str) -> Answerer:
    """The answerer.

    Args:
        config: the tiers wanted.
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
    """The local model's file: the one configured, or one that is installed; None if there is none.

    Raises:
        ConfigError: one is configured and not there.
    """
    if not config.model:
        return None
    path = Path(config.model).expanduser()
    if path.is_file():
        return path
    raise ConfigError(f"llm.model = '{config.model}': no such file; `carvoice models` lists what can be had")


def _deployment(remote: RemoteConfig) -> Deployment:
    return Deployment(
        model_name=remote.name,
        model=remote.model,
        base_url=remote.base_url,
        api_key=os.environ.get(remote.api_key_env, "none"),
        tags=frozenset(remote.tags),
    )
