"""Carries out actions on a CAN bus and says how far each one got.

The evidence rests on frames: the bus's transmission confirmation, where the interface gives one, and the
status message of the ECU.
"""

from __future__ import annotations

import contextlib
import errno
import time

import can

from carvoice.records import Action, Evidence, FrameRecord, Value
from carvoice.trace import Clock
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car, Node
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.performer import ActuatorSettings, NotTakenError, Performer
from carvoice.vehicle.readback import read_back
from carvoice.vehicle.state import CarState

_UNCONFIRMED = "no transmission confirmation: nobody acknowledged the frame, or the bus is off"
_QUEUE_FULL = (errno.ENOBUFS, errno.EAGAIN)
_HEARD = (Evidence.ACTUATED, Evidence.MOVING)  # the car can only show these if it got the frame


class Actuator(Performer):
    """Performs actions on a bus, through the gate.

    Args:
        bus: where the frames go; its frames must be fed into ``state`` (:meth:`Bus.feed`).
        car: the car.
        state: what the car says.
        gate: judges and sends.
        settings: waiting times.
        clock: monotonic seconds, the same one state and gate use.
    """

    def __init__(
        self,
        bus: Bus,
        car: Car,
        state: CarState,
        gate: Gate,
        *,
        settings: ActuatorSettings | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(car, state, gate, settings=settings, clock=clock)
        self._bus = bus

    def _hand_over(self, action: Action, confirmed: bool, trace_id: str) -> FrameRecord:
        """Send; a full queue is tried again with growing pauses until ``send_s``."""
        deadline_s = self._clock() + self._settings.send_s
        pause_s = self._settings.backoff_s
        while True:
            try:
                return self._gate.send(self._bus.raw, action, self._state, confirmed, trace_id)
            except can.CanError as error:
                is_full = error.error_code in _QUEUE_FULL
                if not is_full or self._clock() + pause_s > deadline_s:
                    reason = f"the bus did not take the frame: {error}"
                    raise NotTakenError(Evidence.FAILED, reason) from error
            self._state.wait(lambda: False, pause_s)
            pause_s *= 2

    def _watch(
        self, node: Node, wanted: Value, request: FrameRecord | None, seen: int
    ) -> tuple[Evidence, str]:
        """What shows that the frame went out, and that the car did it."""
        assert request is not None
        state, settings = self._state, self._settings
        if self._bus.confirms_tx and not state.wait(
            lambda: state.was_transmitted(request), settings.confirm_s
        ):
            self._purge()
            # on a busy computer the confirmation may only be late: the car knows
            found, detail = read_back(node, wanted, state, seen, settings.confirm_s, settings.confirm_s)
            return (found, detail) if found in _HEARD else (Evidence.FAILED, _UNCONFIRMED)
        found, detail = read_back(node, wanted, state, seen, settings.refusal_s, settings.status_s)
        return found or (Evidence.TRANSMITTED if self._bus.confirms_tx else Evidence.REQUESTED), detail

    def _purge(self) -> None:
        """Take an unsent frame back out of the driver, so that it is not carried out late."""
        with contextlib.suppress(NotImplementedError, can.CanError):
            self._bus.raw.flush_tx_buffer()
