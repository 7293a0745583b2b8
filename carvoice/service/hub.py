"""From the dialogue's thread to any number of subscribers on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from carvoice.dialogue.events import Event

_QUEUED = 512  # events; about a minute of lively talk


class EventHub:
    """Hands every event to every subscriber, in order, without ever waiting for one.

    A subscriber that does not keep up is dropped: its queue ends with None.

    Args:
        loop: where the subscribers live.
        queued: events a subscriber may lag behind.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, queued: int = _QUEUED) -> None:
        self._loop = loop
        self._queued = queued
        self._queues: set[asyncio.Queue[Event | None]] = set()

    def publish(self, event: Event) -> None:
        """Take an event; from any thread, returns at once."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread, event)

    @contextmanager
    def subscribed(self) -> Iterator[asyncio.Queue[Event | None]]:
        """A queue of all events from now on."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(self._queued + 1)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End every subscription."""
        for queue in tuple(self._queues):
            self._drop(queue)

    def _spread(self, event: Event) -> None:
        for queue in tuple(self._queues):
            if queue.qsize() >= self._queued:
                self._drop(queue)
            else:
                queue.put_nowait(event)

    def _drop(self, queue: asyncio.Queue[Event | None]) -> None:
        self._queues.discard(queue)
        queue.put_nowait(None)
