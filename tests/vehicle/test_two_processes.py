"""The head unit here, the car in another process, frames over UDP multicast on loopback."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest
from conftest import DEMO, setting

from carvoice.errors import BusError
from carvoice.records import Evidence
from carvoice.vehicle.actuator import Actuator
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.performer import ActuatorSettings
from carvoice.vehicle.state import CarState

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
GROUP = "239.74.163.2"
CAR_PROCESS = """
import sys
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.simulator import SimulatedCar
car = Car.load(sys.argv[1])
with Bus.open("udp_multicast", sys.argv[2], port=int(sys.argv[3])) as bus:
    simulated = SimulatedCar(car, bus)
    simulated.start()
    print("ready", flush=True)
    sys.stdin.readline()
    simulated.stop()
print("stopped", flush=True)
"""


def test_request_and_status_between_two_processes(car, policy):
    port = random.SystemRandom().randrange(43000, 60000)
    try:
        ours = Bus.open("udp_multicast", GROUP, port=port)
    except BusError as error:
        pytest.skip(f"no multicast on this machine: {error}")
    state = CarState(car)
    ours.feed(state)
    child = subprocess.Popen(
        [sys.executable, "-c", CAR_PROCESS, str(DEMO), GROUP, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        with ours:
            assert child.stdout.readline() == "ready\n"
            if not state.wait(lambda: state.get(TEMP) is not None, 20.0):
                pytest.skip("multicast frames do not come back on this machine")
            patient = ActuatorSettings(refusal_s=10.0, status_s=20.0)
            actuator = Actuator(ours, car, state, Gate(car, policy), settings=patient)
            result = actuator.perform(setting(TEMP, 24.0))
            assert (result.evidence, result.value) == (Evidence.ACTUATED, 24.0)
        out, _ = child.communicate("\n", timeout=20)
        assert (out, child.returncode) == ("stopped\n", 0)
    finally:
        child.kill()
        child.wait()
