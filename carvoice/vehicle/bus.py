"""A CAN bus and its receiving thread: any python-can interface, its frames fed into the car's state.

An interface that fails (pulled out, taken down) is closed and opened again, with growing pauses. Meanwhile
every frame is refused at once; nothing is kept for later. Coming back from bus-off is the interface's own
affair (socketcan: ``ip link set can0 type can restart-ms 100``); its drivers drop what was queued.

python-can cannot take a frame back out of a socketcan driver. A controller that nobody acknowledges goes on
sending it, and an ECU that is plugged in a minute later carries the old request out. Where that can hurt, set
the interface up with ``one-shot on``: each frame is tried once, and what lost the arbitration is reported as
failed.
"""

from __future__ import annotations

import contextlib
import errno
import inspect
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import can

from carvoice.errors import BusError
from carvoice.vehicle.state import CarState

logger = logging.getLogger(__name__)

POLL_S = 0.1  # how long the receiving thread sleeps in the driver before it looks whether to stop
RETRY_S = 0.1  # first pause before an interface that has failed is tried again, doubled each time
MAX_RETRY_S = 5.0
# error classes in the ID of an error frame (Linux' can/error.h); the graver one wins
_OFF, _RESTARTED = 0x40, 0x100
_TROUBLES = {_OFF: "the controller is off the bus", 0x20: "nobody acknowledges our frames"}
_OWN_BY_KEYWORD = ("kvaser", "neovi")  # they look for it among their further keywords
BUS_ERRORS = (can.CanError, OSError)  # what a working interface raises when it no longer works
_OPEN_ERRORS = (*BUS_ERRORS, ValueError, TypeError, ImportError)

Listener = Callable[[can.Message], None]
Opener = Callable[[], tuple[can.BusABC, bool]]


def reports_own_frames(interface: str, bus_class: type[can.BusABC]) -> bool:
    """Whether an interface heeds ``receive_own_messages``; many take it and ignore it (slcan, socketcand)."""
    return interface in _OWN_BY_KEYWORD or "receive_own_messages" in inspect.signature(bus_class).parameters


