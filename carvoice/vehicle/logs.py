"""Bus logs: written while driving, searched by turn, replayed into a car state.

The format follows the file name, as python-can knows them: ``.log`` (candump, for can-utils' ``canplayer``),
``.asc``, ``.blf``, ``.csv``, ``.trc``, ``.mf4`` (extra mf4), and ``.gz`` behind any text format.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType

import can

from carvoice.errors import BusError
from carvoice.records import FrameRecord
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.mf4 import prepare_for
from carvoice.vehicle.state import CarState

logger = logging.getLogger(__name__)

INDEX_SUFFIX = ".turns.jsonl"


class BusLog:
    """Writes every frame of a bus to a file, and beside it which frames belong to which turn.

    A log that can no longer be written (the disk is full) ends with a warning; the bus goes on.

    Args:
        path: log file; the index is ``<path>.turns.jsonl``.
        bus: the bus; its own frames are logged too where the interface reports them.
        channel: what the log calls the bus.

    Raises:
        BusError: the file cannot be written, or nothing writes that format.
    """

    def __init__(self, path: Path | str, bus: Bus, channel: str = "can0") -> None:
        self.path = Path(path)
        self._bus = bus
        self._channel = channel
        self._lock = threading.Lock()
        self._is_open = True
        try:
            prepare_for(self.path)
            self._writer = can.Logger(str(self.path))
            self._index = Path(f"{self.path}{INDEX_SUFFIX}").open("w", encoding="utf-8")  # noqa: SIM115
        except (OSError, ValueError, ImportError, NotImplementedError) as error:
            raise BusError(f"{self.path}: cannot write this bus log: {error}") from error
        bus.listeners.append(self._take)

    def _take(self, message: can.Message) -> None:
        message.channel = self._channel
        with self._lock:
            if not self._is_open:
                return  # it came while the log was being closed
            try:
                self._writer.on_message_received(message)
            except (OSError, ValueError) as error:
                self._is_open = False
                logger.warning("%s: the bus log ends here: %s", self.path, error)

    def mark(self, frames: Iterable[FrameRecord]) -> None:
        """Note the frames of a turn (``Actuation.frames``) in the index."""
        # records carry monotonic time, logs wall time
        offset_s = time.time() - time.monotonic()
        for frame in frames:
            entry = {
                "trace_id": frame.trace_id,
                "time_s": round(frame.timestamp_s + offset_s, 6),
                "id": frame.arbitration_id,
                "is_extended": frame.is_extended,
                "is_tx": frame.is_tx,
                "name": frame.name,
                "data": frame.data.hex(),
                "signals": frame.signals,
            }
            self._index.write(json.dumps(entry) + "\n")
        self._index.flush()

    def close(self) -> None:
        """Stop logging and finish the file."""
        if self._take not in self._bus.listeners:
            return
        self._bus.listeners.remove(self._take)
        with self._lock:
            self._is_open = False
            self._index.close()
            try:
                self._writer.stop()
            except (OSError, ValueError) as error:
                logger.warning("%s: the bus log is not whole: %s", self.path, error)

    def __enter__(self) -> BusLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def frames_of_turn(path: Path | str, trace_id: str) -> tuple[FrameRecord, ...]:
    """The frames of a turn from the index of a bus log; times are wall time.

    Raises:
        BusError: the log has no index, or a line of it is damaged.
    """
    index = Path(f"{path}{INDEX_SUFFIX}")
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BusError(f"{index}: cannot read the index of the bus log: {error.strerror}") from None
    frames = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            if entry["trace_id"] == trace_id:
                frames.append(_record(entry))
        except (ValueError, KeyError, TypeError) as error:
            raise BusError(f"{index}:{number}: damaged entry: {error}") from None
    return tuple(frames)


def _record(entry: dict[str, object]) -> FrameRecord:
    fields = dict(entry)
    signals = fields["signals"]
    return FrameRecord(
        timestamp_s=float(str(fields["time_s"])),
        arbitration_id=int(str(fields["id"])),
        data=bytes.fromhex(str(fields["data"])),
        is_extended=bool(fields["is_extended"]),
        is_tx=bool(fields["is_tx"]),
        name=str(fields["name"]),
        signals=signals if isinstance(signals, dict) else {},
        trace_id=str(fields["trace_id"]),
    )


def read_log(path: Path | str) -> Iterator[can.Message]:
    """The messages of a bus log, in file order.

    Raises:
        BusError: the file is missing, of an unknown format, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise BusError(f"{path}: there is no such bus log")
    try:
        prepare_for(path)
        with can.LogReader(str(path)) as reader:
            yield from reader
    except (ValueError, OSError, ImportError, NotImplementedError, EOFError, IndexError) as error:
        raise BusError(f"{path}: cannot read this bus log: {error}") from error


class Replay:
    """Drives a car state from a recorded bus: its clock is the log's time.

    Args:
        path: the log.
        car: how to read its frames.

    Attributes:
        state: the car's state at the present point of the log.
        now_s: the log's time, seconds since its first frame.
    """

    def __init__(self, path: Path | str, car: Car) -> None:
        self.now_s = 0.0
        self.state = CarState(car, clock=lambda: self.now_s)
        self._messages = read_log(path)
        self._pending: can.Message | None = None
        self._first_s: float | None = None

    def run(
        self,
        until_s: float | None = None,
        speed: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> int:
        """Go on in the log.

        Args:
            until_s: where to stop, in log time; None for the end.
            speed: 1.0 for real time, 2.0 for twice as fast; None for as fast as possible.
            sleep: how to wait, when there is a speed.

        Returns:
            How many frames were taken in.

        Raises:
            BusError: the log cannot be read.
        """
        n = 0
        while True:
            message, self._pending = self._pending or next(self._messages, None), None
            if message is None:
                break
            if self._first_s is None:
                self._first_s = message.timestamp
            time_s = message.timestamp - self._first_s
            if until_s is not None and time_s > until_s:
                self._pending = message
                break
            if speed is not None and time_s > self.now_s:
                sleep((time_s - self.now_s) / speed)
            self.now_s = max(self.now_s, time_s)
            if not message.is_error_frame and not message.is_remote_frame:
                self.state.receive(message.arbitration_id, bytes(message.data), message.is_extended_id)
                n += 1
        if until_s is not None:
            self.now_s = max(self.now_s, until_s)
        return n
