"""A local OpenAI-compatible chat server that can be told to misbehave."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as servers that stream do
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.requests.append(body)
        try:
            self.server.behaviour(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.server.hung_up.set()
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass

    def start_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def raw(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def event(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.raw(
            "data: "
            + json.dumps({"id": "1", "object": "chat.completion.chunk", "choices": [choice]})
            + "\n\n"
        )

    def end_stream(self, prompt_tokens: int = 12, tokens: int = 3) -> None:
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        }
        self.raw("data: " + json.dumps({"id": "1", "choices": [], "usage": usage}) + "\n\n")
        self.raw("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        self.close_connection = True
        self.connection.close()


class ChatServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.requests: list[dict[str, Any]] = []
        self.hung_up = threading.Event()
        threading.Thread(target=lambda: self.serve_forever(poll_interval=0.01), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def close(self) -> None:
        self.shutdown()
        self.server_close()


def says(*pieces: str, delay_s: float = 0.0) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(delay_s)
        handler.start_stream()
        for piece in pieces:
            handler.event({"content": piece})
        handler.event({}, "stop")
        handler.end_stream(tokens=len(pieces))

    return behave


def calls(name: str, *argument_pieces: str) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.start_stream()
        first = {"index": 0, "id": "c1", "type": "function", "function": {"name": name, "arguments": ""}}
        handler.event({"tool_calls": [first]})
        for piece in argument_pieces:
            handler.event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        handler.event({}, "tool_calls")
        handler.end_stream()

    return behave


def status(code: int, **headers: str) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        content = b'{"error": {"message": "no"}}'
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return behave


def cut_after(*pieces: str) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.start_stream()
        for piece in pieces:
            handler.event({"content": piece})
        handler.cut()

    return behave


def ends_without_finish(*pieces: str) -> Behaviour:
    """A proxy that closes the body properly in the middle of an answer."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.start_stream()
        for piece in pieces:
            handler.event({"content": piece})
        handler.wfile.write(b"0\r\n\r\n")

    return behave


def raw_stream(text: str) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.start_stream()
        handler.raw(text)
        handler.wfile.write(b"0\r\n\r\n")

    return behave


def captive_portal(handler: Handler, body: dict[str, Any]) -> None:
    content = b"<html><body>Please log in</body></html>"
    handler.send_response(200)
    handler.send_header("content-type", "text/html")
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def hangs(*pieces: str, keep_alive: bool = True) -> Behaviour:
    """Says ``pieces`` and then nothing but comments, until the client hangs up."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        handler.start_stream()
        for piece in pieces:
            handler.event({"content": piece})
        for _ in range(2000):
            if keep_alive:
                handler.raw(": still here\n\n")
            time.sleep(0.005)

    return behave


def silent(handler: Handler, body: dict[str, Any]) -> None:
    """Takes the request and never answers it."""
    handler.server.hung_up.wait(10)


def embeds(width: int = 4, delay_s: float = 0.0) -> Behaviour:
    """Gives each text a vector made of its letters."""

    def behave(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(delay_s)
        vector = [float(sum(ord(c) for c in body["input"][n::width])) for n in range(width)]
        content = json.dumps(
            {
                "object": "list",
                "data": [{"object": "embedding", "index": 0, "embedding": vector}],
                "model": body["model"],
                "usage": {"prompt_tokens": 3, "total_tokens": 3},
            }
        ).encode()
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return behave
