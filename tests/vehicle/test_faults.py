"""Around a fault: error counts, coming back, the receiving thread. For outcomes see test_fault_table."""

from __future__ import annotations

import threading

import can
import pytest
from conftest import setting

from carvoice.errors import BusError
from carvoice.records import Evidence
from carvoice.vehicle import bus as bus_module
from carvoice.vehicle.simulator.plugin import SimulatedBus
from carvoice.vehicle.state import CarState

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"


class Witness:
    """A third node that notes the head unit's requests."""

    def __init__(self, rig) -> None:
        self.bus = SimulatedBus(rig.ours.raw._channel, clock=rig.clock, tx_queue=100_000)
        self.key = rig.car.messages["HU_ClimateReq"].arbitration_id

    def requests(self) -> int:
        frames = iter(lambda: self.bus.recv(timeout=0), None)
        return sum(f.arbitration_id == self.key and not f.is_error_frame for f in frames)


@pytest.fixture
def witness(wired):
    it = Witness(wired)
    yield it
    it.bus.shutdown()


def heal_and_wait(rig) -> None:
    rig.pass_time(2.0)


def test_a_few_errors_only_cost_time(wired, witness):
    wired.wire.inject_errors(3)
    assert wired.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.ACTUATED
    assert witness.requests() == 1
    assert wired.ours.error_frames == 3


def test_bus_off(wired, witness):
    # only our own transmitter counts up: let the cars' ECUs be quiet meanwhile
    wired.theirs.raw.unplug()
    wired.wire.inject_errors(40)
    wired.theirs.poll = lambda: 0
    result = wired.actuator.perform(setting(TEMP, 23.0))
    assert result.evidence is Evidence.FAILED
    assert wired.ours.raw.state is can.BusState.ERROR
    assert witness.requests() == 0
    again = wired.actuator.perform(setting(TEMP, 24.0))
    assert (again.evidence, again.frames) == (Evidence.FAILED, ())
    assert "off the bus" in again.detail
    heal_and_wait(wired)
    assert wired.ours.raw.state is not can.BusState.ERROR
    assert witness.requests() == 0


def test_unplugged_and_back(wired, witness):
    wired.ours.raw.unplug()
    with pytest.raises(BusError, match="no such device"):
        wired.ours.poll()
    result = wired.actuator.perform(setting(TEMP, 23.0))
    assert result.evidence is Evidence.FAILED
    assert "no such device" in result.detail
    wired.ours.raw.plug()
    heal_and_wait(wired)
    assert witness.requests() == 0
    assert wired.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.ACTUATED


def test_the_receiving_thread_survives_an_unplugged_interface(car, monkeypatch):
    monkeypatch.setattr(bus_module, "RETRY_S", 0.01)
    failed = threading.Event()

    class Watched(SimulatedBus):
        def _recv_internal(self, timeout):
            try:
                return super()._recv_internal(timeout)
            except can.CanOperationError:
                failed.set()
                raise

    ours, theirs = Watched("thread-unplug"), SimulatedBus("thread-unplug")
    state = CarState(car)
    codec = car.messages["HVAC_TempStat"]
    frame = can.Message(
        arbitration_id=codec.arbitration_id, data=codec.encode({"HVAC_CabinTemp": 20}), is_extended_id=False
    )
    with bus_module.Bus(ours) as link:
        link.feed(state)
        ours.unplug()
        assert failed.wait(5.0)
        ours.plug()
        theirs.send(frame)
        assert state.wait(lambda: state.frames > 0, 5.0)
        assert link.failures > 0
    theirs.shutdown()
