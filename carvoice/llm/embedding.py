"""Questions as vectors, for the semantic cache: from a GGUF in a process of its own, or from a remote.

Both are asked with a time limit far below a driver's patience: without a vector the cache compares words.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carvoice.errors import AnswerError
from carvoice.llm.engine import EngineSettings
from carvoice.llm.health import Health
from carvoice.llm.process import WorkerProcess
from carvoice.llm.remote import Deployment, Limits, client_for, preload
from carvoice.records import FloatArray

if TYPE_CHECKING:
    from openai import OpenAI

_LOCAL_LIMIT_S = 0.25  # a sentence takes a small model 5 ms
_REMOTE_LIMIT_S = 0.6
_LONGEST_TOKENS = 256


class GgufEmbedder:
    """Embeds with a GGUF run by llama.cpp, in a process that starts loading at once.

    Args:
        path: the model.
        threads: compute threads.
        limit_s: longest wait for a vector.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        path: Path,
        threads: int = 1,
        limit_s: float = _LOCAL_LIMIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = f"{path.name}:{path.stat().st_size if path.is_file() else 0}"
        self._limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._number = 0
        settings = EngineSettings(path, n_ctx=_LONGEST_TOKENS, n_threads=threads)
        self._worker = WorkerProcess(settings, {}, clock)

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until the model is loaded."""
        return self._worker.wait_ready(timeout_s)

    def embed(self, text: str) -> FloatArray:
        """See :class:`~carvoice.llm.cache.Embedder`."""
        if not self._worker.is_ready:
            raise AnswerError(self._worker.failure or "the embedding model is still loading")
        if not self._lock.acquire(timeout=self._limit_s):
            raise AnswerError("the embedding model is busy")
        try:
            return self._ask(text)
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _ask(self, text: str) -> FloatArray:
        self._number += 1
        self._worker.send(op="embed", id=self._number, text=text)
        until_s = self._clock() + self._limit_s
        while (left_s := until_s - self._clock()) > 0:
            event = self._worker.next_event(left_s)
            if event is None:
                break
            if event["event"] == "died":
                raise AnswerError(self._worker.failure)
            if event["id"] != self._number:
                continue  # what came too late the last time
            if event["event"] == "error":
                raise AnswerError(event["message"])
            self._worker.is_well()
            return np.asarray(event["vector"], np.float32)
        raise AnswerError(f"no embedding within {self._limit_s:g} s")


class RemoteEmbedder:
    """Embeds through the ``/embeddings`` of an OpenAI-compatible server.

    Args:
        deployment: the server and its embedding model.
        limit_s: longest wait for a vector, connecting included.
        allowed_fails: failures within a minute after which it is left alone for ``cooldown_time``.
        cooldown_time: seconds.
    """

    def __init__(
        self,
        deployment: Deployment,
        limit_s: float = _REMOTE_LIMIT_S,
        allowed_fails: int = 1,
        cooldown_time: float = 15.0,
    ) -> None:
        self.name = deployment.name
        self._deployment = deployment
        self._limits = Limits(connect_s=2 * limit_s, first_token_s=2 * limit_s)  # ours comes first
        self._health = Health(deployment.name, allowed_fails, cooldown_time)
        self._limit_s = limit_s
        preload([deployment], self._limits)

    def embed(self, text: str) -> FloatArray:
        """See :class:`~carvoice.llm.cache.Embedder`."""
        if not self._health.available():
            raise AnswerError(f"{self.name} rests for {self._health.resting_s():.0f} s")
        client = client_for(self._deployment, self._limits)
        result: list[FloatArray | Exception] = []
        done = threading.Event()

        def ask() -> None:
            result.append(self._request(client, text))
            done.set()

        # In a thread: the client's time limits begin anew with every byte that a slow server sends.
        threading.Thread(target=ask, name=f"embed {self.name}", daemon=True).start()
        got = result[0] if done.wait(self._limit_s) else AnswerError(f"no answer within {self._limit_s:g} s")
        if isinstance(got, Exception):
            self._health.failed(str(got))
            raise AnswerError(f"{self.name}: {got}") from got
        self._health.succeeded()
        return got

    def close(self) -> None:
        """Close the connections."""
        client_for(self._deployment, self._limits).close()

    def _request(self, client: OpenAI, text: str) -> FloatArray | Exception:
        try:
            answer = client.embeddings.create(
                model=self._deployment.model, input=text, encoding_format="float"
            )
            vector = np.asarray(answer.data[0].embedding, np.float32)
            length = float(np.linalg.norm(vector))
        except Exception as error:  # whatever a broken server makes the client raise is that server's failure
            return error
        if vector.ndim != 1 or not np.isfinite(length) or length == 0.0:
            return ValueError("what it sent is no vector")
        return vector / np.float32(length)
