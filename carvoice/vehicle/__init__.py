"""The car: description, policy gate, actuator, state, simulated car.

    Interpretation -> Planner -> Action -> Gate -> Actuator -> CAN frame -> ECU -> status -> CarState

Only :mod:`carvoice.vehicle.gate` sends actions on the bus.
"""

from carvoice.vehicle.mf4 import load_can

load_can()  # before anything here or in cantools does
