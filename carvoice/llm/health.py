"""What is known of each remote deployment: a circuit breaker, its latency, its load.

The words are LiteLLM's: a deployment that fails more than ``allowed_fails`` times within a minute rests for
``cooldown_time`` seconds. After that it is on trial: one failure sends it back for twice as long.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

_WINDOW_S = 60.0
_MAX_COOLDOWN_S = 300.0
_LATENCIES_KEPT = 10


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """A deployment's health for reports.

    Attributes:
        name: the deployment.
        resting_s: seconds until it is tried again, 0 if it is in use.
        fails: failures in the last minute.
        in_flight: answers being streamed now.
        latency_ms: mean time to first token of the last answers, None if it gave none.
        last_error: what went wrong last, "".
    """

    name: str
    resting_s: float
    fails: int
    in_flight: int
    latency_ms: float | None
    last_error: str


class Health:
    """Health of one deployment; safe to use from several threads.

    Args:
        name: for reports.
        allowed_fails: failures within a minute that are put up with.
        cooldown_s: rest after more than that.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        allowed_fails: int = 1,
        cooldown_s: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._allowed_fails = allowed_fails
        self._cooldown_s = cooldown_s
        self._clock = clock
        self._lock = Lock()
        self._fails: deque[float] = deque()
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._rest_until_s = float("-inf")
        self._next_rest_s = cooldown_s
        self._on_trial = False
        self._in_flight = 0
        self._last_error = ""

    def available(self) -> bool:
        """Whether it may be asked now; a deployment on trial takes one request at a time."""
        with self._lock:
            if self._clock() < self._rest_until_s:
                return False
            return not (self._on_trial and self._in_flight)

    def resting_s(self) -> float:
        """Seconds until it may be asked again."""
        with self._lock:
            return max(0.0, self._rest_until_s - self._clock())

    def latency_ms(self) -> float:
        """Mean time to first token; unknown it is 0, so that a new one is tried, or inf if it failed."""
        with self._lock:
            if self._latencies_ms:
                return sum(self._latencies_ms) / len(self._latencies_ms)
            return math.inf if self._fails else 0.0

    def slowest_ms(self) -> float:
        """Longest time to first token of the last ten answers; 0 when unknown."""
        with self._lock:
            return max(self._latencies_ms, default=0.0)

    def in_flight(self) -> int:
        """Answers being streamed."""
        with self._lock:
            return self._in_flight

    def begin(self) -> None:
        """A request goes out."""
        with self._lock:
            self._in_flight += 1

    def end(self) -> None:
        """A request is over, however it went."""
        with self._lock:
            self._in_flight -= 1

    def first_token(self, latency_ms: float) -> None:
        """The first token came after ``latency_ms``."""
        with self._lock:
            self._latencies_ms.append(latency_ms)

    def succeeded(self) -> None:
        """An answer came whole: all is forgiven."""
        with self._lock:
            self._fails.clear()
            self._on_trial = False
            self._next_rest_s = self._cooldown_s
            self._last_error = ""

    def failed(self, error: str, rest_s: float | None = None) -> None:
        """A request failed.

        Args:
            error: for reports.
            rest_s: rest for exactly this long, whatever is allowed (429 with Retry-After).
        """
        with self._lock:
            now_s = self._clock()
            self._last_error = error
            self._fails.append(now_s)
            self._forget(now_s)
            if rest_s is not None:
                self._rest_until_s = now_s + min(rest_s, _MAX_COOLDOWN_S)
            elif self._on_trial or len(self._fails) > self._allowed_fails:
                self._rest_until_s = now_s + self._next_rest_s
                self._next_rest_s = min(2 * self._next_rest_s, _MAX_COOLDOWN_S)
                self._on_trial = True

    def status(self) -> HealthStatus:
        """A snapshot."""
        with self._lock:
            now_s = self._clock()
            self._forget(now_s)
            latencies = self._latencies_ms
            return HealthStatus(
                self.name,
                max(0.0, self._rest_until_s - now_s),
                len(self._fails),
                self._in_flight,
                sum(latencies) / len(latencies) if latencies else None,
                self._last_error,
            )

    def _forget(self, now_s: float) -> None:
        while self._fails and now_s - self._fails[0] > _WINDOW_S:
            self._fails.popleft()
