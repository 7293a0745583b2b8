"""The daemon started before its devices: it says what is missing, and takes each once it is there."""

import json
import logging
import threading

import can
import numpy as np
import pytest
from test_serve import Daemon

from carvoice.assistant.loudspeaker import Loudspeaker
from carvoice.audio.devices import NullSink
from carvoice.config import Config, ServeConfig, VehicleConfig
from carvoice.errors import AudioError, BusError
from carvoice.records import AudioBlock
from carvoice.vehicle.bus import Bus


class Amplifier(NullSink):
    """A loudspeaker that tells when it plays."""

    def __init__(self):
        super().__init__()
        self.plays = threading.Event()

    def write(self, samples):
        super().write(samples)
        if np.any(samples):
            self.plays.set()


class Silence:
    """A microphone in a quiet room, in real time."""

    def __init__(self):
        self._closing = threading.Event()

    def read(self):
        if self._closing.wait(0.02):
            return None
        return AudioBlock(1e-4 * np.random.default_rng(1).standard_normal(320).astype(np.float32), 0.0)

    def close(self):
        self._closing.set()


class Garage:
    """Where devices are plugged in one by one."""

    def __init__(self, monkeypatch):
        self.plugged = set()
        self.amplifier = Amplifier()
        real_bus = can.Bus
        for name, value in (("_FIRST_RETRY_S", 0.01), ("_LONGEST_RETRY_S", 0.05)):
            monkeypatch.setattr(f"carvoice.assistant.loudspeaker.{name}", value)
            monkeypatch.setattr(f"carvoice.assistant.microphone.{name}", value)
        monkeypatch.setattr("carvoice.vehicle.bus.MAX_RETRY_S", 0.05)

        def bus(**how):
            if how["channel"] == "garage" and "bus" not in self.plugged:
                raise OSError(19, "No such device")
            return real_bus(**how)

        monkeypatch.setattr(can, "Bus", bus)
        monkeypatch.setattr("carvoice.service.daemon.open_loudspeaker", self._loudspeaker)
        monkeypatch.setattr("carvoice.service.daemon.open_microphone", self._microphone)

    def _loudspeaker(self, audio):
        if "loudspeaker" not in self.plugged:
            raise AudioError("no loudspeaker 'amp'")
        return self.amplifier

    def _microphone(self, audio, far):
        if "microphone" not in self.plugged:
            raise AudioError("no microphone 'array'")
        return Silence()


@pytest.fixture
def garage(monkeypatch):
    logging.getLogger("carvoice").setLevel(logging.CRITICAL)
    yield Garage(monkeypatch)
    logging.getLogger("carvoice").setLevel(logging.NOTSET)


def ill(daemon):
    parts = json.loads(daemon.ask("GET", "/health")[1])["parts"]
    return {name for name, part in parts.items() if not part["is_well"]}


def wait_until(is_so, tries=400):
    for _ in range(tries):
        if is_so():
            return True
        threading.Event().wait(0.05)
    return False


def test_each_part_is_taken_once_it_is_there(garage, tmp_path):
    vehicle = VehicleConfig(interface="virtual", channel="garage", simulate="no")
    daemon = Daemon(Config(vehicle=vehicle, serve=ServeConfig(socket=str(tmp_path / "carvoice.sock"))))
    try:
        assert ill(daemon) == {"bus", "microphone", "loudspeaker"}
        _, text = daemon.ask("POST", "/say", {"text": "what time is it"})
        assert json.loads(text)["reply"]["text"].startswith("It's")  # heard by nobody, yet answered
        for part in ("loudspeaker", "microphone"):
            garage.plugged.add(part)
            assert wait_until(lambda name=part: name not in ill(daemon)), part
        daemon.ask("POST", "/say", {"text": "what time is it"})
        assert garage.amplifier.plays.wait(10)
        garage.plugged.add("bus")
        detail = "the car has said nothing yet"  # no longer that the interface is not there
        assert wait_until(
            lambda: json.loads(daemon.ask("GET", "/health")[1])["parts"]["bus"]["detail"] == detail
        )
    finally:
        daemon.stop()


def test_a_bus_that_comes_later_carries_frames_both_ways(garage):
    with Bus.open("virtual", "garage", may_come_later=True) as bus:
        assert bus.is_gone
        with pytest.raises(can.CanError):
            bus.raw.send(can.Message(arbitration_id=1))
        heard = threading.Event()
        bus.listeners.append(lambda message: heard.set())
        garage.plugged.add("bus")
        assert wait_until(lambda: not bus.is_gone)
        with Bus.open("virtual", "garage") as other:
            other.raw.send(can.Message(arbitration_id=2, is_extended_id=False))
            assert heard.wait(10)
        assert bus.reopened == 1


def test_a_bus_whose_absence_nobody_expects_is_an_error(garage):
    with pytest.raises(BusError, match="No such device"):
        Bus.open("virtual", "garage")
    with pytest.raises(BusError, match="unknown"):
        Bus.open("unknown", "anything", may_come_later=True)


def test_nobody_waits_for_a_loudspeaker_that_is_closed(garage):
    loudspeaker = Loudspeaker(lambda: garage._loudspeaker(None))
    assert loudspeaker.problem == "no loudspeaker 'amp'"
    loudspeaker.write(np.ones(160, np.float32))
    assert not loudspeaker.take(160).any()
    loudspeaker.close()
    assert threading.active_count() == len([t for t in threading.enumerate() if "loudspeaker" not in t.name])
