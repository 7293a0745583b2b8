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
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event

from carvoice.errors import AnswerError, ConfigError
from carvoice.llm.answer import AnswerContext, Cancel, Draft
from carvoice.llm.health import Health, HealthStatus
from carvoice.llm.prompt import build_messages
from carvoice.llm.remote import Deployment, Limits, RemoteError, RemoteStream, client_for, first_of, preload
from carvoice.llm.sentences import sound_sentences

# A deployment that is silent this many times as long as the slowest first token of its last ten answers gets
# a rival, if another is left: the next one is asked too, and who speaks first goes on (hedged requests:
# J. Dean, L. Barroso, "The tail at scale", CACM 56, 2013).
_PATIENCE = 1.5
_LEAST_PATIENCE_S = 0.4
_UNKNOWN_PATIENCE_S = 1.0

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

    One that keeps silent for longer than it usually does gets a rival: the next one is asked beside it, the
    first to speak goes on and the other is cancelled. A stream that breaks is continued by the next
    deployment after the last whole sentence.

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
        waiting = deque(self.order(context.tags))
        if not waiting:
            raise AnswerError(self._why_none(context.tags))
        asked, running, news = len(waiting), list[RemoteStream](), Event()
        try:
            while waiting or running:
                next_s = (
                    running[-1].started_s + self._patience_s(running[-1]) if running and waiting else None
                )
                stream = first_of(running, news, cancel, next_s) if running else None
                if stream is None:  # all that were asked keep silent
                    deployment = waiting.popleft()
                    self._health[deployment].begin()
                    messages = build_messages(self._system, question, context, draft.passages, draft.spoken)
                    tools = context.tools if "tools" in deployment.tags else ()
                    running.append(RemoteStream(deployment, messages, tools, self._settings.limits, news))
                    continue
                if stream.speaks:
                    waiting.extend(self._outrun(running, stream, draft))
                else:
                    running.remove(stream)
                try:
                    yield from self._sentences(stream, cancel, draft)
                except AnswerError as error:
                    draft.fallbacks.append(f"remote/{stream.deployment.name}: {error}")
                    _log.warning("%s failed: %s", stream.deployment.name, error)
                    continue
                return
        finally:
            for stream in running:
                self._leave(stream)
        raise AnswerError(f"all {asked} remote deployments failed")

    def _sentences(self, stream: RemoteStream, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """The sentences of one deployment, and what they say about its health."""
        health = self._health[stream.deployment]
        heard_s = draft.first_token_s if draft.spoken else None
        draft.model, draft.first_token_s = stream.deployment.name, None
        try:
            # A line end closes a sentence for good: it is in draft.spoken before the next is asked for.
            for sentence in sound_sentences(stream.text(cancel, draft), draft.spoken):
                yield sentence + "\n"
        except AnswerError as error:
            if not (isinstance(error, RemoteError) and error.our_fault):
                health.failed(str(error), getattr(error, "retry_after_s", None))
            raise
        finally:
            self._leave(stream)
            if draft.first_token_s is not None:
                health.first_token((draft.first_token_s - stream.started_s) * 1e3)
            draft.first_token_s = draft.first_token_s if heard_s is None else heard_s
        if not cancel.is_set():
            health.succeeded()

    def _outrun(self, running: list[RemoteStream], winner: RemoteStream, draft: Draft) -> list[Deployment]:
        """Leave all but the one that speaks; returns them, to be asked again should it break off.

        Those that were asked before it have failed: their silence is why it was asked.
        """
        beaten = []
        for stream in running:
            if stream is winner:
                continue
            self._leave(stream)
            beaten.append(stream.deployment)
            if stream.started_s < winner.started_s:
                silent_s = time.monotonic() - stream.started_s
                health, reason = self._health[stream.deployment], f"no token within {silent_s:.3g} s"
                health.failed(reason)
                draft.fallbacks.append(f"remote/{stream.deployment.name}: {reason}")
                _log.warning("%s failed: %s", stream.deployment.name, reason)
        running.clear()
        return beaten

    def _leave(self, stream: RemoteStream) -> None:
        stream.abandon()
        self._health[stream.deployment].end()

    def _patience_s(self, stream: RemoteStream) -> float:
        """How long its silence is borne before the next one is asked beside it."""
        slowest_ms = self._health[stream.deployment].slowest_ms()
        return max(_LEAST_PATIENCE_S, _PATIENCE * slowest_ms / 1e3) if slowest_ms else _UNKNOWN_PATIENCE_S

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
