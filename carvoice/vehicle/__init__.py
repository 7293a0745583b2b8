"""The car: description, policy gate, actuator, state, simulated car."""
