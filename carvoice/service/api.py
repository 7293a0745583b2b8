"""The API of the daemon: HTTP for requests, a WebSocket for events. aiohttp, loopback or a Unix socket.

===========================  =======================================================================
``GET /health``              every part; status 503 when commands cannot be carried out
``GET /metrics``             Prometheus' text format (needs the extra ``telemetry``)
``GET /events``              WebSocket: one JSON message per event; takes requests as messages too
``POST /say``                ``{"text", "zone"?}``: as if it had been said; gives the whole turn
``POST /speak``              ``{"text"}``: said aloud once nobody has the floor
``POST /talk/press``         the talk button goes down; ``{"zone"?}``
``POST /talk/release``       it goes up
``POST /cancel``             stop whatever is being done and said
``PUT /lists/NAME``          the names of a list, such as ``contact``: ``["Anna Kowalski", ...]``, or
                             what each stands for, ``{"Anna Kowalski": 7, ...}``; until the next start
===========================  =======================================================================

A request on the WebSocket is ``{"do": "say", "text": ...}``, ``{"do": "press"}`` and so on; what comes of it
is seen in the events. Whatever is said here passes the same policy gate as a spoken command.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from carvoice import __version__
from carvoice.assistant import Assistant
from carvoice.assistant.button import TalkButton
from carvoice.assistant.phonebook import names_of
from carvoice.errors import CarvoiceError, GrammarError
from carvoice.records import Zone
from carvoice.service.health import Health
from carvoice.service.hub import EventHub
from carvoice.service.jsonlines import event_json, to_json

_log = logging.getLogger(__name__)

_LONGEST_TEXT = 500  # characters
_LARGEST_BODY = 8192  # bytes
_LARGEST_LIST = 2 << 20
_PING_S = 20.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """Answers requests.

    Args:
        assistant: takes what is said.
        button: the talk button.
        health: of the parts.
        hub: the events.
        metrics: gives the metrics' text; None when the packages for it are missing.
    """

    def __init__(
        self,
        assistant: Assistant,
        button: TalkButton,
        health: Health,
        hub: EventHub,
        metrics: Callable[[], bytes] | None = None,
    ) -> None:
        self._assistant = assistant
        self._button = button
        self._health = health
        self._hub = hub
        self._metrics = metrics
        self._saying = asyncio.Semaphore(4)  # each waits in a thread

    def application(self, token: str = "", *, is_local_port: bool = False) -> web.Application:
        """The application for one listening socket.

        Args:
            token: asked for as ``Authorization: Bearer TOKEN``; "" asks for none.
            is_local_port: a loopback port without a token: requests that come from web pages are refused,
                for any page the driver opens could send them.
        """

        routes = [
            web.get("/health", self._get_health),
            web.get("/metrics", self._get_metrics),
            web.get("/events", self._get_events),
            web.post("/say", self._post_say),
            web.post("/speak", self._post_request("speak")),
            web.post("/talk/press", self._post_request("press")),
            web.post("/talk/release", self._post_request("release")),
            web.post("/cancel", self._post_request("cancel")),
            web.put("/lists/{name}", self._put_list),
        ]
        paths = ", ".join(f"{route.method} {route.path}" for route in routes)

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if token and not hmac.compare_digest(
                request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()
            ):
                raise web.HTTPUnauthorized(text='{"error": "give Authorization: Bearer TOKEN"}')
            if is_local_port and ("Origin" in request.headers or not _names_loopback(request.host)):
                raise web.HTTPForbidden(text='{"error": "not for web pages; set serve.token_env"}')
            if request.match_info.http_exception is not None:
                status = request.match_info.http_exception.status
                return _json({"error": f"no {request.method} {request.path}; there are {paths}"}, status)
            return await handler(request)

        app = web.Application(middlewares=[guard], client_max_size=_LARGEST_BODY)
        app.add_routes(routes)
        return app

    # ---- requests ----------------------------------------------------------------------------------

    def _do(self, what: str, body: Mapping[str, Any]) -> None:
        """What needs no waiting.

        Raises:
            ValueError: the request is wrong; the message says what.
        """
        match what:
            case "press":
                self._button.press("api", _zone(body))
            case "release":
                self._button.release()
            case "cancel":
                self._button.cancel()
            case "speak":
                self._assistant.notify(_text(body))
            case _:
                raise ValueError(f"do: {what!r}; use press, release, cancel, speak or say")

    def _post_request(self, what: str) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            try:
                self._do(what, await _body(request))
            except ValueError as error:
                return _json({"error": str(error)}, 400)
            return _json({"state": self._assistant.dialogue.state.value}, 202)

        return handle

    async def _post_say(self, request: web.Request) -> web.Response:
        try:
            body = await _body(request)
            text, zone = _text(body), _zone(body)
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        try:
            async with self._saying:
                turn = await asyncio.to_thread(self._assistant.say, text, zone)
        except CarvoiceError as error:
            return _json({"error": str(error)}, 504)
        return web.Response(text=to_json(turn), content_type="application/json")

    async def _put_list(self, request: web.Request) -> web.Response:
        pieces = bytearray()
        async for piece in request.content.iter_any():
            pieces += piece
            if len(pieces) > _LARGEST_LIST:
                return _json({"error": f"the list is longer than {_LARGEST_LIST:,} bytes"}, 413)
        try:
            names = names_of(json.loads(pieces))
        except (ValueError, RecursionError) as error:
            return _json({"error": str(error)}, 400)
        try:
            await asyncio.to_thread(self._assistant.replace_list, request.match_info["name"], names)
        except GrammarError as error:
            return _json({"error": str(error)}, 404)
        return _json({"names": len(names.said)}, 200)

    async def _get_health(self, request: web.Request) -> web.Response:
        report = await asyncio.to_thread(self._health.report)
        return _json(report, 503 if report["status"] == "failed" else 200)

    async def _get_metrics(self, request: web.Request) -> web.Response:
        if self._metrics is None:
            return _json({"error": "needs: pip install 'carvoice[telemetry]'"}, 501)
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    # ---- events ------------------------------------------------------------------------------------

    async def _get_events(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=_PING_S, max_msg_size=_LARGEST_BODY)
        await socket.prepare(request)
        with self._hub.subscribed() as events:
            state = self._assistant.dialogue.state.value
            await socket.send_str(json.dumps({"event": "Hello", "version": __version__, "state": state}))
            sender = asyncio.create_task(self._send(socket, events))
            try:
                async for message in socket:
                    if message.type is WSMsgType.TEXT and (error := self._take(message.data)):
                        await socket.send_str(json.dumps({"event": "Error", "error": error}))
            finally:
                sender.cancel()
        return socket

    async def _send(self, socket: web.WebSocketResponse, events: asyncio.Queue[Any]) -> None:
        while (event := await events.get()) is not None:
            await socket.send_str(event_json(event))
        await socket.close(code=1013, message=b"too slow, or the assistant stops")

    def _take(self, message: str) -> str:
        """Take a request on the WebSocket; returns what is wrong with it."""
        try:
            body = _parsed(message)
            if body.get("do") == "say":
                self._assistant.type_in(_text(body), _zone(body))
            else:
                self._do(str(body.get("do", "")), body)
        except ValueError as error:
            return str(error)
        return ""


async def _body(request: web.Request) -> Mapping[str, Any]:
    text = await request.text()
    return _parsed(text) if text.strip() else {}


def _parsed(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("the request is not JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the request must be a JSON object")
    return body


def _text(body: Mapping[str, Any]) -> str:
    text = body.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > _LONGEST_TEXT:
        raise ValueError(f"text: give 1 to {_LONGEST_TEXT} characters")
    return text.strip()


def _zone(body: Mapping[str, Any]) -> Zone:
    zone = body.get("zone", Zone.DRIVER.value)
    try:
        return Zone(zone)
    except ValueError:
        raise ValueError(f"zone: {zone!r}; use one of {', '.join(z.value for z in Zone)}") from None


def _json(body: Mapping[str, Any], status: int) -> web.Response:
    return web.json_response(body, status=status)


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_loopback(authority: str) -> bool:
    """Whether a Host header names this machine; a name that was made to point here does not."""
    host = authority.rsplit(":", 1)[0] if authority.count(":") == 1 else authority.strip("[]").split("]")[0]
    return is_loopback(host)
