"""Which remote model answers, and who goes on when it fails: the last tier.

Why not LiteLLM's ``Router``: importing it costs over three times the processor time of ours with the
``openai`` client (2.5 s against 0.7 s on the build machine) and some 30 MB more memory, it installs 299 MB,
adds ten times as much to the first token (2.7 ms against 0.2 ms at the median), and a stream that breaks off
is not continued between whole sentences, which is what a listener needs. The routing it would do for us is
this file and ``health.py``; its words are kept. ``bench/llm_router.py`` measures both.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from carvoice.errors import AnswerError, ConfigError
from carvoice.llm.answer import AnswerContext, Cancel, Draft
from carvoice.llm.health import Health, HealthStatus
from carvoice.llm.prompt import build_messages
from carvoice.llm.remote import Deployment, Limits, RemoteError, client_for, preload, stream_remote
from carvoice.llm.sentences import sound_sentences

# A deployment that takes this many times its usual time to first token is passed over, if another is left.
_PATIENCE = 5.0
_LEAST_PATIENCE_S = 1.0

_log = logging.getLogger(__name__)

STRATEGIES = ("latency-based-routing", "least-busy", "fallbacks")


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """How remotes are chosen. Field names are LiteLLM's.

    Attributes:
        routing_strategy: order within a group: "latency-based-routing" (shortest time to first token; unknown
            ones first), "least-busy" (fewest answers in flight) or "fallbacks" (as configured).
        fallbacks: group to the groups tried after it, in order.
        model: the group asked first; "" is the group of the first deployment.
        allowed_fails: failures within a minute before a deployment rests.
        cooldown_time: seconds it rests.
        limits: time and length of one answer.
    """

    routing_strategy: str = "latency-based-routing"
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    model: str = ""
    allowed_fails: int = 1
    cooldown_time: float = 15.0
    limits: Limits = field(default_factory=Limits)


class Router:
    """The remote tier: deployments in groups, tried until one has answered to the end.

    A stream that breaks is continued by the next deployment after the last whole sentence.

    Raises:
        ConfigError: no deployments, an unknown strategy or an unknown group.
    """

    name = "remote"

    def __init__(
        self, deployments: Sequence[Deployment], system: str, settings: RouterSettings | None = None
    ):
        self._settings = settings = settings or RouterSettings()
        self._system = system
        self._groups: dict[str, list[Deployment]] = {}
        for deployment in deployments:
            self._groups.setdefault(deployment.model_name, []).append(deployment)
        if not self._groups:
            raise ConfigError("a router needs at least one deployment (model_name, model, base_url)")
        if settings.routing_strategy not in STRATEGIES:
            raise ConfigError(
                f"routing_strategy {settings.routing_strategy!r} is unknown; use one of {STRATEGIES}"
            )
        named = {settings.model, *settings.fallbacks, *(g for gs in settings.fallbacks.values() for g in gs)}
        if unknown := sorted(named - {""} - set(self._groups)):
            raise ConfigError(
                f"no deployment has the model_name {unknown[0]!r}; there are {sorted(self._groups)}"
            )
        self._health = {
            deployment: Health(deployment.name, settings.allowed_fails, settings.cooldown_time)
            for deployment in deployments
        }
        self._chain = self._resolve_chain(settings.model or next(iter(self._groups)))
        preload(deployments, settings.limits)

    def order(self, tags: frozenset[str] = frozenset()) -> list[Deployment]:
        """The deployments that may be asked now, in the order in which they would be."""
        ordered: list[Deployment] = []
        for group in self._chain:
            usable = [d for d in self._groups[group] if tags <= d.tags and self._health[d].available()]
            if self._settings.routing_strategy == "latency-based-routing":
                usable.sort(key=lambda d: self._health[d].latency_ms())
            elif self._settings.routing_strategy == "least-busy":
                usable.sort(key=lambda d: self._health[d].in_flight())
            ordered += usable
        return ordered

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """Stream the answer from the first deployment that gives one.

        Raises:
            AnswerError: every deployment failed or rests.
        """
        candidates = self.order(context.tags)
        if not candidates:
            raise AnswerError(self._why_none(context.tags))
        for deployment in candidates:
            health = self._health[deployment]
            has_stand_in = deployment is not candidates[-1]
            heard_s = draft.first_token_s if draft.spoken else None
            draft.model, draft.first_token_s = deployment.name, None
            messages = build_messages(self._system, question, context, draft.passages, draft.spoken)
            tools = context.tools if "tools" in deployment.tags else ()
            health.begin()
            started_s = time.monotonic()
            try:
                pieces = stream_remote(
                    deployment,
                    messages,
                    tools,
                    self._settings.limits,
                    cancel=cancel,
                    draft=draft,
                    patience_s=_patience_s(health.latency_ms()) if has_stand_in else None,
                )
                # A line end closes a sentence for good: it is in draft.spoken before the next is asked for.
                yield from (sentence + "\n" for sentence in sound_sentences(pieces, draft.spoken))
            except AnswerError as error:
                if not (isinstance(error, RemoteError) and error.our_fault):
                    health.failed(str(error), getattr(error, "retry_after_s", None))
                draft.fallbacks.append(f"remote/{deployment.name}: {error}")
                _log.warning("%s failed: %s", deployment.name, error)
                continue
            finally:
                health.end()
                if draft.first_token_s is not None:
                    health.first_token((draft.first_token_s - started_s) * 1e3)
                draft.first_token_s = draft.first_token_s if heard_s is None else heard_s
            if not cancel.is_set():
                health.succeeded()
            return
        raise AnswerError(f"all {len(candidates)} remote deployments failed")

    def status(self) -> tuple[HealthStatus, ...]:
        """Health of every deployment, in the order configured."""
        return tuple(health.status() for health in self._health.values())

    def close(self) -> None:
        """Close the connections."""
        for deployment in self._health:
            client_for(deployment, self._settings.limits).close()
        client_for.cache_clear()

    def _resolve_chain(self, first: str) -> list[str]:
        chain, ahead = [], [first]
        while ahead:
            group = ahead.pop(0)
            if group not in chain:
                chain.append(group)
                ahead += self._settings.fallbacks.get(group, ())
        return chain

    def _why_none(self, tags: frozenset[str]) -> str:
        fitting = [d for group in self._chain for d in self._groups[group] if tags <= d.tags]
        if not fitting:
            return f"no deployment carries the tags {sorted(tags)}"
        return f"all remotes rest, the next for {min(self._health[d].resting_s() for d in fitting):.0f} s"


def _patience_s(usual_ms: float) -> float | None:
    """How long the first token of a deployment with a stand-in is waited for; None knows no better limit."""
    return max(_LEAST_PATIENCE_S, _PATIENCE * usual_ms / 1e3) if usual_ms else None
