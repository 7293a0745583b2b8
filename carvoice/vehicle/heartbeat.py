"""Shows the car that the head unit is there: our cyclic messages, with no request in them.

Body controllers take a head unit that falls silent for dead. Messages of ours that have a cycle time in
the database are sent at that pace, alive counter and checksum included; requests go in between, when they
arise. The frames go through the gate like everything else, which makes sure that they ask for nothing.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

from carvoice.trace import Clock
from carvoice.vehicle.bus import BUS_ERRORS, Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import Gate


class Heartbeat:
    """Sends our cyclic messages; from a thread (:meth:`start`), or by :meth:`step`. A context manager.

    Args:
        bus: where to.
        car: which messages.
        gate: sends them.
        clock: monotonic seconds.

    Attributes:
        failures: frames that the bus did not take; they are not made up for.
    """

    def __init__(self, bus: Bus, car: Car, gate: Gate, clock: Clock = time.monotonic) -> None:
        self._bus = bus
        self._gate = gate
        self._clock = clock
        now_s = clock()
        self._due = {
            m.name: (now_s, m) for m in car.messages.values() if car.node in m.senders and m.cycle_time_s
        }
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failures = 0

    def step(self, now_s: float) -> float | None:
        """Send what is due; returns when the next frame is, None if there are no cyclic messages."""
        for name, (due_s, codec) in self._due.items():
            if now_s < due_s:
                continue
            assert codec.cycle_time_s is not None
            self._due[name] = (now_s + codec.cycle_time_s, codec)
            try:
                self._gate.send_idle(self._bus.raw, codec)
            except BUS_ERRORS:
                self.failures += 1
        return min((due_s for due_s, _ in self._due.values()), default=None)

    def start(self) -> None:
        """Start sending from a thread; once it runs this does nothing."""
        if self._thread is None and self._due:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="carvoice-heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop sending."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            next_s = self.step(self._clock())
            assert next_s is not None
            self._stop.wait(max(0.0, next_s - self._clock()))

    def __enter__(self) -> Heartbeat:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
