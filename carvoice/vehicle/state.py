"""What the car last said: VSS values with their ages, fed from status frames.

A frame whose payload did not change costs a dictionary look-up and a comparison; a changed one costs a
shift, a mask and, for signals of up to 8 bits, a table look-up per mapped signal.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from carvoice.errors import CarError
from carvoice.records import FrameRecord, Value
from carvoice.trace import Clock
from carvoice.vehicle.car import Car
from carvoice.vehicle.codec import MessageCodec
from carvoice.vehicle.e2e import Checker, CheckStatus, WindowState
from carvoice.vehicle.node import Node

_TABLE_BITS = 8
_CONFIRMATIONS = 64  # transmission confirmations remembered


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of the car and how old it is."""

    value: Value
    age_s: float


class _Cell:
    """The last value of one path; ``count`` grows with every frame that carried it."""

    __slots__ = ("count", "on_change", "time_s", "value")

    def __init__(self) -> None:
        self.value: Value | None = None
        self.on_change: Callable[[Value | None], object] | None = None
        self.time_s = float("-inf")
        self.count = 0


class _Reader:
    """Takes one mapped signal out of a payload."""

    __slots__ = ("above", "cell", "decode", "is_little_endian", "mask", "shift", "table")

    def __init__(self, node: Node, cell: _Cell) -> None:
        assert node.read is not None
        signal = node.read.signal
        self.cell = cell
        self.shift, self.mask, self.is_little_endian = signal.shift, signal.mask, signal.is_little_endian
        self.decode = node.from_bits
        self.above = node.read.message.ancestors(signal)
        self.table: list[Value | None] | None = None
        if signal.length <= _TABLE_BITS:
            self.table = [node.from_bits(bits) for bits in range(1 << signal.length)]


class _Inbox:
    """Everything needed on receipt of one message."""

    __slots__ = ("checker", "codec", "data", "has_big_endian", "readers", "time_s")

    def __init__(self, codec: MessageCodec, checker: Checker | None) -> None:
        self.codec = codec
        self.checker = checker
        self.data = b""
        self.time_s = float("-inf")
        self.readers: list[_Reader] = []
        self.has_big_endian = not all(signal.is_little_endian for signal in codec.multiplexers)


