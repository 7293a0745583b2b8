"""The car: description, policy gate, actuator, state, simulated car.

    Interpretation -> Planner -> Action -> Gate -> Actuator -> CAN frame -> ECU -> status -> CarState

Only :mod:`carvoice.vehicle.gate` sends actions on the bus.
"""
