"""Builds the car's side of the dialogue: CAN bus or databroker, and the simulated car if one is wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from carvoice.config import VehicleConfig
from carvoice.errors import CarError, ConfigError
from carvoice.records import Value
from carvoice.resources import data_path
from carvoice.vehicle.actuator import Actuator
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.heartbeat import Heartbeat
from carvoice.vehicle.logs import BusLog
from carvoice.vehicle.performer import ActuatorSettings, Performer
from carvoice.vehicle.planner import Actions, Planner
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.simulator import Scenario, SimulatedCar
from carvoice.vehicle.state import CarState

if TYPE_CHECKING:
    from carvoice.vehicle.kuksa import BrokerAddress

_INSIDE = ("virtual", "carvoice_sim")  # interfaces that nobody outside this process is on
_STAND_IN_CYCLE_S = 0.2  # how often the stand-in databroker's providers publish


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Everything on the car's side of the dialogue.

    ``bus`` is None when the car is behind a databroker, ``set_value`` when it is not simulated here, ``log``
    when the bus is not logged.
    """

    car: Car
    bus: Bus | None
    state: CarState
    gate: Gate
    actuator: Performer
    planner: Planner
    actions: Actions
    set_value: Callable[[str, Value], None] | None
    log: BusLog | None = None

    def set_simulated(self, path: str, value: Value, timeout_s: float = 2.0) -> None:
        """Set a signal of the simulated car, and wait until its status has reached us.

        Raises:
            CarError: there is no simulated car here, no such signal, or no status of it came.
        """
        if self.set_value is None:
            raise CarError(f"{path}: the car is not simulated in this process")
        self.set_value(path, value)
        if not self.state.wait(lambda: self._shows(path, value), timeout_s):
            raise CarError(f"{path} = {value}: the simulated car did not report it within {timeout_s:g} s")

    def _shows(self, path: str, value: Value) -> bool:
        reading = self.state.get(path)
        if reading is None or isinstance(value, str) or isinstance(reading.value, str):
            return reading is not None and reading.value == value
        return abs(reading.value - value) <= self.car.find(path).tolerance + 1e-9

    def wait_until_known(self, timeout_s: float = 2.0) -> bool:
        """Wait until every message of the car was seen once; False if some never came."""
        wanted = [path for path, node in self.car.nodes.items() if node.read is not None]
        return self.state.wait(lambda: all(self.state.get(path) for path in wanted), timeout_s)


def car_path(config: VehicleConfig) -> Path:
    """The car file: a shipped car by name, or a path."""
    shipped = data_path("cars", config.car, f"{config.car}.toml")
    return shipped if shipped.is_file() else Path(config.car)


def is_simulated(config: VehicleConfig) -> bool:
    """Whether this process plays the car too."""
    is_here = config.interface in _INSIDE if config.target == "can" else not config.broker
    return config.simulate == "yes" or (config.simulate == "auto" and is_here)


def build_vehicle(config: VehicleConfig, stack: ExitStack, *, waits_for_bus: bool = False) -> Vehicle:
    """Load the car, open the bus or the databroker, start the simulated car if one is wanted.

    Args:
        config: which car and bus.
        stack: closes everything in the end.
        waits_for_bus: see :class:`~carvoice.assistant.Assistant`.

    Raises:
        CarError: the car file, its DBC or its rules are wrong.
        BusError: the bus cannot be opened, its log not be written, or the extra kuksa is missing.
        ConfigError: the databroker's token cannot be read, or none is named.
    """
    car = Car.load(car_path(config))
    policy = Policy.load(car.rules_path, car)
    state = CarState(car)
    gate = Gate(car, policy)
    actions = Actions.load(data_path("grammars", "actions.yaml"))
    planner = Planner(car, actions, policy)
    status_s = config.status_timeout_ms / 1e3
    waits = ActuatorSettings(status_s=status_s, refusal_s=min(ActuatorSettings().refusal_s, status_s))
    if config.target == "kuksa":
        return _behind_broker(config, stack, car, state, gate, planner, actions, waits)
    bus = Bus.open(config.interface, config.channel, may_come_later=waits_for_bus, **config.options)
    stack.enter_context(bus)
    bus.feed(state)
    log = stack.enter_context(BusLog(config.bus_log, bus)) if config.bus_log is not None else None
    actuator = Actuator(bus, car, state, gate, settings=waits)
    stack.enter_context(Heartbeat(bus, car, gate))
    set_value = None
    if is_simulated(config):
        other_end = stack.enter_context(Bus.open(config.interface, config.channel, **config.options))
        simulated = SimulatedCar(car, other_end, load_scenario(config, car))
        simulated.start()
        stack.callback(simulated.stop)
        set_value = simulated.set
    return Vehicle(car, bus, state, gate, actuator, planner, actions, set_value, log)


def _behind_broker(
    config: VehicleConfig,
    stack: ExitStack,
    car: Car,
    state: CarState,
    gate: Gate,
    planner: Planner,
    actions: Actions,
    waits: ActuatorSettings,
) -> Vehicle:
    from carvoice.vehicle.kuksa import BrokerActuator

    set_value = None
    address = None
    if is_simulated(config):
        from carvoice.vehicle.kuksa import BrokerAddress
        from carvoice.vehicle.simulator.databroker import StandInBroker

        broker = stack.enter_context(StandInBroker(car, cycle_s=_STAND_IN_CYCLE_S))
        address, set_value = BrokerAddress(broker.target), broker.publish
    actuator = BrokerActuator(address or broker_address(config), car, state, gate, settings=waits)
    stack.enter_context(actuator)
    return Vehicle(car, None, state, gate, actuator, planner, actions, set_value)


def broker_address(config: VehicleConfig) -> BrokerAddress:
    """Where the databroker is and how it lets us in.

    Raises:
        BusError: the extra kuksa is missing.
        ConfigError: none is named, or its token cannot be read.
    """
    from carvoice.vehicle.kuksa import BrokerAddress

    if not config.broker:
        raise ConfigError("vehicle.target = 'kuksa' needs vehicle.broker = 'HOST:PORT'")
    token = ""
    if config.broker_token is not None:
        try:
            token = config.broker_token.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            file = config.broker_token
            raise ConfigError(f"vehicle.broker_token: {file} cannot be read: {error}") from None
    return BrokerAddress(config.broker, config.broker_certificate, config.broker_name, token)


def load_scenario(config: VehicleConfig, car: Car) -> Scenario | None:
    """The scenario of the simulated car: a shipped one by name, or a file; None when none is wanted.

    Raises:
        CarError: it cannot be read, or names something the car does not have.
    """
    if not config.scenario:
        return None
    shipped = car_path(config).parent / "scenarios" / f"{config.scenario}.toml"
    return Scenario.load(shipped if shipped.is_file() else Path(config.scenario), car)