class Bus:
    """An open CAN bus.

    Frames are delivered to :attr:`listeners` from a thread (:meth:`start`) or, in tests and tools without
    one, by :meth:`poll`. A context manager: leaving it stops the thread and closes the interface.

    Attributes:
        raw: the python-can bus. Only the gate sends actions on it.
        confirms_tx: whether the interface reports the transmission of our own frames.
        listeners: called with every frame, from the receiving thread.
        error_frames: how many error frames came.
        trouble: what the last of them said of our sending, "" since a frame of ours went out.
        failures: how often receiving failed (interface down or unplugged).
        reopened: how often the interface was opened again after that.

    Args:
        raw: the python-can bus.
        confirms_tx: see above.
        reopen: opens the interface again; None where only its owner can.
    """

    def __init__(self, raw: can.BusABC, confirms_tx: bool = False, reopen: Opener | None = None) -> None:
        self.raw = raw
        self.confirms_tx = confirms_tx
        self.reopened = 0
        self._reopen = reopen
        self.listeners: list[Listener] = []
        self.error_frames = 0
        self.trouble = ""
        self.failures = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @classmethod
    def open(
        cls, interface: str, channel: str | int | None = None, *, may_come_later: bool = False, **options: Any
    ) -> Bus:
        """Open a bus.

        Args:
            interface: python-can's name of the interface: socketcan, virtual, udp_multicast, pcan, ...
            channel: e.g. ``can0``; None for the interface's own default.
            may_come_later: an absent or busy device is opened once it is there, as after a failure.
            options: passed through to python-can (``bitrate``, ``fd``, ...).

        Raises:
            BusError: unknown interface, missing driver; absent or busy device, unless that may come later.
        """
        if channel is not None:
            options["channel"] = channel
        where = f"{interface}:{channel}" if channel is not None else interface

        def connect() -> tuple[can.BusABC, bool]:
            try:
                raw = can.Bus(interface=interface, receive_own_messages=True, **options)
                return raw, reports_own_frames(interface, type(raw))
            except (can.CanInterfaceNotImplementedError, TypeError):
                if interface not in can.VALID_INTERFACES:
                    raise
                # the interface is there but cannot report our own frames
                return can.Bus(interface=interface, **options), False

        try:
            return cls(*connect(), reopen=connect)
        except can.CanInterfaceNotImplementedError as error:
            known = ", ".join(sorted(can.VALID_INTERFACES))
            raise BusError(f"CAN interface {where}: {error}; known interfaces: {known}") from error
        except _OPEN_ERRORS as error:
            if may_come_later and isinstance(error, BUS_ERRORS):
                logger.error("CAN bus %s: %s; waiting for it", where, error)
                return cls(_Gone(where), reopen=connect)
            raise BusError(
                f"cannot open CAN bus {where}: {error}. Is the interface there and not in use, and up "
                f"(ip link set {channel or 'can0'} up type can bitrate 500000)?"
            ) from error

    @property
    def is_gone(self) -> bool:
        """Whether the interface is not there, and waited for."""
        return isinstance(self.raw, _Gone)

    def feed(self, state: CarState) -> None:
        """Deliver every frame to a car state, our own frames as transmission confirmations."""

        def take(message: can.Message) -> None:
            if message.is_rx:
                state.receive(message.arbitration_id, bytes(message.data), message.is_extended_id)
            else:
                state.transmitted(message.arbitration_id, bytes(message.data), message.is_extended_id)

        self.listeners.append(take)

    def start(self) -> None:
        """Start the receiving thread; once it runs this does nothing."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="carvoice-can", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the receiving thread; the interface stays open."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Stop the thread and close the interface."""
        self.stop()
        self.raw.shutdown()

    def poll(self) -> int:
        """Deliver the frames that are waiting, without blocking; returns how many there were.

        Raises:
            BusError: the interface failed.
        """
        n = 0
        while True:
            try:
                message = self.raw.recv(timeout=0)
            except BUS_ERRORS as error:
                raise BusError(f"CAN bus {self.raw.channel_info}: {error}") from error
            if message is None:
                return n
            self._deliver(message)
            n += 1

    def _deliver(self, message: can.Message) -> None:
        if message.is_error_frame:
            self._note_error(message.arbitration_id)
            return
        if not message.is_rx:
            self.trouble = ""
        if message.is_remote_frame:
            return
        for listener in self.listeners:
            listener(message)

    def _note_error(self, error_class: int) -> None:
        self.error_frames += 1
        if error_class & _RESTARTED:
            self.trouble = ""
        for bit, trouble in _TROUBLES.items():
            if error_class & bit:
                self.trouble = trouble
                return

    def _run(self) -> None:
        if self.is_gone:
            self._wait_for_it()
        while not self._stop.is_set():
            try:
                message = self.raw.recv(timeout=POLL_S)
            except BUS_ERRORS as error:
                self.failures += 1
                self._recover(error)
                continue
            if message is not None:
                self._deliver(message)

    def _recover(self, error: Exception) -> None:
        """The interface failed: unplugged, or taken down. Wait until it is back."""
        if self._reopen is None:
            self._stop.wait(RETRY_S)
            return
        failed, self.raw = self.raw, _Gone(str(self.raw.channel_info))
        logger.warning("CAN bus %s failed: %s", failed.channel_info, error)
        with contextlib.suppress(*_OPEN_ERRORS):
            failed.shutdown()
        self._wait_for_it()

    def _wait_for_it(self) -> None:
        assert self._reopen is not None
        pause_s = RETRY_S
        while not self._stop.wait(pause_s):
            try:
                self.raw, self.confirms_tx = self._reopen()
            except _OPEN_ERRORS:
                pause_s = min(2 * pause_s, MAX_RETRY_S)
                continue
            self.reopened += 1
            logger.warning("CAN bus %s is back", self.raw.channel_info)
            return

    def __enter__(self) -> Bus:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Gone(can.BusABC):
    """Stands in for an interface that has failed: takes nothing, and so keeps nothing for later."""

    def __init__(self, channel_info: str) -> None:
        self._is_shutdown = True  # there is nothing to close
        self.channel_info = channel_info

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        raise can.CanOperationError("the interface is gone", errno.ENODEV)

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        return None, False
