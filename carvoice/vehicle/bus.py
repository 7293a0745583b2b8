"""A CAN bus and its receiving thread: any python-can interface, its frames fed into the car's state."""

from __future__ import annotations

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
RETRY_S = 1.0  # how long it waits before it tries an interface again that has failed

Listener = Callable[[can.Message], None]


class Bus:
    """An open CAN bus.

    Frames are delivered to :attr:`listeners` from a thread (:meth:`start`) or, in tests and tools without
    one, by :meth:`poll`. A context manager: leaving it stops the thread and closes the interface.

    Attributes:
        raw: the python-can bus. Only the gate sends actions on it.
        confirms_tx: whether the interface reports the transmission of our own frames.
        listeners: called with every frame, from the receiving thread.
        error_frames: how many error frames came.
        failures: how often receiving failed (interface down or unplugged).
    """

    def __init__(self, raw: can.BusABC, confirms_tx: bool = False) -> None:
        self.raw = raw
        self.confirms_tx = confirms_tx
        self.listeners: list[Listener] = []
        self.error_frames = 0
        self.failures = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @classmethod
    def open(cls, interface: str, channel: str | int | None = None, **options: Any) -> Bus:
        """Open a bus.

        Args:
            interface: python-can's name of the interface: socketcan, virtual, udp_multicast, pcan, ...
            channel: e.g. ``can0``; None for the interface's own default.
            options: passed through to python-can (``bitrate``, ``fd``, ...).

        Raises:
            BusError: unknown interface, missing driver, absent or busy device.
        """
        if channel is not None:
            options["channel"] = channel
        where = f"{interface}:{channel}" if channel is not None else interface
        try:
            try:
                raw = can.Bus(interface=interface, receive_own_messages=True, **options)
                return cls(raw, confirms_tx=True)
            except can.CanInterfaceNotImplementedError:
                if interface not in can.VALID_INTERFACES:
                    raise
                # the interface is there but cannot report our own frames
                return cls(can.Bus(interface=interface, **options))
        except can.CanInterfaceNotImplementedError as error:
            known = ", ".join(sorted(can.VALID_INTERFACES))
            raise BusError(f"CAN interface {where}: {error}; known interfaces: {known}") from error
        except (can.CanError, OSError, ValueError, TypeError, ImportError) as error:
            raise BusError(
                f"cannot open CAN bus {where}: {error}. Is the interface there and not in use, and up "
                f"(ip link set {channel or 'can0'} up type can bitrate 500000)?"
            ) from error

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
            except can.CanError as error:
                raise BusError(f"CAN bus {self.raw.channel_info}: {error}") from error
            if message is None:
                return n
            self._deliver(message)
            n += 1

    def _deliver(self, message: can.Message) -> None:
        if message.is_error_frame:
            self.error_frames += 1
            return
        if message.is_remote_frame:
            return
        for listener in self.listeners:
            listener(message)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                message = self.raw.recv(timeout=POLL_S)
            except (can.CanError, OSError) as error:
                # unplugged, or the interface went down: it may come back
                self.failures += 1
                if self.failures == 1:
                    logger.warning("CAN bus %s: %s", self.raw.channel_info, error)
                self._stop.wait(RETRY_S)
                continue
            if message is not None:
                self._deliver(message)

    def __enter__(self) -> Bus:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
