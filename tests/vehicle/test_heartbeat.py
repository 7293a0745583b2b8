from __future__ import annotations

import threading

import can
from conftest import setting

from carvoice.records import Evidence
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.e2e import CheckStatus
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.heartbeat import Heartbeat

WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"


def test_cyclic_messages_go_out_at_their_pace_and_requests_in_between(rig):
    heartbeat = Heartbeat(rig.ours, rig.car, rig.gate, rig.clock)
    sent: list[int] = []
    rig.theirs.listeners.append(lambda m: sent.append(m.arbitration_id) if m.is_rx else None)
    for _ in range(100):
        heartbeat.step(rig.clock())
        rig.pass_time(0.05)
    window = rig.car.messages["HU_WindowReq"]
    assert sent.count(window.arbitration_id) == 5
    names = ("HU_WindowReq", "HU_DoorReq", "HU_LightReq")
    assert set(sent) == {rig.car.messages[name].arbitration_id for name in names}
    assert rig.simulated.get(WINDOW) == 0  # nothing was asked for
    assert rig.actuator.perform(setting(WINDOW, 50)).evidence is Evidence.MOVING
    statuses = rig.simulated._checkers[window.key].statuses
    assert statuses[CheckStatus.OK] == 5
    assert sum(statuses.values()) == 6


def test_a_bus_that_takes_nothing_is_counted_and_not_made_up_for(rig, monkeypatch):
    def full(msg, timeout=None):
        raise can.CanOperationError("full", 105)

    heartbeat = Heartbeat(rig.ours, rig.car, rig.gate, rig.clock)
    monkeypatch.setattr(rig.ours.raw, "send", full)
    next_s = heartbeat.step(rig.clock())
    assert heartbeat.failures == 3
    assert next_s == rig.clock() + 1.0


def test_from_a_thread(car, policy):
    heard = threading.Event()
    with Bus.open("virtual", "heartbeat") as ours, Bus.open("virtual", "heartbeat") as theirs:
        theirs.listeners.append(lambda m: heard.set())
        with Heartbeat(ours, car, Gate(car, policy)):
            assert heard.wait(20.0)
    assert not any(t.name == "carvoice-heartbeat" for t in threading.enumerate())


def test_without_cyclic_messages_there_is_no_thread(car, policy):
    import dataclasses

    quiet = dataclasses.replace(car, messages={})
    with Bus.open("virtual", "quiet") as ours:
        heartbeat = Heartbeat(ours, quiet, Gate(car, policy))
        assert heartbeat.step(0.0) is None
        heartbeat.start()
        assert not any(t.name == "carvoice-heartbeat" for t in threading.enumerate())
