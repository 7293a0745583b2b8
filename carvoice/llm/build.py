"""Builds the answerer from settings: the one call that whoever assembles the assistant needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from carvoice.llm.answer import IntentTool, Tier
from carvoice.llm.engine import EngineSettings
from carvoice.llm.local import LocalLimits, LocalTier
from carvoice.llm.prompt import system_prompt
from carvoice.llm.remote import Deployment, Limits
from carvoice.llm.router import Router, RouterSettings
from carvoice.llm.tiered import FAILED, UNAVAILABLE, TieredAnswerer

if TYPE_CHECKING:
    from carvoice.llm.cache import Embedder


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Which tiers there are and their limits; with the defaults there is none, and that works too.

    Attributes:
        manual: folder of Markdown, None for no manual tier.
        cache: whether answers are kept; only useful with a model or remotes.
        cache_path: SQLite file of kept answers; None keeps them in memory.
        embedding_model: GGUF, or a deployment, by which the cache also compares questions; None for neither.
        model: GGUF file of the local model, None for no local tier.
        n_ctx: its context in tokens.
        threads: its compute threads for prompts; half of them generate.
        state_folder: where its warm prompt state is saved, None for nowhere.
        tools: intents that remotes with the tag "tools" may propose.
        local_tools: intents the local model may propose; each lengthens its system prompt.
        remotes: OpenAI-compatible deployments, in order of preference.
        routing_strategy: see :class:`~carvoice.llm.router.RouterSettings`.
        fallbacks: group to groups; the first deployment's group is asked first.
        required_tags: only deployments that carry all of these are asked.
        allowed_fails: see :class:`~carvoice.llm.router.RouterSettings`.
        cooldown_time: seconds.
        max_tokens: longest answer.
        first_token_timeout_s: a tier silent for longer is given up.
        total_timeout_s: longest time for an answer.
        unavailable: said when no tier knows an answer.
        failed: said when tiers tried and all broke down.
        language: of questions and answers, ISO 639-1.
        car_facts: what never changes about the car, told to the models ("make": "...").
    """

    manual: Path | None = None
    cache: bool = True
    cache_path: Path | None = None
    embedding_model: Path | Deployment | None = None
    model: Path | None = None
    n_ctx: int = 2048
    threads: int = 2
    state_folder: Path | None = None
    tools: Sequence[IntentTool] = ()
    local_tools: Sequence[IntentTool] = ()
    remotes: Sequence[Deployment] = ()
    routing_strategy: str = "latency-based-routing"
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required_tags: frozenset[str] = frozenset()
    allowed_fails: int = 1
    cooldown_time: float = 15.0
    max_tokens: int = 160
    first_token_timeout_s: float = 4.0
    total_timeout_s: float = 20.0
    unavailable: str = UNAVAILABLE
    failed: str = FAILED
    language: str = "en"
    car_facts: Mapping[str, str] = field(default_factory=dict)


def build_answerer(settings: AnswerSettings) -> TieredAnswerer:
    """Build the tiers that the settings name, in order: manual, cache, local, remote.

    Nothing is waited for: the local model loads and the remote client is imported in the background.

    Raises:
        ConfigError: the manual's folder or a remote's settings are wrong.
    """
    tiers: list[Tier] = []
    system = system_prompt(settings.car_facts, settings.language)
    if settings.manual is not None:
        from carvoice.llm.manual import Manual, ManualTier

        tiers.append(ManualTier(Manual(settings.manual)))
    cache = None
    if settings.cache and (settings.model is not None or settings.remotes):
        from carvoice.llm.cache import CacheTier, SemanticCache

        cache = SemanticCache(settings.cache_path, embedder=_embedder(settings.embedding_model))
        tiers.append(CacheTier(cache))
    if settings.model is not None:
        tiers.append(
            LocalTier(
                EngineSettings(
                    settings.model,
                    n_ctx=settings.n_ctx,
                    n_threads=settings.threads,
                    state_folder=settings.state_folder,
                ),
                system,
                settings.local_tools,
                LocalLimits(
                    first_token_s=settings.first_token_timeout_s,
                    total_s=settings.total_timeout_s,
                    max_tokens=settings.max_tokens,
                ),
            )
        )
    if settings.remotes:
        limits = Limits(
            first_token_s=settings.first_token_timeout_s,
            total_s=settings.total_timeout_s,
            max_tokens=settings.max_tokens,
        )
        router = RouterSettings(
            routing_strategy=settings.routing_strategy,
            fallbacks=settings.fallbacks,
            allowed_fails=settings.allowed_fails,
            cooldown_time=settings.cooldown_time,
            limits=limits,
        )
        tiers.append(Router(settings.remotes, system, router))
    learn = cache.learn if cache is not None else None
    return TieredAnswerer(
        tiers,
        learn=learn,
        unavailable=settings.unavailable,
        failed=settings.failed,
        tools=settings.tools,
        tags=settings.required_tags,
    )


def _embedder(model: Path | Deployment | None) -> Embedder | None:
    if model is None:
        return None
    from carvoice.llm.embedding import GgufEmbedder, RemoteEmbedder

    return RemoteEmbedder(model) if isinstance(model, Deployment) else GgufEmbedder(model)
