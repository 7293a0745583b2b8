"""What the vehicle room costs: encode, gate, interpretation to frame, state cache, round trip.

Run with ``pytest bench/test_vehicle_path.py --benchmark-enable``; ``bench/vehicle_table.py`` makes the table.
"""

from __future__ import annotations

import itertools
import time

import can
import cantools
import pytest

from carvoice.records import Action, ActionKind, Evidence, Interpretation, Slot, Zone
from carvoice.resources import data_path
from carvoice.vehicle.actuator import Actuator
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.planner import Actions, Planner
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.simulator import SimulatedCar
from carvoice.vehicle.simulator.plugin import SimulatedBus
from carvoice.vehicle.state import CarState

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
CAR = Car.load(data_path("cars", "demo", "demo.toml"))
POLICY = Policy.load(CAR.rules_path, CAR)
DATABASE = cantools.database.load_file(str(CAR.path.parent / "demo.dbc"))


class Sink:
    """A bus that takes everything."""

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        pass


@pytest.fixture
def state() -> CarState:
    """A state that knows everything the demo car tells."""
    known = CarState(CAR)
    for path, node in CAR.nodes.items():
        if node.read is not None:
            value = node.from_bits(node.read.signal.idle_raw)
            if value is not None:
                known.put(path, value)
    return known


def unlimited() -> Policy:
    """The demo policy without its rates, which a benchmark would run into."""
    import dataclasses

    return dataclasses.replace(POLICY, rates=())


def test_encode(benchmark):
    codec = CAR.messages["HU_ClimateReq"]
    benchmark(codec.encode, {"HU_TempSetDrvReq": 21.5})


def test_encode_cantools(benchmark):
    message = DATABASE.get_message_by_name("HU_ClimateReq")
    idle = {s.name: s.raw_initial for s in message.signals}
    idle["HU_TempSetDrvReq"] = 43
    benchmark(message.encode, idle, scaling=False, strict=False)


def test_decode(benchmark):
    codec = CAR.messages["HVAC_ClimateStat"]
    data = codec.encode_bits({})
    benchmark(codec.decode, data)


def test_decode_cantools(benchmark):
    message = DATABASE.get_message_by_name("HVAC_ClimateStat")
    data = CAR.messages["HVAC_ClimateStat"].encode_bits({})
    benchmark(message.decode, data)


def test_gate_check_temperature(benchmark, state):
    gate = Gate(CAR, unlimited())
    verdict = benchmark(gate.check, Action(ActionKind.SET, TEMP, 21.5, Zone.DRIVER), state, 0.0)
    assert verdict.rule == "comfort"


def test_gate_check_window(benchmark, state):
    gate = Gate(CAR, unlimited(), clock=lambda: 0.0)
    benchmark(gate.check, Action(ActionKind.SET, WINDOW, 50, Zone.DRIVER), state, 0.0)


def test_policy_encode_send(benchmark):
    """Verdict, encoding, checksum, frame check and hand-over: the budget is 1 ms."""
    clock = itertools.count()
    known = CarState(CAR, clock=lambda: 0.0)
    for path, node in CAR.nodes.items():
        if node.read is not None:
            value = node.from_bits(node.read.signal.idle_raw)
            if value is not None:
                known.put(path, value)
    gate = Gate(CAR, unlimited(), clock=lambda: float(next(clock)))
    benchmark(gate.send, Sink(), Action(ActionKind.SET, WINDOW, 50, Zone.DRIVER), known)


def test_interpretation_to_frame(benchmark):
    known = CarState(CAR, clock=lambda: 0.0)
    known.put(TEMP, 21.0)
    planner = Planner(CAR, Actions.load(data_path("grammars", "actions.yaml")), unlimited())
    gate = Gate(CAR, unlimited())
    meant = Interpretation("ClimateAdjustTemperature", {"direction": Slot("up")})
    sink = Sink()

    def walk() -> None:
        for action in planner.plan(meant, known, Zone.DRIVER):
            gate.send(sink, action, known)

    # one by one: it is the slowest that count
    benchmark.pedantic(walk, rounds=5000, warmup_rounds=100)


