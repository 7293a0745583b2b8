"""A car on a virtual bus whose time only passes when the test waits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from carvoice.records import Action, ActionKind, Value, Zone
from carvoice.resources import data_path
from carvoice.vehicle.actuator import Actuator
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.performer import ActuatorSettings
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.simulator import Scenario, SimulatedCar
from carvoice.vehicle.simulator.plugin import SimulatedBus
from carvoice.vehicle.simulator.wire import Wire
from carvoice.vehicle.state import CarState

DEMO = data_path("cars", "demo", "demo.toml")
_channels = itertools.count()


class FakeClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Rig:
    """Both ends of the bus. ``pass_time`` lets the simulated car live and delivers frames."""

    car: Car
    policy: Policy
    clock: FakeClock
    ours: Bus
    theirs: Bus
    wire: Wire | None = None
    state: CarState = field(init=False)
    gate: Gate = field(init=False)
    simulated: SimulatedCar = field(init=False)
    actuator: Actuator = field(init=False)

    def __post_init__(self) -> None:
        self.state = CarState(self.car, self.clock, idle=self.idle)
        self.ours.feed(self.state)
        self.gate = Gate(self.car, self.policy, self.clock)
        self.play(Scenario())
        self.actuator = Actuator(self.ours, self.car, self.state, self.gate, clock=self.clock)

    def play(self, scenario: Scenario) -> None:
        self.theirs.listeners.clear()
        self.simulated = SimulatedCar(self.car, self.theirs, scenario, self.clock)
        self.pass_time(1.2)

    def use(self, settings: ActuatorSettings) -> None:
        self.actuator = Actuator(
            self.ours, self.car, self.state, self.gate, settings=settings, clock=self.clock
        )

    def idle(self, left_s: float) -> None:
        self.pass_time(min(max(left_s, 0.001), 0.01))

    def pass_time(self, seconds: float) -> None:
        while seconds > 1e-9:
            step_s = min(seconds, 0.05)
            seconds -= step_s
            self.clock.now_s += step_s
            if self.wire is not None:
                self.wire.run_until(self.clock())
            self.theirs.poll()
            self.simulated.step(self.clock())
            self.ours.poll()

    def set(self, path: str, value: Value) -> None:
        self.simulated.set(path, value)
        self.pass_time(0.6)


class Desk:
    """A gate and a state that knows everything, without a bus: for tests of judgement alone."""

    def __init__(self, car: Car, policy: Policy) -> None:
        self.policy = policy
        self.clock = FakeClock()
        self.state = CarState(car, self.clock)
        self.gate = Gate(car, policy, self.clock)
        self._values: dict[str, Value] = {}
        for path, node in car.nodes.items():
            value = node.from_bits(node.read.signal.idle_raw) if node.read is not None else None
            if value is not None:
                self._values[path] = value
        self.pass_time(0.0)

    def set(self, path: str, value: Value) -> None:
        self._values[path] = value
        self.state.put(path, value)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in which the car goes on telling everything."""
        self.clock.now_s += seconds
        for path, value in self._values.items():
            self.state.put(path, value)


def setting(path: str, value: Value, zone: Zone = Zone.DRIVER, source: str = "grammar") -> Action:
    return Action(ActionKind.SET, path, value, zone, source, "Test")


def getting(path: str) -> Action:
    return Action(ActionKind.GET, path)


@pytest.fixture(scope="session")
def car() -> Car:
    return Car.load(DEMO)


@pytest.fixture(scope="session")
def policy(car: Car) -> Policy:
    return Policy.load(car.rules_path, car)


@pytest.fixture
def desk(car: Car, policy: Policy) -> Desk:
    return Desk(car, policy)


@pytest.fixture
def rig(car: Car, policy: Policy) -> Iterator[Rig]:
    channel = f"test-{next(_channels)}"
    ours = Bus.open("virtual", channel)
    theirs = Bus.open("virtual", channel)
    yield Rig(car, policy, FakeClock(), ours, theirs)
    ours.close()
    theirs.close()


@pytest.fixture
def wired(car: Car, policy: Policy) -> Iterator[Rig]:
    """The same on a simulated wire, with bit times, acknowledgement and errors."""
    clock = FakeClock()
    channel = f"wired-{next(_channels)}"
    ours = SimulatedBus(channel, receive_own_messages=True, clock=clock)
    # one controller plays all ECUs: give it room for all their frames
    theirs = SimulatedBus(channel, tx_queue=200, clock=clock)
    yield Rig(car, policy, clock, Bus(ours, confirms_tx=True), Bus(theirs), ours.wire)
    ours.shutdown()
    theirs.shutdown()
