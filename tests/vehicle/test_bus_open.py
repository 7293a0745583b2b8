"""Opening any python-can interface: what is passed through, and who confirms transmissions."""

from __future__ import annotations

import importlib

import can
import pytest
from can.interfaces import BACKENDS

from carvoice.errors import BusError
from carvoice.vehicle.bus import Bus, reports_own_frames


class Fake(can.BusABC):
    def send(self, msg, timeout=None):
        raise AssertionError("nothing is sent here")


class Confirming(Fake):
    def __init__(self, channel=None, receive_own_messages=False, bitrate=0, **more):
        self._is_shutdown = True
        self.options = {"channel": channel, "own": receive_own_messages, "bitrate": bitrate, **more}


class Ignoring(Fake):
    def __init__(self, channel=None, **more):
        self._is_shutdown = True
        self.options = {"channel": channel, **more}


class Refusing(Fake):
    def __init__(self, channel=None):
        self._is_shutdown = True
        self.options = {"channel": channel}


@pytest.fixture
def interfaces(monkeypatch):
    """``can.Bus`` with interfaces of ours under names python-can knows."""
    classes = {"socketcan": Confirming, "slcan": Ignoring, "pcan": Refusing}
    monkeypatch.setattr(can, "Bus", lambda interface, **options: classes[interface](**options))


def test_options_go_through_and_own_frames_are_asked_for(interfaces):
    bus = Bus.open("socketcan", "can1", bitrate=250_000, fd=True)
    assert bus.confirms_tx
    assert bus.raw.options == {"channel": "can1", "own": True, "bitrate": 250_000, "fd": True}


def test_an_interface_that_ignores_the_wish_for_own_frames_confirms_nothing(interfaces):
    assert not Bus.open("slcan", "/dev/ttyACM0").confirms_tx


def test_an_interface_that_does_not_take_the_wish_is_opened_without_it(interfaces):
    bus = Bus.open("pcan", "PCAN_USBBUS1")
    assert (bus.confirms_tx, bus.raw.options) == (False, {"channel": "PCAN_USBBUS1"})
    with pytest.raises(BusError, match="unexpected keyword argument 'color'"):
        Bus.open("pcan", "PCAN_USBBUS1", color="red")


@pytest.mark.parametrize(
    ("interface", "reports"),
    [("socketcan", True), ("virtual", True), ("vector", True), ("socketcand", False)],
)
def test_what_python_can_has_is_known(interface, reports):
    module, name = BACKENDS[interface]
    assert reports_own_frames(interface, getattr(importlib.import_module(module), name)) is reports
