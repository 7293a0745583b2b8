"""Carries out actions and says how far each one got.

requested -> transmitted -> actuated, or refused, timed out, failed. The evidence rests on frames: the
bus's transmission confirmation, where the interface gives one, and the status message of the ECU.
Nothing is queued here: a frame the bus does not take at once is tried again for a few tens of milliseconds
and then given up, so that no command is ever carried out late.
"""

from __future__ import annotations

import contextlib
import errno
import time
from dataclasses import dataclass

import can

from carvoice.records import Action, ActionKind, Actuation, Evidence, FrameRecord, Value
from carvoice.trace import Clock
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car, Node
from carvoice.vehicle.gate import DeniedError, Gate
from carvoice.vehicle.readback import read_back
from carvoice.vehicle.state import CarState

_UNCONFIRMED = "no transmission confirmation: nobody acknowledged the frame, or the bus is off"
_QUEUE_FULL = (errno.ENOBUFS, errno.EAGAIN)


@dataclass(frozen=True, slots=True)
class ActuatorSettings:
    """How long the actuator waits for what.

    Attributes:
        send_s: for room in the transmit queue; then the command is dropped.
        backoff_s: first pause after a full queue, doubled each time.
        confirm_s: for the transmission confirmation.
        status_s: for a status message that shows the wanted value.
        refusal_s: how long the status may go on showing another value before that is a refusal; what takes
            time only has to have begun to move by then.
    """

    send_s: float = 0.05
    backoff_s: float = 0.002
    confirm_s: float = 0.05
    status_s: float = 1.0
    refusal_s: float = 0.5


class Actuator:
    """Performs actions on a bus, through the gate. Not thread-safe: one turn acts at a time.

    Args:
        bus: where the frames go; its frames must be fed into ``state`` (:meth:`Bus.feed`).
        car: the car.
        state: what the car says.
        gate: judges and sends.
        settings: waiting times.
        clock: monotonic seconds, the same one the state uses.
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
        self._bus = bus
        self._car = car
        self._state = state
        self._gate = gate
        self._settings = settings or ActuatorSettings()
        self._clock = clock

    def perform(self, action: Action, confirmed: bool = False, trace_id: str = "") -> Actuation:
        """Carry out an action, or answer it from the state if it is a GET.

        Args:
            action: what to do.
            confirmed: the driver has said yes to it.
            trace_id: the turn it belongs to; every frame record gets it.

        Returns:
            How far it got. Nothing is raised for what the car or the bus does.
        """
        if action.kind is ActionKind.GET:
            return self._read(action, trace_id)
        start_s = self._clock()
        seen = self._state.count(action.path) if action.path in self._car.nodes else 0
        node = self._car.nodes.get(action.path)
        sent = self._state.transmissions
        try:
            frame = self._send(action, confirmed, trace_id)
        except DeniedError as denied:
            return Actuation(action, Evidence.REFUSED, detail=f"policy {denied}")
        except can.CanError as error:
            return Actuation(action, Evidence.FAILED, detail=f"the bus did not take the frame: {error}")
        latency_s = self._clock() - start_s
        assert node is not None
        evidence, detail = self._evidence(node, action, frame, seen, sent)
        frames: tuple[FrameRecord, ...] = (frame,)
        value: Value | None = None
        if self._state.count(action.path) > seen:
            status = self._state.last_frame(action.path, trace_id)
            frames = (frame, status) if status is not None else frames
            reading = self._state.get(action.path)
            value = reading.value if reading is not None else None
        return Actuation(action, evidence, frames, value, detail, latency_s)

    def _read(self, action: Action, trace_id: str) -> Actuation:
        verdict = self._gate.check(action, self._state, self._clock())
        if verdict.rule != "read":
            return Actuation(action, Evidence.REFUSED, detail=f"policy {verdict.rule}: {verdict.reason}")
        reading = self._state.get(action.path)
        if reading is None:
            return Actuation(action, Evidence.TIMED_OUT, detail="the car has not told")
        frame = self._state.last_frame(action.path, trace_id)
        frames = (frame,) if frame is not None else ()
        return Actuation(action, Evidence.ACTUATED, frames, reading.value, f"{reading.age_s:.1f} s old")

    def _send(self, action: Action, confirmed: bool, trace_id: str) -> FrameRecord:
        """Send through the gate; a full queue is tried again with growing pauses until ``send_s``."""
        deadline_s = self._clock() + self._settings.send_s
        pause_s = self._settings.backoff_s
        while True:
            try:
                return self._gate.send(self._bus.raw, action, self._state, confirmed, trace_id)
            except can.CanOperationError as error:
                if error.error_code not in _QUEUE_FULL or self._clock() + pause_s > deadline_s:
                    raise
            self._state.wait(lambda: False, pause_s)
            pause_s *= 2

    def _evidence(
        self, node: Node, action: Action, frame: FrameRecord, seen: int, sent: int
    ) -> tuple[Evidence, str]:
        """What shows that the frame went out, and that the car did it."""
        assert action.value is not None
        state, settings = self._state, self._settings
        evidence = Evidence.REQUESTED
        if self._bus.confirms_tx:
            if not state.wait(lambda: state.was_transmitted(frame, sent), settings.confirm_s):
                self._purge()
                # on a busy computer the confirmation may only be late: the car knows
                found, detail = read_back(
                    node, action.value, state, seen, settings.confirm_s, settings.confirm_s
                )
                if found in (Evidence.ACTUATED, Evidence.TRANSMITTED):
                    return found, detail
                return Evidence.FAILED, _UNCONFIRMED
            evidence = Evidence.TRANSMITTED
        found, detail = read_back(node, action.value, state, seen, settings.refusal_s, settings.status_s)
        return found or evidence, detail

    def _purge(self) -> None:
        """Take an unsent frame back out of the driver, so that it is not carried out late."""
        with contextlib.suppress(NotImplementedError, can.CanError):
            self._bus.raw.flush_tx_buffer()
