"""Carries out actions on a CAN bus and says how far each one got.

The evidence rests on frames: the bus's transmission confirmation, where the interface gives one, and the
status message of the ECU. A request is one frame (event); with ``interval_ms`` in its ``vss2dbc`` it is said
again at that interval until the car has answered, then taken back with a frame that asks for nothing.
"""

from __future__ import annotations

import contextlib
import errno
import time

from carvoice.records import Action, Evidence, FrameRecord
from carvoice.trace import Clock
from carvoice.vehicle.bus import BUS_ERRORS, Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import DeniedError, Gate
from carvoice.vehicle.node import Leg
from carvoice.vehicle.performer import HEARD, ActuatorSettings, NotTakenError, Performer
from carvoice.vehicle.readback import Condition, read_back
from carvoice.vehicle.state import CarState

_BUSY = "the bus is full of frames that go first, or nobody acknowledged ours"
_MAY_BE_LATE = "this interface cannot take it back, so it may still go out (see one-shot)"
_QUEUE_FULL = (errno.ENOBUFS, errno.EAGAIN)


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
            except BUS_ERRORS as error:
                code = error.errno if isinstance(error, OSError) else error.error_code
                is_full = code in _QUEUE_FULL
                if not is_full or self._clock() + pause_s > deadline_s:
                    reason = f"the bus did not take the frame: {error}"
                    raise NotTakenError(Evidence.FAILED, reason) from error
            self._wait(lambda: False, pause_s)
            if self._cancelled.is_set():
                raise NotTakenError(Evidence.FAILED, "cancelled before the bus took the frame")
            pause_s *= 2

    def _watch(
        self, action: Action, confirmed: bool, request: FrameRecord | None, seen: int
    ) -> tuple[Evidence, str]:
        """What shows that the frame went out, and that the car did it."""
        assert request is not None
        state, settings = self._state, self._settings
        node = self._car.nodes[action.path]
        assert node.write is not None
        assert action.value is not None
        if self._bus.confirms_tx and not self._wait(
            lambda: state.was_transmitted(request), settings.confirm_s
        ):
            is_purged = self._purge()
            if self._cancelled.is_set():
                return Evidence.REQUESTED, "cancelled"
            # on a busy computer the confirmation may only be late: the car knows
            late_s = settings.confirm_s
            found, detail = read_back(node, action.value, state, seen, late_s, late_s, self._wait)
            if found in HEARD:
                return found, detail
            late = "" if is_purged else f"; {_MAY_BE_LATE}"
            return Evidence.FAILED, f"no transmission confirmation: {self._bus.trouble or _BUSY}{late}"
        if node.write.interval_s > 0:
            found, detail = self._held(action, confirmed, node.write, seen)
        else:
            found, detail = self._read_back(action, seen)
        return found or (Evidence.TRANSMITTED if self._bus.confirms_tx else Evidence.REQUESTED), detail

    def _held(self, action: Action, confirmed: bool, leg: Leg, seen: int) -> tuple[Evidence | None, str]:
        """Say the request again until the car has answered, then take it back."""

        def wait(condition: Condition, timeout_s: float) -> bool:
            end_s = self._clock() + timeout_s
            while not self._wait(condition, min(leg.interval_s, end_s - self._clock())):
                left_s = end_s - self._clock()
                if left_s <= 0 or self._cancelled.is_set():
                    return False
                try:
                    self._gate.send(self._bus.raw, action, self._state, confirmed, repeated=True)
                except (DeniedError, *BUS_ERRORS):
                    # no longer allowed, or the bus is in trouble: what was said has to do
                    return self._wait(condition, left_s)
            return True

        try:
            return self._read_back(action, seen, wait)
        finally:
            with contextlib.suppress(*BUS_ERRORS):
                self._gate.send_idle(self._bus.raw, leg.message)

    def _purge(self) -> bool:
        """Take an unsent frame out of the driver, so that it is not carried out late; whether it could."""
        try:
            self._bus.raw.flush_tx_buffer()
        except (NotImplementedError, *BUS_ERRORS):
            return False
        return True
