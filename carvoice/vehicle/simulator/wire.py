"""A CAN wire that behaves like one: arbitration, bit time, acknowledgement, errors, bus-off, full queues.

Fault confinement follows ISO 11898-1:2015, 12.1: a transmitter's error counter rises by 8 with each error
and falls by 1 with each success; above 127 it is error passive, above 255 it is off the bus. A missing
acknowledgement alone does not take an error-passive node off the bus.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import can

from carvoice.trace import Clock
from carvoice.vehicle.simulator.frame_bits import ERROR_FRAME_BITS, frame_bits

ERROR_PASSIVE = 128
BUS_OFF = 256
# error classes in the ID of an error frame, as in Linux' can/error.h
ERR_CONTROLLER, ERR_PROTOCOL, ERR_ACK, ERR_BUS_OFF, ERR_RESTARTED = 0x04, 0x08, 0x20, 0x40, 0x100
_LOAD_WINDOW_S = 1.0

Deliver = Callable[[can.Message], None]


@dataclass(slots=True)
class _Pending:
    message: can.Message
    since_s: float
    key: tuple[int, int, int, int]
    is_aborted: bool = False


@dataclass(eq=False, slots=True)
class WireNode:
    """A controller on the wire.

    Attributes:
        deliver: called with every frame it hears (and its own ones, if it wants them).
        queue_limit: frames its driver holds.
        own: whether it hears its own frames, after they were acknowledged.
        restart_s: how long it stays off the bus; None until it is restarted by hand.
        tec: transmit error counter.
        rec: receive error counter.
        off_since_s: when it went off the bus, None while it takes part.
        unplugged: it is not on the wire.
    """

    deliver: Deliver
    queue_limit: int = 10
    own: bool = False
    restart_s: float | None = None
    queue: deque[_Pending] = field(default_factory=deque)
    tec: int = 0
    rec: int = 0
    off_since_s: float | None = None
    unplugged: bool = False

    @property
    def is_active(self) -> bool:
        """Whether it takes part in the traffic."""
        return self.off_since_s is None and not self.unplugged


@dataclass(slots=True)
class _Transmission:
    node: WireNode
    pending: _Pending
    start_s: float
    end_s: float
    error: int  # 0, or the class of the error that ends it


class Wire:
    """One bus. Thread-safe. Time passes by :meth:`run_until`; :meth:`start` runs it in real time.

    Args:
        bitrate: bits per second in the arbitration phase.
        data_bitrate: bits per second in the data phase of CAN FD frames with bit-rate switch.
        error_rate: share of frames destroyed by noise.
        seed: of the noise.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        bitrate: int = 500_000,
        data_bitrate: int = 2_000_000,
        error_rate: float = 0.0,
        seed: int = 0,
        clock: Clock = time.monotonic,
    ) -> None:
        self.bitrate = bitrate
        self.data_bitrate = data_bitrate
        self.error_rate = error_rate
        self.nodes: list[WireNode] = []
        self.frames = 0
        self.errors = 0
        self._forced_errors = 0
        self._random = random.Random(seed)
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())
        self._current: _Transmission | None = None
        self._free_s = clock()
        self._busy: deque[tuple[float, float]] = deque()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def attach(self, node: WireNode) -> None:
        """Put a node on the wire."""
        with self._changed:
            self.nodes.append(node)

    def detach(self, node: WireNode) -> None:
        """Take a node off the wire; what it had queued is gone."""
        with self._changed:
            node.queue.clear()
            self.nodes.remove(node)

    def queue(self, node: WireNode, message: can.Message) -> bool:
        """Queue a frame for transmission; False if the queue is full."""
        with self._changed:
            if len(node.queue) >= node.queue_limit:
                return False
            node.queue.append(_Pending(message, self._clock(), _priority(message)))
            self._changed.notify_all()
            return True

    def flush(self, node: WireNode) -> None:
        """Drop what a node has queued; a frame that is on the wire now is not tried again if it fails."""
        with self._changed:
            current = self._current
            keep = current.pending if current is not None and current.node is node else None
            node.queue = deque(p for p in node.queue if p is keep)
            for pending in node.queue:
                pending.is_aborted = True

    def inject_errors(self, n: int) -> None:
        """Destroy the next ``n`` frames."""
        with self._changed:
            self._forced_errors += n

    def restart(self, node: WireNode) -> None:
        """Bring a node back that is off the bus."""
        with self._changed:
            self._restart(node, self._clock())

    def load(self) -> float:
        """Share of the last second in which the wire was busy, 0..1."""
        with self._changed:
            now_s = self._clock()
            self._forget(now_s)
            busy_s = sum(min(end, now_s) - max(start, now_s - _LOAD_WINDOW_S) for start, end in self._busy)
            return min(1.0, max(0.0, busy_s) / _LOAD_WINDOW_S)

    def duration_s(self, message: can.Message) -> float:
        """How long a frame takes on this wire."""
        slow, fast = frame_bits(
            message.arbitration_id,
            bytes(message.data),
            message.is_extended_id,
            message.is_fd,
            message.bitrate_switch,
            message.is_remote_frame,
        )
        return slow / self.bitrate + fast / self.data_bitrate

    def run_until(self, now_s: float) -> None:
        """Let the wire work up to ``now_s``."""
        with self._changed:
            while self._advance(now_s):
                pass

    def _advance(self, now_s: float) -> bool:
        """One thing that happens no later than ``now_s``; False if nothing does."""
        self._restart_due(now_s)
        if self._current is None and not self._begin(now_s):
            return False
        assert self._current is not None
        if self._current.end_s > now_s:
            return False
        self._finish(self._current)
        return True

    def _restart_due(self, now_s: float) -> None:
        for node in self.nodes:
            since_s, wait_s = node.off_since_s, node.restart_s
            if since_s is not None and wait_s is not None and now_s - since_s >= wait_s:
                self._restart(node, now_s)

    def _restart(self, node: WireNode, now_s: float) -> None:
        node.off_since_s, node.tec, node.rec = None, 0, 0
        node.deliver(_error_message(ERR_RESTARTED, now_s))

    def _begin(self, now_s: float) -> bool:
        """Arbitration: of all frames waiting when the wire is free, the one with the lowest ID wins."""
        waiting = [node for node in self.nodes if node.queue and node.is_active]
        if not waiting:
            return False
        start_s = max(self._free_s, min(node.queue[0].since_s for node in waiting))
        if start_s > now_s:
            return False
        winner = min((n for n in waiting if n.queue[0].since_s <= start_s), key=lambda n: n.queue[0].key)
        pending = winner.queue[0]
        duration_s = self.duration_s(pending.message)
        error = self._fate(winner)
        if error == ERR_PROTOCOL:
            duration_s = duration_s * self._random.uniform(0.2, 1.0) + ERROR_FRAME_BITS / self.bitrate
        elif error:
            duration_s += ERROR_FRAME_BITS / self.bitrate
        self._current = _Transmission(winner, pending, start_s, start_s + duration_s, error)
        return True

    def _fate(self, sender: WireNode) -> int:
        if self._forced_errors > 0:
            self._forced_errors -= 1
            return ERR_PROTOCOL
        if self.error_rate > 0 and self._random.random() < self.error_rate:
            return ERR_PROTOCOL
        return 0 if any(n is not sender and n.is_active for n in self.nodes) else ERR_ACK

    def _finish(self, done: _Transmission) -> None:
        self._current = None
        self._free_s = done.end_s
        self._busy.append((done.start_s, done.end_s))
        self._forget(done.end_s)
        if not done.node.queue or done.node.queue[0] is not done.pending:
            return  # detached meanwhile
        if done.error:
            self._fail(done)
            return
        self.frames += 1
        done.node.queue.popleft()
        done.node.tec = max(0, done.node.tec - 1)
        for node in list(self.nodes):
            if node is done.node:
                if node.own:
                    node.deliver(_copy(done.pending.message, done.end_s, is_rx=False))
            elif node.is_active:
                node.rec = max(0, node.rec - 1)
                node.deliver(_copy(done.pending.message, done.end_s, is_rx=True))

    def _fail(self, done: _Transmission) -> None:
        """Count the error; the frame stays queued and is sent again, unless its node goes off the bus."""
        self.errors += 1
        sender = done.node
        if done.error != ERR_ACK or sender.tec < ERROR_PASSIVE:
            sender.tec += 8
        for node in list(self.nodes):
            if node.is_active:
                if node is not sender:
                    node.rec = min(255, node.rec + 1)
                node.deliver(_error_message(done.error, done.end_s))
        if done.pending.is_aborted:
            sender.queue.popleft()
        if sender.tec >= BUS_OFF:
            sender.off_since_s = done.end_s
            sender.queue.clear()  # what could not be sent is never sent late
            sender.deliver(_error_message(ERR_BUS_OFF, done.end_s))

    def _forget(self, now_s: float) -> None:
        while self._busy and self._busy[0][1] < now_s - _LOAD_WINDOW_S:
            self._busy.popleft()

    def _next_s(self) -> float | None:
        """When something happens next, None if nothing is under way."""
        times = [self._current.end_s] if self._current is not None else []
        for node in self.nodes:
            if node.queue and node.is_active and self._current is None:
                times.append(max(self._free_s, node.queue[0].since_s))
            if node.off_since_s is not None and node.restart_s is not None:
                times.append(node.off_since_s + node.restart_s)
        return min(times, default=None)

    def start(self) -> None:
        """Run in real time, in a thread."""
        if self._thread is None:
            self._stopping = False
            self._thread = threading.Thread(target=self._run, name="carvoice-wire", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        if self._thread is not None:
            with self._changed:
                self._stopping = True
                self._changed.notify_all()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        with self._changed:
            while not self._stopping:
                self.run_until(self._clock())
                next_s = self._next_s()
                self._changed.wait(None if next_s is None else max(0.0, next_s - self._clock()))


def _priority(message: can.Message) -> tuple[int, int, int, int]:
    """Order of arbitration: dominant bits first; a base frame beats an extended one with the same 11 bits."""
    remote = int(message.is_remote_frame)
    if message.is_extended_id:
        return message.arbitration_id >> 18, 1, message.arbitration_id & 0x3FFFF, remote
    return message.arbitration_id, 0, 0, remote


def _copy(message: can.Message, timestamp_s: float, is_rx: bool) -> can.Message:
    return can.Message(
        timestamp=timestamp_s,
        arbitration_id=message.arbitration_id,
        is_extended_id=message.is_extended_id,
        is_remote_frame=message.is_remote_frame,
        channel=message.channel,
        dlc=message.dlc,
        data=None if message.is_remote_frame else bytes(message.data),
        is_fd=message.is_fd,
        is_rx=is_rx,
        bitrate_switch=message.bitrate_switch,
    )


def _error_message(error: int, timestamp_s: float) -> can.Message:
    return can.Message(
        timestamp=timestamp_s,
        arbitration_id=error,
        is_extended_id=False,
        is_error_frame=True,
        dlc=8,
        data=bytes(8),
    )
