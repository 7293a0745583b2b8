"""The simulated wire as a python-can interface: ``can.Bus(interface="carvoice_sim", channel="demo")``.

Buses of one process with the same channel share a wire. Unlike python-can's ``virtual`` interface, frames
take their bit time, the lowest ID goes first, somebody else has to acknowledge, and things go wrong.
"""

from __future__ import annotations

import errno
import queue
import threading
import time
from typing import Any

import can

from carvoice.trace import Clock
from carvoice.vehicle.simulator.wire import ERROR_PASSIVE, Wire, WireNode

_wires: dict[object, tuple[Wire, int]] = {}
_lock = threading.Lock()


class SimulatedBus(can.BusABC):
    """A controller on a simulated wire.

    Args:
        channel: name of the wire; the first bus on it makes it and sets its properties.
        bitrate: 125000, 250000, 500000 or 1000000 bit/s.
        data_bitrate: bit/s of the data phase of CAN FD frames.
        fd: whether this controller takes CAN FD frames.
        receive_own_messages: deliver our own frames once they were acknowledged (``is_rx`` is False).
        tx_queue: frames the driver holds; then sending fails with ENOBUFS.
        restart_s: how long the controller stays off the bus before it restarts; None: until :meth:`restart`.
        error_rate: share of frames destroyed by noise.
        seed: of the noise.
        clock: monotonic seconds; with a clock of its own the wire has no thread, and time passes only by
            ``bus.wire.run_until``.

    Attributes:
        wire: the wire it is on.
        node: its controller.
    """

    def __init__(
        self,
        channel: Any = "demo",
        bitrate: int = 500_000,
        data_bitrate: int = 2_000_000,
        fd: bool = True,
        receive_own_messages: bool = False,
        tx_queue: int = 10,
        restart_s: float | None = 0.1,
        error_rate: float = 0.0,
        seed: int = 0,
        clock: Clock | None = None,
        **kwargs: Any,
    ) -> None:
        self._inbox: queue.SimpleQueue[can.Message | None] = queue.SimpleQueue()
        self.node = WireNode(self._inbox.put, tx_queue, receive_own_messages, restart_s)
        with _lock:
            wire, users = _wires.get(channel, (None, 0))
            if wire is None:
                wire = Wire(bitrate, data_bitrate, error_rate, seed, clock or time.monotonic)
                if clock is None:
                    wire.start()
            elif wire.bitrate != bitrate or wire.data_bitrate != data_bitrate:
                raise can.CanInitializationError(
                    f"the wire {channel!r} runs at {wire.bitrate}/{wire.data_bitrate} bit/s, "
                    f"not at {bitrate}/{data_bitrate}"
                )
            _wires[channel] = (wire, users + 1)
        self.wire = wire
        wire.attach(self.node)
        self._channel = channel
        self._can_protocol = can.CanProtocol.CAN_FD if fd else can.CanProtocol.CAN_20
        self.channel_info = f"simulated wire {channel}"
        self._open = True
        super().__init__(channel=channel, **kwargs)

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        """Queue a frame.

        Raises:
            can.CanOperationError: the queue is full (ENOBUFS), the controller is off the bus (ENETDOWN) or
                unplugged (ENODEV), or the frame is a CAN FD one and the controller is not.
        """
        self._check()
        if self.node.off_since_s is not None:
            raise can.CanOperationError("the controller is off the bus", errno.ENETDOWN)
        if msg.is_fd and self._can_protocol is not can.CanProtocol.CAN_FD:
            raise can.CanOperationError("this controller does not send CAN FD frames", errno.EINVAL)
        deadline_s = time.monotonic() + (timeout or 0.0)
        while not self.wire.queue(self.node, msg):
            if time.monotonic() >= deadline_s:
                raise can.CanOperationError("no buffer space available", errno.ENOBUFS)
            time.sleep(0.0005)

    def _check(self) -> None:
        if not self._open:
            raise can.CanOperationError("the bus is closed")
        if self.node.unplugged:
            raise can.CanOperationError("no such device", errno.ENODEV)

    def _recv_internal(self, timeout: float | None) -> tuple[can.Message | None, bool]:
        self._check()
        try:
            # a timeout of None means for ever
            message = self._inbox.get(block=timeout is None or timeout > 0, timeout=timeout)
        except queue.Empty:
            return None, False
        if message is None:
            self._check()
        return message, False

    def flush_tx_buffer(self) -> None:
        """Drop the frames that are queued and not on the wire yet."""
        self.wire.flush(self.node)

    @property
    def state(self) -> can.BusState:
        """ACTIVE, PASSIVE (more than 127 errors) or ERROR (off the bus)."""
        if self.node.off_since_s is not None:
            return can.BusState.ERROR
        passive = self.node.tec >= ERROR_PASSIVE or self.node.rec >= ERROR_PASSIVE
        return can.BusState.PASSIVE if passive else can.BusState.ACTIVE

    @state.setter
    def state(self, new_state: can.BusState) -> None:
        raise NotImplementedError("the state follows from the traffic; see restart, unplug and plug")

    def restart(self) -> None:
        """Bring the controller back on the bus."""
        self.wire.restart(self.node)

    def unplug(self) -> None:
        """Pull the connector: sending and receiving fail until :meth:`plug`."""
        self.node.unplugged = True
        self.wire.flush(self.node)
        self._inbox.put(None)  # wakes a receiver that waits

    def plug(self) -> None:
        """Put the connector back."""
        self.node.unplugged = False

    def shutdown(self) -> None:
        """Leave the wire; the last one takes it down."""
        super().shutdown()
        if not self._open:
            return
        self._open = False
        self.wire.detach(self.node)
        with _lock:
            wire, users = _wires[self._channel]
            if users > 1:
                _wires[self._channel] = (wire, users - 1)
                return
            del _wires[self._channel]
        wire.stop()