def test_state_cache_unchanged_frames(benchmark):
    """Per frame; 4,000 frames/s in 5 % of a core allow 12.5 µs."""
    state = CarState(CAR)
    codec = CAR.messages["HVAC_ClimateStat"]
    data = codec.encode_bits({})
    benchmark(state.receive, codec.arbitration_id, data, codec.is_extended)


def test_state_cache_changed_frames(benchmark):
    state = CarState(CAR)
    codec = CAR.messages["HVAC_ClimateStat"]
    frames = itertools.cycle([codec.encode({"HVAC_TempSetDrv": t}) for t in (20, 21, 22)])
    benchmark(lambda: state.receive(codec.arbitration_id, next(frames)))


def test_state_cache_protected_motorola_frames(benchmark):
    state = CarState(CAR)
    codec = CAR.messages["GW_Motion"]
    protection = CAR.protection["GW_Motion"]
    frames = itertools.cycle([protection.protect(codec.encode({"GW_VehSpeed": n}), n) for n in range(15)])
    benchmark(lambda: state.receive(codec.arbitration_id, next(frames)))


def second_of_bus() -> list[tuple[int, bytes, bool]]:
    """4,000 frames as the demo car mixes them: changed and unchanged, multiplexed and protected."""
    frames: list[tuple[int, bytes, bool]] = []
    for counter in range(200):
        for codec in CAR.messages.values():
            if CAR.node in codec.senders:
                continue
            data = codec.encode_bits({})
            protection = CAR.protection.get(codec.name)
            if protection is not None:
                data = protection.protect(data, counter)
            frames.append((codec.arbitration_id, data, codec.is_extended))
    return frames[:4000]


def test_state_cache_a_full_bus(benchmark):
    """500 kbit/s at 100 % are about 4,000 frames: the state cache alone, once a second."""
    state = CarState(CAR)
    frames = second_of_bus()

    def take_in() -> None:
        for arbitration_id, data, is_extended in frames:
            state.receive(arbitration_id, data, is_extended)

    benchmark.pedantic(take_in, rounds=5)


def test_receive_a_full_bus(benchmark):
    """The same 4,000 frames with python-can's receiving in front."""
    raw = SimulatedBus("receive", clock=lambda: 0.0)
    bus = Bus(raw)
    bus.feed(CarState(CAR))
    messages = [
        can.Message(arbitration_id=i, data=d, is_extended_id=e, is_fd=len(d) > 8)
        for i, d, e in second_of_bus()
    ]

    def fill() -> None:
        for message in messages:
            raw.node.deliver(message)

    benchmark.pedantic(bus.poll, setup=fill, rounds=5)
    bus.close()


def test_request_to_status_on_the_simulated_bus(benchmark):
    """Real threads on python-can's virtual bus: request, ECU, status, evidence."""
    with Bus.open("virtual", "bench") as ours, Bus.open("virtual", "bench") as theirs:
        simulated = SimulatedCar(CAR, theirs)
        state = CarState(CAR)
        ours.feed(state)
        simulated.start()
        assert state.wait(lambda: state.get(TEMP) is not None, 5.0)
        actuator = Actuator(ours, CAR, state, Gate(CAR, unlimited()))
        values = itertools.cycle([20.0, 21.0, 22.0])
        slow = []

        def round_trip() -> None:
            start_s = time.perf_counter()
            result = actuator.perform(Action(ActionKind.SET, TEMP, next(values), Zone.DRIVER))
            slow.append(time.perf_counter() - start_s)
            assert result.evidence is Evidence.ACTUATED

        benchmark.pedantic(round_trip, rounds=300, warmup_rounds=5)
        slow.sort()
        benchmark.extra_info["p99_ms"] = round(slow[int(len(slow) * 0.99)] * 1e3, 2)
        simulated.stop()
