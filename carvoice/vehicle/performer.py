"""What carrying out an action has in common, whatever it goes to: asking the gate, then watching the car.

requested -> transmitted -> moving -> actuated, or refused, timed out, failed. Nothing is queued: what is not
taken at once, or after a few tens of milliseconds, is given up, so that no command is carried out late.
:meth:`Performer.cancel` ends the waiting from another thread.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from carvoice.errors import CarvoiceError
from carvoice.records import Action, ActionKind, Actuation, Evidence, FrameRecord, Value
from carvoice.trace import Clock
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import DeniedError, Gate
from carvoice.vehicle.readback import Condition, Wait, read_back
from carvoice.vehicle.state import CarState

HEARD = (Evidence.ACTUATED, Evidence.MOVING)  # the car can only show these if it got the request


@dataclass(frozen=True, slots=True)
class ActuatorSettings:
    """How long an actuator waits for what.

    Attributes:
        send_s: for room in the transmit queue; then the command is dropped.
        backoff_s: first pause after a full queue, doubled each time.
        confirm_s: for the transmission confirmation.
        status_s: for a status message that shows the wanted value; what takes time has to have begun to move
            by then.
        refusal_s: how long the status of what takes no time may go on showing another value before that is a
            refusal.
    """

    send_s: float = 0.05
    backoff_s: float = 0.002
    confirm_s: float = 0.05
    status_s: float = 1.0
    refusal_s: float = 0.5


class NotTakenError(CarvoiceError):
    """The bus or the databroker did not take an action.

    Attributes:
        evidence: what that means for the action.
    """

    def __init__(self, evidence: Evidence, reason: str) -> None:
        super().__init__(reason)
        self.evidence = evidence


class Performer(ABC):
    """Performs actions. Not thread-safe: one turn acts at a time.

    Args:
        car: the car.
        state: what the car says.
        gate: judges and sends.
        settings: waiting times.
        clock: monotonic seconds, the same one the state uses.
    """

    def __init__(
        self,
        car: Car,
        state: CarState,
        gate: Gate,
        *,
        settings: ActuatorSettings | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._car = car
        self._state = state
        self._gate = gate
        self._settings = settings or ActuatorSettings()
        self._clock = clock
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Give up what is under way, from another thread: nothing more is sent for it, and nobody waits.

        What the car has already been told it may still do; the actuation says how far it got.
        """
        self._cancelled.set()
        self._state.wake()

    def perform_all(
        self, actions: Sequence[Action], confirmed: bool = False, trace_id: str = ""
    ) -> Iterator[Actuation]:
        """Carry out the actions of one command in order; the next begins when its turn is asked for."""
        for action in actions:
            yield self.perform(action, confirmed, trace_id)

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
        self._cancelled.clear()
        start_s = self._clock()
        seen = self._seen(action)
        try:
            request = self._hand_over(action, confirmed, trace_id)
        except DeniedError as denied:
            return Actuation(action, Evidence.REFUSED, detail=f"policy {denied}")
        except NotTakenError as error:
            return Actuation(action, error.evidence, detail=str(error))
        return self._follow_up(action, confirmed, trace_id, request, seen, self._clock() - start_s)

    def _seen(self, action: Action) -> int:
        return self._state.count(action.path) if action.path in self._car.nodes else 0

    def _follow_up(
        self,
        action: Action,
        confirmed: bool,
        trace_id: str,
        request: FrameRecord | None,
        seen: int,
        latency_s: float,
    ) -> Actuation:
        """What became of an action that was handed over."""
        evidence, detail = self._watch(action, confirmed, request, seen)
        frames = (request,) if request is not None else ()
        value: Value | None = None
        if self._state.count(action.path) > seen:
            status = self._state.last_frame(action.path, trace_id)
            frames = (*frames, status) if status is not None else frames
            reading = self._state.get(action.path)
            value = reading.value if reading is not None else None
        return Actuation(action, evidence, frames, value, detail, latency_s)

    @abstractmethod
    def _hand_over(self, action: Action, confirmed: bool, trace_id: str) -> FrameRecord | None:
        """Send an action through the gate; returns its frame, if there is one.

        Raises:
            DeniedError: the policy does not let it through.
            NotTakenError: nobody took it.
        """

    def _watch(
        self, action: Action, confirmed: bool, request: FrameRecord | None, seen: int
    ) -> tuple[Evidence, str]:
        """What shows how far an action has got that was handed over; at least TRANSMITTED here."""
        found, detail = self._read_back(action, seen)
        return found or Evidence.TRANSMITTED, detail

    def _read_back(self, action: Action, seen: int, wait: Wait | None = None) -> tuple[Evidence | None, str]:
        assert action.value is not None
        node, settings = self._car.nodes[action.path], self._settings
        found, detail = read_back(
            node, action.value, self._state, seen, settings.refusal_s, settings.status_s, wait or self._wait
        )
        if self._cancelled.is_set() and found not in HEARD:
            return None, "cancelled"
        return found, detail

    def _wait(self, condition: Condition, timeout_s: float) -> bool:
        """Wait for a condition, unless cancelled meanwhile; whether it holds."""
        self._state.wait(lambda: condition() or self._cancelled.is_set(), timeout_s)
        return condition()

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
