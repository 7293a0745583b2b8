"""Every fault has one defined outcome; nothing stale is sent once it is gone, and the next order is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import can
import pytest
from conftest import Rig, setting

from carvoice.records import Evidence, Value
from carvoice.vehicle.simulator.plugin import SimulatedBus
from carvoice.vehicle.simulator.scenario import Fault, FaultKind

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
REQUESTS = {TEMP: "HU_ClimateReq", WINDOW: "HU_WindowReq"}
STATUSES = {TEMP: "HVAC_ClimateStat", WINDOW: "DCM_WindowStat"}


class Bench:
    """The rig and a third node that hears everything."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.witness = SimulatedBus(rig.ours.raw._channel, clock=rig.clock, tx_queue=200_000)
        self.poll = rig.theirs.poll

    def requests(self, path: str) -> int:
        """How many request frames came since the last look."""
        key = self.rig.car.messages[REQUESTS[path]].arbitration_id
        frames = iter(lambda: self.witness.recv(timeout=0), None)
        return sum(f.arbitration_id == key and not f.is_error_frame for f in frames)

    def silence_the_car(self) -> None:
        self.rig.theirs.raw.unplug()
        self.rig.theirs.poll = lambda: 0

    def unsilence_the_car(self) -> None:
        self.rig.theirs.raw.plug()
        self.rig.theirs.poll = self.poll

    # what goes wrong, and how it ends

    def error_frames(self) -> None:
        self.rig.wire.inject_errors(3)

    def bus_off(self) -> None:
        self.silence_the_car()  # its errors would count on it
        self.rig.wire.inject_errors(40)

    def no_ack(self) -> None:
        self.silence_the_car()
        self.witness.unplug()

    def flood(self) -> None:
        for _ in range(20_000):
            self.witness.send(can.Message(arbitration_id=0, data=bytes(8), is_extended_id=False))

    def fill_queue(self) -> None:
        for _ in range(10):
            self.rig.ours.raw.send(can.Message(arbitration_id=0x7F0, data=bytes(8), is_extended_id=False))

    def fill_queue_for_good(self) -> None:
        self.flood()
        self.fill_queue()

    def unplug(self) -> None:
        self.rig.ours.raw.unplug()

    def fault(self, kind: FaultKind, target: str) -> None:
        self.rig.simulated.faults.add(Fault(kind, target))
        self.rig.pass_time(0.06)

    def heal(self) -> None:
        self.rig.simulated.faults.clear()
        self.unsilence_the_car()
        for node in (self.rig.ours.raw, self.witness):
            node.plug()
        self.witness.flush_tx_buffer()
        self.rig.wire.inject_errors(-self.rig.wire._forced_errors)


@dataclass(frozen=True)
class Row:
    """A fault, what it does to an order, and how many request frames are on the wire all told."""

    inject: Callable[[Bench], None]
    evidence: Evidence
    detail: str = ""
    path: str = TEMP
    frames: int = 0


def ecu(kind: FaultKind, of: dict[str, str] | None, path: str = TEMP) -> Callable[[Bench], None]:
    return lambda bench: bench.fault(kind, of[path] if of else path)


VALUES: dict[str, tuple[Value, Value]] = {TEMP: (23.0, 25.0), WINDOW: (50, 20)}
FAULTS = {
    "none": Row(lambda bench: None, Evidence.ACTUATED, frames=1),
    "error frames": Row(Bench.error_frames, Evidence.ACTUATED, frames=1),
    "bus-off": Row(Bench.bus_off, Evidence.FAILED, "the controller is off the bus"),
    "no acknowledgement": Row(Bench.no_ack, Evidence.FAILED, "nobody acknowledges our frames"),
    "flooded bus": Row(Bench.flood, Evidence.FAILED, "the bus is full of frames that go first"),
    "queue full, and drains": Row(Bench.fill_queue, Evidence.ACTUATED, frames=1),
    "queue full for good": Row(Bench.fill_queue_for_good, Evidence.FAILED, "no buffer space"),
    "unplugged": Row(Bench.unplug, Evidence.FAILED, "no such device"),
    "request not heard": Row(ecu(FaultKind.DEAF, REQUESTS), Evidence.REFUSED, "the car shows", frames=1),
    "status never comes": Row(ecu(FaultKind.SILENT, STATUSES), Evidence.TIMED_OUT, "no status", frames=1),
    "status contradicts": Row(ecu(FaultKind.CONTRADICT, None), Evidence.REFUSED, "the car shows", frames=1),
    "actuator stuck": Row(
        ecu(FaultKind.STUCK, None, WINDOW), Evidence.REFUSED, "the car shows 0, not 50", WINDOW, 1
    ),
    "actuator late": Row(ecu(FaultKind.LATE, None, WINDOW), Evidence.MOVING, "moving", WINDOW, 1),
    "status with wrong checksum": Row(
        ecu(FaultKind.BAD_CRC, STATUSES, WINDOW), Evidence.TIMED_OUT, "no status", WINDOW, 1
    ),
    "status with jumping counter": Row(
        ecu(FaultKind.JUMP, STATUSES, WINDOW), Evidence.TIMED_OUT, "no status", WINDOW, 1
    ),
    "status with stale counter": Row(
        ecu(FaultKind.STALE, STATUSES, WINDOW), Evidence.TIMED_OUT, "no status", WINDOW, 1
    ),
}


@pytest.fixture
def bench(wired):
    it = Bench(wired)
    yield it
    it.witness.shutdown()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_has_its_outcome_and_nothing_stale_is_sent(bench, name):
    rig, row = bench.rig, FAULTS[name]
    first, second = VALUES[row.path]
    bench.requests(row.path)
    row.inject(bench)

    result = rig.actuator.perform(setting(row.path, first))
    assert (result.evidence, row.detail in result.detail) == (row.evidence, True), result

    bench.heal()
    rig.pass_time(2.5)
    assert bench.requests(row.path) == row.frames
    if row.evidence is Evidence.FAILED:
        assert rig.simulated.get(row.path) != first

    again = rig.actuator.perform(setting(row.path, second))
    assert again.evidence in (Evidence.ACTUATED, Evidence.MOVING), again


def test_what_the_bus_says_of_itself_is_told_apart():
    failed = [row.detail for row in FAULTS.values() if row.evidence is Evidence.FAILED]
    assert len(set(failed)) == len(failed) == 5
