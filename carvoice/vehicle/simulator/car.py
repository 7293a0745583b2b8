"""The simulated car: ECUs that answer requests, take their time, and can break."""

from __future__ import annotations

import threading
import time

import can

from carvoice.records import Value
from carvoice.trace import Clock
from carvoice.vehicle.bus import BUS_ERRORS, Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.e2e import Checker
from carvoice.vehicle.node import Node
from carvoice.vehicle.simulator.ecu import StatusMessage, requested, status_bits
from carvoice.vehicle.simulator.physics import accepts, consequences, falls_back, world
from carvoice.vehicle.simulator.scenario import Fault, FaultKind, Scenario

STEP_S = 0.01
DEFAULT_CYCLE_S = 0.5
_JUMP = 6  # by how much a jumping alive counter grows: more than any profile's max_delta here
LATE_S = 0.8  # how long a late actuator waits
MOMENTARY_S = 0.5  # how long a push button's status stays


class SimulatedCar:
    """All ECUs of a car but ours, on the other end of a bus.

    Tests call :meth:`step`; :meth:`start` does so from a thread.

    Args:
        car: the car to play.
        bus: its end of the bus.
        scenario: what happens by itself; None for a parked car.
        clock: monotonic seconds.
    """

    def __init__(
        self, car: Car, bus: Bus, scenario: Scenario | None = None, clock: Clock = time.monotonic
    ) -> None:
        self._car = car
        self._bus = bus
        self._clock = clock
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.faults: set[Fault] = set()
        self.send_failures = 0
        self._messages = {
            m.name: StatusMessage(m, car.protection.get(m.name), DEFAULT_CYCLE_S)
            for m in car.messages.values()
            if car.node not in m.senders
        }
        self._requests: dict[tuple[int, bool], list[Node]] = {}
        self._checkers: dict[tuple[int, bool], Checker] = {}
        self._values: dict[str, Value] = {}
        self._targets: dict[str, Value] = {}
        self._positions: dict[str, float] = {}  # where something is, finer than its datatype says
        self._due: list[tuple[float, str, Value]] = []  # booleans and push buttons: when, path, value
        self._late: list[tuple[float, Node, Value]] = []  # requests of late actuators: when, node, value
        self._ramps: dict[str, tuple[float, float, float, float]] = {}  # path: from time, to time, from, to
        self._scenario = scenario or Scenario()
        self._events = list(self._scenario.events)
        self._prepare()
        self._start_s = self._last_s = clock()
        for path, value in self._scenario.start.items():
            self.set(path, value)
        bus.listeners.append(self._hear)

    def _prepare(self) -> None:
        for path, node in self._car.nodes.items():
            if node.read is not None:
                value = node.from_bits(node.read.signal.idle_raw)
                if value is not None:
                    self._values[path] = value
            if node.write is not None:
                key = node.write.message.key
                self._requests.setdefault(key, []).append(node)
                protection = self._car.protection.get(node.write.message.name)
                if protection is not None and key not in self._checkers:
                    self._checkers[key] = Checker(protection)

    def get(self, path: str) -> Value | None:
        """The actual value of a path in the simulated car."""
        with self._lock:
            return self._values.get(path)

    def set(self, path: str, value: Value) -> None:
        """Put something into a state at once (speed, gear, a window moved by hand).

        Raises:
            CarError: no such path, or not this value.
        """
        node = self._car.find(path)
        with self._lock:
            self._targets.pop(path, None)
            self._ramps.pop(path, None)
            self._positions.pop(path, None)
            self._show(node, node.cast(value))

    def _show(self, node: Node, value: Value) -> None:
        """Take on a value and put it into the status frame."""
        self._values[node.path] = value
        if node.read is not None and node.read.message.name in self._messages:
            bits = status_bits(node, value)
            self._messages[node.read.message.name].put(node.read.signal, bits)

    def _broken(self, kind: FaultKind, target: str) -> bool:
        return Fault(kind, target) in self.faults

    def _hear(self, message: can.Message) -> None:
        """A frame came: carry out what it asks for, and say at once what has changed."""
        key = (message.arbitration_id, message.is_extended_id)
        nodes = self._requests.get(key)
        if nodes is None or not message.is_rx:
            return
        codec = nodes[0].write.message if nodes[0].write else None
        if codec is None or self._broken(FaultKind.DEAF, codec.name) or len(message.data) < codec.length:
            return
        data = bytes(message.data)
        with self._lock:
            checker = self._checkers.get(key)
            if checker is not None and not checker.believes(data):
                return
            bits = codec.decode_bits(data)
            for node in nodes:
                assert node.write is not None
                if node.write.signal.name in bits:
                    value = requested(node, bits[node.write.signal.name])
                    if value is not None:
                        self._request(node, value)
            self._answer(codec_nodes=nodes)

    def _answer(self, codec_nodes: list[Node]) -> None:
        """Send the status frames of the requested signals, changed or not: the ECU has heard."""
        for name in dict.fromkeys(n.read.message.name for n in codec_nodes if n.read is not None):
            self._messages[name].changed = True
        self._send_due(self._clock(), cyclic=False)

    def _request(self, node: Node, value: Value) -> None:
        now_s, path = self._clock(), node.path
        if self._broken(FaultKind.STUCK, path) or not accepts(path, value, self.get):
            return
        if self._broken(FaultKind.CONTRADICT, path):
            before = self._values.get(path)
            if before is not None:
                self._show(node, before)
            return
        if self._broken(FaultKind.LATE, path):
            self._late.append((now_s + LATE_S, node, value))
        else:
            self._begin(node, value, now_s)

    def _begin(self, node: Node, value: Value, now_s: float) -> None:
        path = node.path
        before = self._values.get(path)
        if node.settle_s > 0 and node.is_numeric:
            self._targets[path] = value
            self._travel(node, value, STEP_S)
        elif node.settle_s > 0:
            self._due.append((now_s + node.settle_s, path, value))
        else:
            self._show(node, value)
        back = falls_back(path, value, before) if node.momentary else None
        if back is not None:
            self._due.append((now_s + MOMENTARY_S, path, back))
        for other, follows in consequences(path, value, self.get):
            if other in self._car.nodes:
                self._show(self._car.nodes[other], follows)

    def step(self, now_s: float) -> None:
        """Let time pass up to ``now_s``: events, movement, physics, and the status frames that are due."""
        with self._lock:
            dt_s = max(0.0, now_s - self._last_s)
            self._last_s = now_s
            self._play(now_s)
            self._move(now_s, dt_s)
            self._send_due(now_s, cyclic=True)

    def _play(self, now_s: float) -> None:
        while self._events and self._start_s + self._events[0].time_s <= now_s:
            event = self._events.pop(0)
            for path, value in event.values.items():
                start = self._values.get(path)
                if event.ramp_s > 0 and isinstance(start, (int, float)) and not isinstance(value, str):
                    self._ramps[path] = (now_s, now_s + event.ramp_s, float(start), float(value))
                else:
                    self.set(path, value)
            if event.fault is not None:
                self.faults.add(event.fault)
            if event.clear is not None:
                self.faults.discard(event.clear)

    def _move(self, now_s: float, dt_s: float) -> None:
        for path, (from_s, to_s, start, end) in list(self._ramps.items()):
            share = min(1.0, (now_s - from_s) / (to_s - from_s))
            self._show(self._car.nodes[path], self._car.nodes[path].cast(start + share * (end - start)))
            if share >= 1.0:
                del self._ramps[path]
        for path, target in list(self._targets.items()):
            self._travel(self._car.nodes[path], target, dt_s)
        for _, node, value in [late for late in self._late if late[0] <= now_s]:
            self._begin(node, value, now_s)
        self._late = [late for late in self._late if late[0] > now_s]
        due = [d for d in self._due if d[0] <= now_s]
        self._due = [d for d in self._due if d[0] > now_s]
        for _, path, value in due:
            self._targets.pop(path, None)
            self._show(self._car.nodes[path], value)
        for path, value in world(dt_s, self._exact):
            if path in self._car.nodes:
                node = self._car.nodes[path]
                self._positions[path] = float(value)
                self._show(node, node.cast(min(max(float(value), node.low), node.high)))

    def _exact(self, path: str) -> Value | None:
        """A value with the fraction that its datatype or the bus drops."""
        return self._positions.get(path, self._values.get(path))

    def _travel(self, node: Node, target: Value, dt_s: float) -> None:
        present = self._positions.get(node.path, self._values.get(node.path, 0.0))
        assert not isinstance(target, str)
        assert not isinstance(present, str)
        reach = (node.high - node.low) / node.settle_s * dt_s
        gap = target - present
        position = target if abs(gap) <= reach else present + (reach if gap > 0 else -reach)
        self._positions[node.path] = position
        self._show(node, node.cast(position))
        if position == target:
            del self._targets[node.path]
            del self._positions[node.path]

    def _send_due(self, now_s: float, cyclic: bool) -> None:
        for name, message in self._messages.items():
            if not (message.changed or (cyclic and now_s >= message.due_s)):
                continue
            message.changed = False
            message.due_s = now_s + message.cycle_s
            if self._broken(FaultKind.SILENT, name):
                continue
            step = 0 if self._broken(FaultKind.STALE, name) else 1
            step = _JUMP if self._broken(FaultKind.JUMP, name) else step
            for data in message.frames(self._broken(FaultKind.BAD_CRC, name), step):
                self._send(message, data)

    def _send(self, message: StatusMessage, data: bytes) -> None:
        codec = message.codec
        frame = can.Message(
            arbitration_id=codec.arbitration_id,
            is_extended_id=codec.is_extended,
            is_fd=codec.is_fd,
            bitrate_switch=codec.is_fd,
            data=data,
        )
        try:
            self._bus.raw.send(frame)
        except BUS_ERRORS:
            self.send_failures += 1

    def start(self) -> None:
        """Run from threads: the bus's receiving thread and one that steps; once running this does nothing."""
        if self._thread is None:
            self._stop.clear()
            self._bus.start()
            self._thread = threading.Thread(target=self._run, name="carvoice-simulated-car", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the stepping thread and the bus's receiving thread; the bus stays open."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self._bus.stop()

    def _run(self) -> None:
        while not self._stop.wait(STEP_S):
            self.step(self._clock())
