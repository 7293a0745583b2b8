"""An interface that is pulled out and put back: opened again, and nothing stale on the new one."""

from __future__ import annotations

import errno
import queue
import threading

import can
import pytest
from conftest import setting

from carvoice.errors import BusError
from carvoice.records import Evidence
from carvoice.vehicle import bus as bus_module
from carvoice.vehicle.actuator import Actuator
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.heartbeat import Heartbeat
from carvoice.vehicle.performer import ActuatorSettings
from carvoice.vehicle.state import CarState

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
SOON = ActuatorSettings(confirm_s=0.01, refusal_s=0.01, status_s=0.01)


class Adapter:
    """A USB-CAN adapter and the driver's handles on it: a handle dies with the device, as a socket does."""

    def __init__(self) -> None:
        self.is_plugged = True
        self.attempts = 0
        self.opened: list[Handle] = []
        self.tried = threading.Condition()

    def open(self, interface: str, receive_own_messages: bool = False, **options: object) -> Handle:
        with self.tried:
            self.attempts += 1
            self.tried.notify_all()
        if not self.is_plugged:
            raise OSError(errno.ENODEV, "No such device")
        self.opened.append(Handle(self))
        return self.opened[-1]

    def pull(self) -> None:
        self.is_plugged = False
        for handle in self.opened:
            handle.is_dead = True
            handle.inbox.put(None)

    def wait_for_attempts(self, n: int) -> None:
        with self.tried:
            assert self.tried.wait_for(lambda: self.attempts >= n, 10.0)


class Handle(can.BusABC):
    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.is_dead = self._is_shutdown = False
        self.channel_info = "usb adapter"
        self.sent: list[can.Message] = []
        self.inbox: queue.SimpleQueue[can.Message | None] = queue.SimpleQueue()

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        if self.is_dead:
            raise can.CanOperationError("no such device", errno.ENODEV)
        self.sent.append(msg)

    def _recv_internal(self, timeout):
        if self.is_dead:
            raise OSError(errno.ENODEV, "No such device")
        try:
            return self.inbox.get(timeout=timeout), True
        except queue.Empty:
            return None, True

    def shutdown(self) -> None:
        self._is_shutdown = True
        if self.is_dead:
            raise can.CanOperationError("cannot even be closed", errno.ENODEV)


@pytest.fixture
def adapter(monkeypatch):
    it = Adapter()
    monkeypatch.setattr(can, "Bus", it.open)
    monkeypatch.setattr(bus_module, "RETRY_S", 0.001)
    monkeypatch.setattr(bus_module, "MAX_RETRY_S", 0.004)
    return it


def test_an_adapter_pulled_out_and_put_back(adapter, car, policy):
    with Bus.open("socketcan", "can0") as bus:
        state, gate = CarState(car), Gate(car, policy)
        bus.feed(state)
        actuator = Actuator(bus, car, state, gate, settings=SOON)
        heartbeat = Heartbeat(bus, car, gate)
        first = adapter.opened[0]
        actuator.perform(setting(TEMP, 20.0))
        assert len(first.sent) == 1

        adapter.pull()
        adapter.wait_for_attempts(3)
        assert (bus.failures, first._is_shutdown) == (1, True)
        lost = actuator.perform(setting(TEMP, 23.0))
        assert (lost.evidence, lost.frames) == (Evidence.FAILED, ())
        assert "the interface is gone" in lost.detail
        heartbeat.step(float("inf"))
        assert heartbeat.failures > 0
        with pytest.raises(can.CanOperationError):
            bus.raw.send(can.Message())

        adapter.is_plugged = True
        climate = car.messages["HVAC_ClimateStat"]
        adapter.wait_for_attempts(adapter.attempts + 1)
        assert wait_for(lambda: bus.reopened == 1)
        second = adapter.opened[-1]
        assert (bus.raw, second.sent) == (second, [])  # the lost request and heartbeat are not made up for
        second.inbox.put(
            can.Message(
                arbitration_id=climate.arbitration_id,
                data=climate.encode({"HVAC_TempSetDrv": 20.0}),
                is_extended_id=False,
            )
        )
        assert state.wait(lambda: state.get(TEMP) is not None, 10.0)
        actuator.perform(setting(TEMP, 25.0))
        (frame,) = second.sent
        assert car.messages["HU_ClimateReq"].decode(bytes(frame.data))["HU_TempSetDrvReq"] == 25.0


def wait_for(condition, timeout_s: float = 10.0) -> bool:
    """Something another thread does, which tells nobody."""
    for _ in range(int(timeout_s / 0.001)):
        if condition():
            return True
        threading.Event().wait(0.001)
    return False


def test_the_pauses_grow_up_to_a_limit(adapter, monkeypatch):
    bus = Bus.open("socketcan", "can0")
    pauses = []

    class Stop:
        def wait(self, pause_s):
            pauses.append(pause_s)
            return len(pauses) == 6

    monkeypatch.setattr(bus_module, "RETRY_S", 0.1)
    monkeypatch.setattr(bus_module, "MAX_RETRY_S", 1.0)
    monkeypatch.setattr(bus, "_stop", Stop())
    adapter.pull()
    bus._recover(OSError("gone"))
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    assert bus.reopened == 0
    assert bus.poll() == 0


def test_closing_while_it_is_gone(adapter):
    bus = Bus.open("socketcan", "can0")
    bus.start()
    adapter.pull()
    adapter.wait_for_attempts(2)
    bus.close()
    assert bus.reopened == 0


def test_an_interface_that_was_never_there_is_named(adapter):
    adapter.is_plugged = False
    with pytest.raises(BusError, match=r"cannot open CAN bus socketcan:can0: .*No such device"):
        Bus.open("socketcan", "can0")