class CarState:
    """Last known values of the car.

    Thread-safe: one receiver calls :meth:`receive`, anyone reads.

    Args:
        car: the car.
        clock: monotonic seconds; ages are measured with it.
        idle: called with a number of seconds while :meth:`wait` waits, instead of blocking; tests step
            the simulated car in it.

    Attributes:
        car: the car.
        frames: frames taken in; of these ``unknown_frames`` are not in the database as status messages, and
            ``short_frames`` have too few bytes.
    """

    def __init__(
        self, car: Car, clock: Clock = time.monotonic, idle: Callable[[float], None] | None = None
    ) -> None:
        self.car = car
        self._clock = clock
        self._idle = idle
        self._changed = threading.Condition(threading.RLock())
        self._waiting = 0
        self._cells: dict[str, _Cell] = {path: _Cell() for path in car.nodes}
        self._inboxes: dict[tuple[int, bool], _Inbox] = {}
        self._transmitted: deque[tuple[float, tuple[int, bool], bytes]] = deque(maxlen=_CONFIRMATIONS)
        self.frames = 0
        self.unknown_frames = 0
        self.short_frames = 0
        for path, node in car.nodes.items():
            if node.read is not None:
                self._prepare(node, self._cells[path])

    def _prepare(self, node: Node, cell: _Cell) -> None:
        assert node.read is not None
        codec, signal = node.read.message, node.read.signal
        inbox = self._inboxes.get(codec.key)
        if inbox is None:
            protection = self.car.protection.get(codec.name)
            inbox = self._inboxes[codec.key] = _Inbox(codec, Checker(protection) if protection else None)
        inbox.has_big_endian = inbox.has_big_endian or not signal.is_little_endian
        inbox.readers.append(_Reader(node, cell))

    def receive(self, arbitration_id: int, data: bytes, is_extended: bool = False) -> None:
        """Take in a frame of the car.

        Frames that are not in the database, too short, or fail their end-to-end check change nothing
        (they are counted).
        """
        now_s = self._clock()
        with self._changed:
            self.frames += 1
            inbox = self._inboxes.get((arbitration_id, is_extended))
            if inbox is None:
                self.unknown_frames += 1
                return
            if len(data) < inbox.codec.length:
                self.short_frames += 1
                return
            if inbox.checker is not None and not inbox.checker.believes(data):
                return
            self._take(inbox, bytes(data), now_s)
            if self._waiting:
                self._changed.notify_all()

    def _take(self, inbox: _Inbox, data: bytes, now_s: float) -> None:
        inbox.time_s = now_s
        codec = inbox.codec
        if data == inbox.data and not codec.multiplexers:
            for reader in inbox.readers:
                reader.cell.time_s = now_s
                reader.cell.count += 1
            return
        inbox.data = data
        little = int.from_bytes(data[: codec.length], "little")
        big = int.from_bytes(data[: codec.length], "big") if inbox.has_big_endian else 0
        for reader in inbox.readers:
            for above, ids in reader.above:
                if (little if above.is_little_endian else big) >> above.shift & above.mask not in ids:
                    break
            else:
                bits = (little if reader.is_little_endian else big) >> reader.shift & reader.mask
                cell, before = reader.cell, reader.cell.value
                cell.value = reader.table[bits] if reader.table is not None else reader.decode(bits)
                cell.time_s = now_s
                cell.count += 1
                if cell.on_change is not None and cell.value != before:
                    cell.on_change(cell.value)

    def put(self, path: str, value: Value) -> None:
        """Take in a value that came some other way than on CAN (a databroker).

        Raises:
            CarError: this car has no such path, or not this value.
        """
        value = self.car.find(path).cast(value)
        with self._changed:
            cell, before = self._cells[path], self._cells[path].value
            cell.value, cell.time_s, cell.count = value, self._clock(), cell.count + 1
            self._changed.notify_all()
            if cell.on_change is not None and value != before:
                cell.on_change(value)

    def get(self, path: str) -> Reading | None:
        """The last value of a path; None if the car has not told, or tells that it has no value.

        Raises:
            CarError: this car has no such path.
        """
        cell = self._cell(path)
        with self._changed:
            if cell.value is None:
                return None
            return Reading(cell.value, max(0.0, self._clock() - cell.time_s))

    def watch(self, path: str, on_change: Callable[[Value | None], object]) -> None:
        """Have changes of a path told at once, from the receiving thread; one watcher per path.

        Args:
            path: of the car.
            on_change: takes the new value, None when the car tells that it has none. It must not wait.

        Raises:
            CarError: this car has no such path.
        """
        self._cell(path).on_change = on_change

    def count(self, path: str) -> int:
        """How many frames (or values) have told about the path; grows with each, changed or not.

        Raises:
            CarError: this car has no such path.
        """
        return self._cell(path).count

    def _cell(self, path: str) -> _Cell:
        try:
            return self._cells[path]
        except KeyError:
            raise CarError(f"{self.car.path}: this car has no {path}") from None

    def transmitted(self, arbitration_id: int, data: bytes, is_extended: bool = False) -> None:
        """Note that the bus confirmed the transmission of one of our frames."""
        with self._changed:
            self._transmitted.append((self._clock(), (arbitration_id, is_extended), bytes(data)))
            self._changed.notify_all()

    def was_transmitted(self, frame: FrameRecord) -> bool:
        """Whether the bus has confirmed this frame since the time in its record."""
        key, since_s = (frame.arbitration_id, frame.is_extended), frame.timestamp_s
        with self._changed:
            return any(t >= since_s and k == key and data == frame.data for t, k, data in self._transmitted)

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition holds; looked at again whenever something arrives.

        Returns:
            Whether it held within ``timeout_s``.
        """
        deadline_s = self._clock() + timeout_s
        with self._changed:
            self._waiting += 1
            try:
                while not condition():
                    left_s = deadline_s - self._clock()
                    if left_s <= 0:
                        return False
                    if self._idle is not None:
                        self._idle(left_s)
                    else:
                        self._changed.wait(left_s)
                return True
            finally:
                self._waiting -= 1

    def wake(self) -> None:
        """Have everybody who waits look at their conditions."""
        with self._changed:
            self._changed.notify_all()

    def last_frame(self, path: str, trace_id: str = "") -> FrameRecord | None:
        """The last status frame that told about the path, decoded; None if there was none."""
        node = self.car.find(path)
        if node.read is None:
            return None
        with self._changed:
            inbox = self._inboxes[node.read.message.key]
            if not inbox.data:
                return None
            codec = inbox.codec
            return FrameRecord(
                timestamp_s=inbox.time_s,
                arbitration_id=codec.arbitration_id,
                data=inbox.data,
                is_extended=codec.is_extended,
                is_fd=codec.is_fd,
                name=codec.name,
                signals=codec.decode(inbox.data),
                trace_id=trace_id,
            )

    def check_statuses(self) -> dict[str, dict[CheckStatus, int]]:
        """End-to-end check results so far, by message name."""
        return {
            inbox.codec.name: dict(inbox.checker.statuses)
            for inbox in self._inboxes.values()
            if inbox.checker is not None
        }

    def check_windows(self) -> dict[str, WindowState]:
        """Where the end-to-end state machines stand, by message name; only of messages that have one."""
        checkers = {i.codec.name: i.checker for i in self._inboxes.values() if i.checker is not None}
        return {name: c.window.state for name, c in checkers.items() if c.window is not None}
