"""A car on the other end of the bus: simulated ECUs with dynamics, and scripted drives."""

from carvoice.vehicle.simulator.car import SimulatedCar
from carvoice.vehicle.simulator.scenario import Scenario

__all__ = ["Scenario", "SimulatedCar"]
