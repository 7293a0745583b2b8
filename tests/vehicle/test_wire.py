"""The simulated wire: what a real one does and python-can's virtual interface does not."""

from __future__ import annotations

import errno
import itertools

import can
import pytest
from conftest import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from carvoice.errors import BusError
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.simulator.frame_bits import frame_bits
from carvoice.vehicle.simulator.plugin import SimulatedBus
from carvoice.vehicle.simulator.wire import ERR_ACK, ERR_BUS_OFF, ERR_PROTOCOL, ERR_RESTARTED

_channels = itertools.count()


class Bench:
    """Nodes on one wire; time passes by ``run``."""

    def __init__(self, **options) -> None:
        self.clock = FakeClock()
        self.options = {"channel": f"bench-{next(_channels)}", "clock": self.clock, **options}
        self.buses: list[SimulatedBus] = []

    def node(self, **options) -> SimulatedBus:
        bus = SimulatedBus(**{**self.options, **options})
        self.buses.append(bus)
        return bus

    def run(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.buses[0].wire.run_until(self.clock.now_s)

    def close(self) -> None:
        for bus in self.buses:
            bus.shutdown()


@pytest.fixture
def bench():
    it = Bench()
    yield it
    it.close()


def data_frame(arbitration_id: int = 0x123, data: bytes = bytes(8), **options) -> can.Message:
    return can.Message(
        arbitration_id=arbitration_id, data=data, is_extended_id=arbitration_id > 0x7FF, **options
    )


def drain(bus: can.BusABC) -> list[can.Message]:
    return list(iter(lambda: bus.recv(timeout=0), None))


# ---- bit time -------------------------------------------------------------------------------------


def bits(arbitration_id=0x555, data=b"", ext=False, fd=False, brs=False):
    return frame_bits(arbitration_id, data, ext, fd, brs, False)


def test_bits_of_frames_that_need_hardly_any_stuffing():
    # 47 bits beside the data in a base frame with intermission, 67 in an extended one
    slow, fast = bits(0x2AA, b"\x55" * 8)
    assert 111 <= slow <= 114
    assert fast == 0
    slow, _ = bits(0x15555555 & 0x1FFFFFFF, b"\x55" * 8, ext=True)
    assert 131 <= slow <= 135


@given(st.integers(0, 0x7FF), st.binary(max_size=8))
def test_stuffing_stays_within_the_bounds_of_the_standard(arbitration_id, data):
    n = 8 * len(data)
    slow, _ = bits(arbitration_id, data)
    assert 47 + n <= slow <= 47 + n + (34 + n - 1) // 4


@given(st.integers(0, 0x1FFFFFFF), st.binary(max_size=8))
def test_extended_stuffing_stays_within_the_bounds(arbitration_id, data):
    n = 8 * len(data)
    slow, _ = bits(arbitration_id, data, ext=True)
    assert 67 + n <= slow <= 67 + n + (54 + n - 1) // 4


def test_fd_data_goes_at_the_data_rate():
    slow, fast = bits(0x123, bytes(range(64)), fd=True, brs=True)
    assert slow < 35
    assert 550 < fast < 700
    assert bits(0x123, bytes(range(64)), fd=True)[1] == 0


def test_a_frame_arrives_after_its_bit_time(bench):
    a, b = bench.node(), bench.node()
    a.send(data_frame(data=b"\x55" * 8))
    duration_s = a.wire.duration_s(data_frame(data=b"\x55" * 8))
    assert 0.00022 < duration_s < 0.00024
    bench.run(duration_s * 0.99)
    assert drain(b) == []
    bench.run(duration_s * 0.02)
    (frame,) = drain(b)
    assert (frame.is_rx, frame.timestamp) == (True, pytest.approx(1000 + duration_s))


@pytest.mark.parametrize("bitrate", [125_000, 250_000, 500_000])
def test_a_full_bus_carries_what_its_bitrate_allows(bitrate):
    bench = Bench(bitrate=bitrate)
    a, b = bench.node(tx_queue=10_000), bench.node()
    for _ in range(6000):
        a.send(data_frame(data=b"\x55" * 8))
    bench.run(1.0)
    assert len(drain(b)) == pytest.approx(bitrate / 113, rel=0.03)
    assert a.wire.load() == pytest.approx(1.0, abs=0.01)
    bench.close()


def test_load_falls_when_it_is_quiet(bench):
    a, _ = bench.node(), bench.node()
    a.send(data_frame())
    bench.run(0.5)
    assert 0 < a.wire.load() < 0.001
    bench.run(1.0)
    assert a.wire.load() == 0.0


# ---- arbitration ----------------------------------------------------------------------------------


def test_the_lowest_id_wins(bench):
    nodes = [bench.node() for _ in range(4)]
    listener = bench.node()
    ids = [0x300, 0x100, 0x18F00000, 0x200]
    for node, arbitration_id in zip(nodes, ids, strict=True):
        node.send(data_frame(arbitration_id))
    bench.run(0.01)
    assert [m.arbitration_id for m in drain(listener)] == [0x100, 0x200, 0x300, 0x18F00000]


def test_a_base_frame_beats_an_extended_one_with_the_same_first_bits(bench):
    a, b, listener = bench.node(), bench.node(), bench.node()
    a.send(data_frame(0x123 << 18))
    b.send(data_frame(0x123))
    bench.run(0.01)
    assert [m.is_extended_id for m in drain(listener)] == [False, True]


def test_a_frame_on_the_wire_is_not_interrupted(bench):
    a, b, listener = bench.node(), bench.node(), bench.node()
    a.send(data_frame(0x700))
    bench.run(0.0001)
    b.send(data_frame(0x001))
    bench.run(0.01)
    assert [m.arbitration_id for m in drain(listener)] == [0x700, 0x001]


def test_one_queue_is_first_in_first_out(bench):
    a, listener = bench.node(), bench.node()
    for arbitration_id in (0x500, 0x100):
        a.send(data_frame(arbitration_id))
    bench.run(0.01)
    assert [m.arbitration_id for m in drain(listener)] == [0x500, 0x100]


# ---- queues, acknowledgement, errors ------------------------------------------------------------------


def test_a_full_queue_is_enobufs_and_drains(bench):
    a, listener = bench.node(tx_queue=3), bench.node()
    for _ in range(3):
        a.send(data_frame())
    with pytest.raises(can.CanOperationError) as full:
        a.send(data_frame())
    assert full.value.error_code == errno.ENOBUFS
    bench.run(0.01)
    assert len(drain(listener)) == 3
    a.send(data_frame())


def test_own_frames_confirm_transmission(bench):
    a, b = bench.node(receive_own_messages=True), bench.node()
    a.send(data_frame())
    assert drain(a) == []
    bench.run(0.01)
    (own,) = drain(a)
    assert (own.is_rx, drain(b)[0].is_rx) == (False, True)


def test_without_another_node_nothing_is_acknowledged(bench):
    a = bench.node(receive_own_messages=True)
    a.send(data_frame())
    bench.run(0.1)
    frames = drain(a)
    assert frames
    assert all(m.is_error_frame and m.arbitration_id == ERR_ACK for m in frames)
    assert (a.node.tec, a.state) == (128, can.BusState.PASSIVE)  # but not off the bus
    b = bench.node()
    bench.run(0.01)
    assert len([m for m in drain(b) if not m.is_error_frame]) == 1


def test_an_aborted_frame_that_nobody_acknowledges_is_not_sent_later(bench):
    a = bench.node()
    a.send(data_frame())
    bench.run(0.01)
    a.flush_tx_buffer()
    bench.run(0.01)
    b = bench.node()
    bench.run(0.01)
    assert [m for m in drain(b) if not m.is_error_frame] == []


def test_flushing_drops_what_waits_but_not_what_is_on_the_wire(bench):
    a, b = bench.node(), bench.node()
    for arbitration_id in (1, 2, 3):
        a.send(data_frame(arbitration_id))
    bench.run(0.0001)
    a.flush_tx_buffer()
    bench.run(0.01)
    assert [m.arbitration_id for m in drain(b)] == [1]


def test_a_destroyed_frame_is_sent_again(bench):
    a, b = bench.node(), bench.node()
    a.wire.inject_errors(2)
    a.send(data_frame())
    bench.run(0.01)
    frames = drain(b)
    assert [m.arbitration_id for m in frames] == [ERR_PROTOCOL, ERR_PROTOCOL, 0x123]
    assert (a.node.tec, b.node.rec, a.wire.errors) == (15, 1, 2)


def test_bus_off_purges_and_recovers(bench):
    a, b = bench.node(restart_s=0.5), bench.node()
    a.wire.inject_errors(32)
    a.send(data_frame(0x111))
    a.send(data_frame(0x222))
    bench.run(0.1)
    assert a.state is can.BusState.ERROR
    assert drain(a)[-1].arbitration_id == ERR_BUS_OFF
    with pytest.raises(can.CanOperationError) as off:
        a.send(data_frame())
    assert off.value.error_code == errno.ENETDOWN
    bench.run(0.5)
    assert drain(a)[-1].arbitration_id == ERR_RESTARTED
    assert [m for m in drain(b) if not m.is_error_frame] == []  # nothing stale comes
    a.send(data_frame(0x333))
    bench.run(0.01)
    assert [m.arbitration_id for m in drain(b)] == [0x333]


def test_bus_off_by_hand(bench):
    a, b = bench.node(restart_s=None), bench.node()
    a.wire.inject_errors(32)
    a.send(data_frame())
    bench.run(10)
    assert a.state is can.BusState.ERROR
    a.restart()
    a.send(data_frame())
    bench.run(0.01)
    assert len([m for m in drain(b) if not m.is_error_frame]) == 1


def test_noise_is_seeded():
    def errors(seed: int) -> int:
        bench = Bench(error_rate=0.2, seed=seed)
        a, _ = bench.node(tx_queue=100), bench.node()
        for _ in range(60):
            a.send(data_frame())
        bench.run(0.1)
        n = a.wire.errors
        bench.close()
        return n

    assert errors(1) == errors(1)
    assert 3 < errors(1) < 40


def test_unplugged_and_back(bench):
    a, b = bench.node(), bench.node()
    a.send(data_frame(0x111))
    a.unplug()
    for call in (lambda: a.send(data_frame()), lambda: a.recv(0)):
        with pytest.raises(can.CanOperationError) as gone:
            call()
        assert gone.value.error_code == errno.ENODEV
    bench.run(0.01)
    a.plug()
    a.send(data_frame(0x222))
    bench.run(0.01)
    assert [m.arbitration_id for m in drain(b)] == [0x222]


def test_a_classic_controller_takes_no_fd_frames(bench):
    a = bench.node(fd=False)
    with pytest.raises(can.CanOperationError, match="does not send CAN FD"):
        a.send(data_frame(data=bytes(16), is_fd=True))


def test_all_nodes_of_a_wire_have_one_bitrate(bench):
    bench.node()
    with pytest.raises(can.CanInitializationError, match="runs at 500000"):
        bench.node(bitrate=125_000)


def test_a_closed_bus_says_so(bench):
    a, _ = bench.node(), bench.node()
    a.shutdown()
    a.shutdown()
    with pytest.raises(can.CanOperationError, match="closed"):
        a.send(data_frame())
    bench.buses.remove(a)


# ---- as a python-can interface --------------------------------------------------------------------


def registered() -> bool:
    return "carvoice_sim" in can.VALID_INTERFACES


needs_entry_point = pytest.mark.skipif(
    not registered(), reason="carvoice was installed before it had this entry point: run pip install -e ."
)


def test_the_plugin_is_declared():
    import re
    from pathlib import Path

    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert re.search(
        r'"can.interface"\]\ncarvoice_sim = "carvoice.vehicle.simulator.plugin:SimulatedBus"', text
    )


@needs_entry_point
def test_opened_by_name_with_real_time_and_a_notifier():
    import threading

    before = threading.active_count()
    with (
        can.Bus(interface="carvoice_sim", channel="named", receive_own_messages=True) as a,
        can.Bus(interface="carvoice_sim", channel="named") as b,
    ):
        heard = can.BufferedReader()
        notifier = can.Notifier(b, [heard])
        a.send(data_frame(0x321))
        assert heard.get_message(timeout=5).arbitration_id == 0x321
        assert a.recv(timeout=5).is_rx is False
        notifier.stop()
    assert threading.active_count() == before


@needs_entry_point
def test_cantools_tester_works_with_it(car):
    import cantools

    database = cantools.database.load_file(str(car.path.parent / "demo.dbc"))
    with (
        can.Bus(interface="carvoice_sim", channel="tester", tx_queue=500) as a,
        can.Bus(interface="carvoice_sim", channel="tester", tx_queue=500) as b,
    ):
        hvac = cantools.tester.Tester("HVAC", database, a, "")
        head_unit = cantools.tester.Tester("HU", database, b, "")
        for tester in (hvac, head_unit):
            tester.start()
        hvac.send("HVAC_TempStat", {"HVAC_CabinTemp": 23.5})
        assert head_unit.expect("HVAC_TempStat", timeout=5) == {"HVAC_CabinTemp": 23.5}
        for tester in (hvac, head_unit):
            tester.stop()
            tester._notifier.stop()  # cantools leaves its receiving thread running


@needs_entry_point
def test_our_bus_opens_it_and_reports_what_is_wrong():
    with Bus.open("carvoice_sim", "ours") as bus:
        assert bus.confirms_tx
        with pytest.raises(BusError, match="runs at 500000"):
            Bus.open("carvoice_sim", "ours", bitrate=250_000)
