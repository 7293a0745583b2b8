"""Builds the tiers that answer open questions, as far as they are configured."""

from __future__ import annotations

import importlib.util
import logging
import os
from pathlib import Path

from carvoice.config import LanguageConfig, LlmConfig, RemoteConfig
from carvoice.dialogue import Replies
from carvoice.errors import ConfigError
from carvoice.grammar import load_grammar
from carvoice.llm import Answerer, IntentTool
from carvoice.llm.build import AnswerSettings
from carvoice.llm.build import build_answerer as build_tiers
from carvoice.llm.grammar_tools import tools_from_grammar
from carvoice.llm.remote import Deployment
from carvoice.modelstore import ModelStore
from carvoice.vehicle.car import Car
from carvoice.vehicle.state import CarState

_log = logging.getLogger(__name__)

_NO_KEY = "none"  # the client insists on one

# What a model is told of the moment. Numbers and switches only: no text that somebody else wrote.
_TOLD = {
    "speed": "Vehicle.Speed",
    "outside temperature": "Vehicle.Exterior.AirTemperature",
    "range": "Vehicle.Powertrain.Range",
    "fuel level": "Vehicle.Powertrain.FuelSystem.RelativeLevel",
    "battery charge": "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed",
}


def build_answerer(
    config: LlmConfig, manual: Path, replies: Replies, language: LanguageConfig, grammar: Path | None = None
) -> Answerer:
    """The answerer.

    Args:
        config: the tiers wanted.
        manual: the owner's manual of the car, used when none is configured and it is there.
        replies: what is said when there is no model, or none answers.
        language: of questions and answers.
        grammar: folder of the grammar whose intents models may propose.

    Raises:
        ConfigError: what is configured does not exist: the model, the manual, a group, an intent.
    """
    model = find_gguf(config)
    has_model = model is not None or bool(_talking(config))
    tools = _tools(config, grammar)
    unknown = sorted(set(config.local_tools) - {tool.name for tool in tools})
    if unknown:
        raise ConfigError(
            f"llm.local_tools: no intent {unknown[0]!r} in the grammar; `carvoice grammar stats` lists them"
        )
    settings = AnswerSettings(
        manual=config.manual or (manual if manual.is_dir() else None),
        cache=config.cache,
        cache_path=config.cache_file,
        embedding_model=_embedding_model(config),
        model=model,
        n_ctx=config.context_tokens,
        threads=config.threads,
        state_folder=_state_folder(),
        tools=tools,
        local_tools=[tool for tool in tools if tool.name in config.local_tools],
        remotes=_talking(config),
        routing_strategy=config.routing,
        fallbacks=config.fallbacks,
        required_tags=frozenset(config.required_tags),
        allowed_fails=config.allowed_fails,
        cooldown_time=config.cooldown_s,
        max_tokens=config.max_tokens,
        first_token_timeout_s=config.first_token_timeout_s,
        total_timeout_s=config.total_timeout_s,
        unavailable=replies.system("language_model_failed" if has_model else "no_language_model"),
        failed=replies.system("language_model_failed"),
        language=language.code,
        car_facts=config.car_facts,
    )
    return build_tiers(settings)


def build_judge(config: LlmConfig, name: str = "") -> Answerer | None:
    """A model alone, to score answers; None when there is none.

    Args:
        config: the remotes.
        name: of the remote that judges, or a GGUF; "" takes the remotes that answer.

    Raises:
        ConfigError: there is nothing of that name.
    """
    named = tuple(_deployment(remote) for remote in config.remotes if remote.name == name)
    if name and not named:
        model = _gguf(name, "log.quality_model")
        return build_tiers(AnswerSettings(cache=False, model=model, threads=config.threads))
    remotes = named or _talking(config)
    if not remotes:
        return None
    # Those that answer stand in for each other here too; one that was named judges alone.
    fallbacks = {} if named else config.fallbacks
    return build_tiers(AnswerSettings(cache=False, remotes=remotes, fallbacks=fallbacks))


def told_of(state: CarState, car: Car) -> dict[str, str]:
    """What a model is told of the car with each question that concerns it, as far as the car says it."""
    facts = {}
    for name, path in _TOLD.items():
        node = car.nodes.get(path)
        known = state.get(path) if node is not None else None
        if node is not None and known is not None and isinstance(known.value, (int, float)):
            value, unit = known.value, node.unit
            if unit == "m" and value >= 1000:  # small models read the number out as it stands
                value, unit = round(value / 1000), "km"
            facts[name] = f"{value:g} {unit}".strip()
    return facts


def find_gguf(config: LlmConfig) -> Path | None:
    """The local model's file: the one configured, or the smallest installed; None if there is none.

    Raises:
        ConfigError: one is configured and not there, or llama-cpp-python is not.
    """
    if config.model:
        return _gguf(config.model, "llm.model")
    installed = ModelStore().find_kind("gguf")
    return installed[0].path(".gguf") if installed and _can_run() else None


def _embedding_model(config: LlmConfig) -> Path | Deployment | None:
    """What turns questions into vectors: a remote of that name, or a GGUF; None when none is configured.

    Raises:
        ConfigError: one is configured and not there.
    """
    if not config.embedding_model:
        return None
    remote = next((remote for remote in config.remotes if remote.name == config.embedding_model), None)
    return _deployment(remote) if remote is not None else _gguf(config.embedding_model, "llm.embedding_model")


def _talking(config: LlmConfig) -> tuple[Deployment, ...]:
    """The remotes that answer; one that only embeds is not asked."""
    return tuple(_deployment(remote) for remote in config.remotes if remote.name != config.embedding_model)


def _gguf(model: str, setting: str) -> Path:
    path = Path(model).expanduser()
    if not path.is_file():
        installed = ModelStore().find(model)
        found = installed.path(".gguf") if installed is not None else None
        if found is None:
            raise ConfigError(
                f"{setting} = '{model}': no such file and no such installed model; "
                "`carvoice models` lists what can be had"
            )
        path = found
    if not _can_run():
        raise ConfigError(f"{setting} needs llama-cpp-python: pip install 'carvoice[llm]'")
    return path


def _can_run() -> bool:
    return importlib.util.find_spec("llama_cpp") is not None


def _tools(config: LlmConfig, grammar: Path | None) -> tuple[IntentTool, ...]:
    """What a model may propose; read only if there is one that can."""
    wanted = bool(config.local_tools) or any("tools" in remote.tags for remote in config.remotes)
    return tools_from_grammar(load_grammar(grammar)) if grammar is not None and wanted else ()


def _state_folder() -> Path:
    """Where the model's warm prompt state is kept between starts; it holds no word of the driver."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "carvoice" / "prompt"


def _deployment(remote: RemoteConfig) -> Deployment:
    key = os.environ.get(remote.api_key_env, "") if remote.api_key_env else _NO_KEY
    if not key:
        # No reason not to start: the other tiers and every command work without it.
        _log.warning(
            "llm.remotes '%s': the environment variable %s holds no key; it is asked without one",
            remote.name,
            remote.api_key_env,
        )
    return Deployment(
        model_name=remote.group,
        model=remote.model,
        base_url=remote.base_url,
        api_key=key or _NO_KEY,
        tags=frozenset(remote.tags),
        input_cost_per_token=remote.input_cost_per_token,
        output_cost_per_token=remote.output_cost_per_token,
        label=remote.name,
    )
