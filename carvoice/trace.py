"""Spans of a turn: one trace id from the first microphone frame to the CAN frame."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from carvoice.records import Span

Clock: TypeAlias = Callable[[], float]


class Trace:
    """Collects the spans of one turn. Not thread-safe: one turn belongs to one thread.

    Args:
        clock: monotonic seconds; injected by tests.
    """

    __slots__ = ("_clock", "_spans", "trace_id")

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.trace_id = uuid.uuid4().hex[:16]
        self._clock = clock
        self._spans: list[Span] = []

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Time the block and keep it as a span, also when it raises."""
        start_s = self._clock()
        try:
            yield
        finally:
            self.add(name, start_s, (self._clock() - start_s) * 1e3)

    def add(self, name: str, start_s: float, duration_ms: float) -> None:
        """Keep a span measured elsewhere."""
        self._spans.append(Span(name, start_s, duration_ms))

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans so far, in order of their end."""
        return tuple(self._spans)
