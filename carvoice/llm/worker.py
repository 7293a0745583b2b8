"""The process that holds a local model: JSON lines in, JSON lines out.

It is a process of its own so that a crash of native code, or a stall, never takes the assistant down.

In: ``{"op": "generate", "id", "messages", "max_tokens", "time_s", "call_schema"}``,
``{"op": "embed", "id", "text"}`` and ``{"op": "cancel", "id"}``; the end of the input ends the process. Out:
one ``ready`` or ``failed``, then for each generation ``piece``s and one ``end`` or ``error``, for each text
one ``vector`` or ``error``. A worker started without a system prompt embeds, with one it generates.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from carvoice.errors import CarvoiceError
from carvoice.llm.engine import EmbeddingEngine, Engine, EngineSettings, Generation

_NICENESS = 5  # listening and driving come before talking


def main(arguments: list[str]) -> int:
    """Run the worker. ``arguments`` holds one JSON object: ``{"settings": {...}, "system": ...}``."""
    # Native code may print to stdout; the protocol keeps the real one to itself.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.nice(_NICENESS)
    start = json.loads(arguments[0])
    paths = {
        name: Path(value)
        for name, value in start["settings"].items()
        if name in ("model_path", "state_folder") and value is not None
    }
    settings = EngineSettings(**{**start["settings"], **paths})
    try:
        engine = Engine(settings, start["system"]) if "system" in start else EmbeddingEngine(settings)
    except CarvoiceError as error:
        _send(out, event="failed", message=str(error))
        return 1
    _send(out, event="ready", **asdict(engine.report))
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    cancelled: set[int] = set()
    threading.Thread(target=_read, args=(sys.stdin, requests, cancelled), daemon=True).start()
    while (request := requests.get()) is not None:
        if isinstance(engine, Engine):
            _generate(engine, request, cancelled, out)
        else:
            _embed(engine, request, out)
    return 0


def _read(lines: TextIO, requests: queue.SimpleQueue[dict[str, Any] | None], cancelled: set[int]) -> None:
    for line in lines:
        request = json.loads(line)
        if request["op"] == "cancel":
            cancelled.add(request["id"])
        else:
            requests.put(request)
    # The parent is gone: do not finish what nobody waits for.
    os._exit(0)


def _generate(engine: Engine, request: dict[str, Any], cancelled: set[int], out: TextIO) -> None:
    number = request["id"]
    counts = Generation()
    try:
        pieces = engine.generate(
            request["messages"],
            max_tokens=request["max_tokens"],
            time_s=request["time_s"],
            cancelled=lambda: number in cancelled,
            counts=counts,
            call_schema=request.get("call_schema"),
        )
        for piece in pieces:
            _send(out, event="piece", id=number, text=piece)
    except (CarvoiceError, RuntimeError, ValueError) as error:
        _send(out, event="error", id=number, message=str(error))
    else:
        _send(out, event="end", id=number, **asdict(counts))
    finally:
        cancelled.discard(number)


def _embed(engine: EmbeddingEngine, request: dict[str, Any], out: TextIO) -> None:
    try:
        vector = engine.embed(request["text"])
    except (RuntimeError, ValueError) as error:
        _send(out, event="error", id=request["id"], message=str(error))
    else:
        _send(out, event="vector", id=request["id"], vector=vector)


def _send(out: TextIO, **message: Any) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
