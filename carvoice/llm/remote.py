"""One streamed answer from one OpenAI-compatible server, with limits that hold whatever the server does.

The ``openai`` client does the talking in a thread of its own and its pieces arrive through a queue: only so
do the time limits also hold against a server that keeps the line open with comments, or is slow byte by
byte. The client takes 0.8 s to import, therefore it is imported when the first answer is wanted, or by
:func:`preload`.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from carvoice.errors import AnswerError
from carvoice.llm.answer import Cancel, Draft, IntentTool
from carvoice.llm.prompt import Message
from carvoice.llm.sentences import CutShort
from carvoice.llm.tools import openai_tools, proposal

if TYPE_CHECKING:
    from openai import OpenAI

_POLL_S = 0.02  # how late a cancellation may be noticed while nothing arrives


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model on a server. Field names are LiteLLM's.

    Attributes:
        model_name: the group it belongs to; ``fallbacks`` lead from group to group.
        model: the name the server knows.
        base_url: OpenAI-compatible API, "http://192.168.1.2:8080/v1".
        api_key: sent as bearer token; servers in the car often want none.
        tags: what it is good for; "tools" means that it can call tools.
        input_cost_per_token: US dollars.
        output_cost_per_token: US dollars.
        label: name for logs; "" makes one of the model and where it runs.
    """

    model_name: str
    model: str
    base_url: str
    api_key: str = field(default="none", repr=False)
    tags: frozenset[str] = frozenset()
    input_cost_per_token: float = 0.0
    output_cost_per_token: float = 0.0
    label: str = ""

    @property
    def name(self) -> str:
        """For logs."""
        return self.label or f"{self.model}@{self.base_url.split('://')[-1].split('/')[0]}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one answer.

    Attributes:
        connect_s: to a connection.
        first_token_s: from the request to the first token.
        stall_s: between two tokens.
        total_s: from the request to the end.
        max_tokens: tokens generated.
    """

    connect_s: float = 1.5
    first_token_s: float = 4.0
    stall_s: float = 3.0
    total_s: float = 20.0
    max_tokens: int = 160


class RemoteError(AnswerError):
    """A deployment failed.

    Attributes:
        retry_after_s: how long the server asked to be left alone, None if it did not.
        our_fault: the request was refused as such (400, 413, 422): no sign of ill health.
    """

    def __init__(self, message: str, retry_after_s: float | None = None, our_fault: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.our_fault = our_fault


@lru_cache(maxsize=64)
def client_for(deployment: Deployment, limits: Limits) -> OpenAI:
    """The client of a deployment, its connections kept open between answers."""
    from openai import OpenAI, Timeout

    client = OpenAI(
        base_url=deployment.base_url,
        api_key=deployment.api_key,
        max_retries=0,  # the router knows better servers than the one that just failed
        timeout=Timeout(
            connect=limits.connect_s, read=limits.first_token_s, write=limits.connect_s, pool=limits.connect_s
        ),
    )
    client.chat.completions.create  # noqa: B018 (imports what the first request would otherwise wait for)
    return client


def preload(deployments: Sequence[Deployment], limits: Limits) -> threading.Thread:
    """Import the client and build one per deployment in the background."""
    thread = threading.Thread(
        target=lambda: [client_for(deployment, limits) for deployment in deployments],
        name="openai-preload",
        daemon=True,
    )
    thread.start()
    return thread


class RemoteStream:
    """A request that is under way; iterate :meth:`text` or :meth:`abandon` it.

    Args:
        deployment: who is asked.
        messages: see :func:`~carvoice.llm.prompt.build_messages`.
        tools: that may be called.
        limits: of the answer.
        news: set when the first text has come, or the stream has ended or failed before any.
    """

    def __init__(
        self,
        deployment: Deployment,
        messages: Sequence[Message],
        tools: Sequence[IntentTool],
        limits: Limits,
        news: threading.Event,
    ) -> None:
        client = client_for(deployment, limits)  # may import: our time, not the server's
        self.deployment = deployment
        self.started_s = time.monotonic()
        self._tools = tools
        self._limits = limits
        request: dict[str, Any] = {
            "model": deployment.model,
            "messages": list(messages),
            "max_tokens": limits.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if tools:
            request["tools"] = openai_tools(tools)
        self._reader = _Reader(client, request, news, deployment.name)

    @property
    def speaks(self) -> bool:
        """Whether text, or a call of a tool, has come."""
        return self._reader.speaks

    @property
    def is_ready(self) -> bool:
        """Whether :meth:`text` would not wait: there is some, or an end, or the limit is over."""
        limit_s = min(self._limits.first_token_s, self._limits.total_s)
        return self._reader.is_ready or time.monotonic() - self.started_s >= limit_s

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._reader.abandon()

    def text(self, cancel: Cancel, draft: Draft) -> Iterator[str]:
        """Yield the answer's text as it arrives; tool calls end up in ``draft.proposals``.

        Args:
            cancel: ends it.
            draft: filled in.

        Raises:
            RemoteError: no connection, an error status, a limit exceeded, or a stream that is cut or garbage.
        """
        reader, limits = self._reader, self._limits
        deadline_s = self.started_s + limits.first_token_s
        said = False
        try:
            while not cancel.is_set():
                now_s = time.monotonic()
                until_s = min(deadline_s, self.started_s + limits.total_s)
                if now_s >= until_s:
                    raise RemoteError(_too_slow(said, now_s - self.started_s, limits))
                try:
                    piece = reader.pieces.get(timeout=min(_POLL_S, until_s - now_s))
                except queue.Empty:
                    continue
                if isinstance(piece, Exception):
                    raise _classified(piece, reader.has_begun) from piece
                if piece is None:
                    _finish(reader, self._tools, draft, self.deployment, said)
                    if reader.finish_reason == "length" and said:
                        raise CutShort("token limit")
                    return
                if piece:
                    if draft.first_token_s is None:
                        draft.first_token_s = time.monotonic()
                    draft.tokens += 1
                    said = True
                    yield piece
                deadline_s = time.monotonic() + limits.stall_s
        finally:
            reader.abandon()


def first_of(
    streams: Sequence[RemoteStream], news: threading.Event, cancel: Cancel, until_s: float | None
) -> RemoteStream | None:
    """Wait for the first stream that is ready; any when cancelled.

    Args:
        streams: at least one, begun with this ``news``.
        news: of all of them.
        cancel: ends the wait.
        until_s: monotonic time at which the wait ends with None; None waits until a limit is over.
    """
    while True:
        news.clear()
        ready = [stream for stream in streams if stream.is_ready]
        if ready or cancel.is_set():
            return min(ready or streams, key=lambda stream: not stream.speaks)
        left_s = _POLL_S if until_s is None else min(_POLL_S, until_s - time.monotonic())
        if left_s <= 0:
            return None
        news.wait(left_s)


class _Reader:
    """Reads one response in a thread. ``pieces`` gets text, then None at a proper end or the exception."""

    def __init__(self, client: OpenAI, request: Mapping[str, Any], news: threading.Event, name: str) -> None:
        self.speaks = self.is_ready = False
        self._news = news
        self.pieces: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        self.calls: dict[int, list[str]] = {}
        self.usage: Any = None
        self.finish_reason = ""
        self._response: Any = None
        self._abandoned = threading.Event()
        threading.Thread(target=self._read, args=(client, request), name=name, daemon=True).start()

    @property
    def has_begun(self) -> bool:
        """Whether the server answered at all."""
        return self._response is not None

    def abandon(self) -> None:
        """Nobody listens any more: make the thread end and the server stop."""
        self._abandoned.set()
        if self._response is not None:
            # A blocked recv is woken only by a shutdown of its socket; closing would leave it waiting.
            with contextlib.suppress(Exception):
                stream = self._response.extensions["network_stream"]
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def _read(self, client: OpenAI, request: Mapping[str, Any]) -> None:
        try:
            stream = client.chat.completions.create(**request)
            self._response = stream.response
            kind = stream.response.headers.get("content-type", "")
            if kind.startswith("text/html"):
                raise ConnectionError(
                    "a web page came: a captive portal, or a base_url that is no OpenAI API"
                )
            for chunk in stream:
                if self._abandoned.is_set():
                    stream.close()
                    return
                self._take(chunk)
            if not self.finish_reason:
                raise ConnectionError("the answer was cut: it ended without a finish_reason")
            self._response = None  # ended well: the connection goes back to the pool
            self._put(None)
        except Exception as error:  # whatever a broken server makes the client raise is that server's failure
            self._put(error)

    def _put(self, piece: str | Exception | None) -> None:
        self.pieces.put(piece)
        if isinstance(piece, str) and piece:
            self._begin_to_speak()
        elif piece != "":
            self.is_ready = True
            self._news.set()

    def _begin_to_speak(self) -> None:
        if not self.is_ready:
            self.speaks = self.is_ready = True
            self._news.set()

    def _take(self, chunk: Any) -> None:
        """Note one chunk."""
        if getattr(chunk, "usage", None) is not None:
            self.usage = chunk.usage
        if not chunk.choices:
            return
        choice = chunk.choices[0]
        for call in choice.delta.tool_calls or ():
            name_and_arguments = self.calls.setdefault(call.index, ["", ""])
            name_and_arguments[0] += call.function.name or ""
            name_and_arguments[1] += call.function.arguments or ""
            self._begin_to_speak()
        self._put(choice.delta.content or "")
        time.sleep(0)  # lets whoever waits for it have the interpreter now, not after the next chunk
        self.finish_reason = choice.finish_reason or self.finish_reason


def _finish(
    reader: _Reader, tools: Sequence[IntentTool], draft: Draft, deployment: Deployment, said: bool
) -> None:
    proposed, refused = 0, "the answer was empty"
    for name, arguments in reader.calls.values():
        try:
            draft.proposals.append(proposal(name, arguments, tools))
            proposed += 1
        except AnswerError as error:
            refused = str(error)
            if said or proposed:
                draft.fallbacks.append(f"remote/{deployment.name}: {refused}")
    if not said and not proposed:
        raise RemoteError(refused)
    if reader.usage is not None:
        prompt_tokens, tokens = reader.usage.prompt_tokens or 0, reader.usage.completion_tokens or 0
        draft.prompt_tokens += prompt_tokens
        draft.tokens = tokens
        draft.cost_usd += (
            prompt_tokens * deployment.input_cost_per_token + tokens * deployment.output_cost_per_token
        )


def _too_slow(said: bool, elapsed_s: float, limits: Limits) -> str:
    if elapsed_s >= limits.total_s:
        return f"not finished after {limits.total_s:g} s"
    return f"silent for {limits.stall_s:g} s" if said else f"no token within {limits.first_token_s:.3g} s"


def _classified(error: Exception, has_begun: bool) -> RemoteError:
    """Say in our words what the client raised, before or after the response had begun."""
    import openai

    if isinstance(error, openai.APIStatusError):
        status = error.status_code
        if status == 429:
            return RemoteError("429 too many requests", _retry_after_s(error.response.headers))
        if status in (401, 403, 404):
            # Wrong key, wrong model: it will not heal by itself soon.
            return RemoteError(f"status {status}; check api_key, model and base_url", retry_after_s=60.0)
        return RemoteError(f"status {status}", our_fault=status in (400, 413, 422))
    if isinstance(error, openai.APITimeoutError):
        return RemoteError("no token within the time limit")
    if isinstance(error, openai.APIConnectionError):
        what = "the answer was cut" if has_begun else "no connection"
        return RemoteError(f"{what}: {error.__cause__ or error}")
    if isinstance(error, ConnectionError):
        return RemoteError(str(error))
    return RemoteError(f"what it sent is no chat completion: {type(error).__name__}: {error}")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), None if there is none."""
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
