"""How far actions get, with everything that can go wrong on the way."""

from __future__ import annotations

import threading

import can
import pytest
from conftest import DEMO, FakeClock, Rig, getting, setting

from carvoice.errors import BusError
from carvoice.records import Decision, Evidence, Verdict
from carvoice.vehicle.actuator import Actuator
from carvoice.vehicle.bus import Bus
from carvoice.vehicle.car import Car
from carvoice.vehicle.gate import Gate
from carvoice.vehicle.performer import ActuatorSettings
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.simulator import Scenario, SimulatedCar
from carvoice.vehicle.simulator.scenario import Fault, FaultKind
from carvoice.vehicle.state import CarState

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
TRUNK = "Vehicle.Body.Trunk.Rear.IsOpen"
MIRROR = "Vehicle.Body.Mirrors.DriverSide.IsFolded"
WASH = "Vehicle.Body.Windshield.Front.IsWashing"


def test_actuated(rig):
    result = rig.actuator.perform(setting(TEMP, 23.0), trace_id="turn-1")
    assert (result.evidence, result.value, result.detail) == (Evidence.ACTUATED, 23.0, "")
    request, status = result.frames
    assert (request.name, request.is_tx, status.name, status.is_tx) == (
        "HU_ClimateReq",
        True,
        "HVAC_ClimateStat",
        False,
    )
    assert status.signals["HVAC_TempSetDrv"] == 23.0
    assert {f.trace_id for f in result.frames} == {"turn-1"}


def test_asking_for_what_already_is_counts_when_the_car_says_so_again(rig):
    assert rig.actuator.perform(setting(TEMP, 21.0)).evidence is Evidence.ACTUATED


def test_a_value_between_two_steps_counts_as_reached(rig):
    result = rig.actuator.perform(setting(TEMP, 21.2))
    assert (result.evidence, result.value) == (Evidence.ACTUATED, 21.0)


def test_a_window_is_only_under_way(rig):
    result = rig.actuator.perform(setting(WINDOW, 50))
    assert result.evidence is Evidence.MOVING
    assert result.detail.startswith("moving: ")
    rig.pass_time(2.5)
    assert rig.state.get(WINDOW).value == 50


def test_what_begins_to_move_at_once_is_said_at_once(rig):
    before_s = rig.clock()
    rig.actuator.perform(setting(WINDOW, 100))
    assert rig.clock() - before_s < 0.1


def test_a_slow_switch_is_not_called_done_early_and_not_waited_for(rig):
    before_s = rig.clock()
    result = rig.actuator.perform(setting(MIRROR, True))
    assert (result.evidence, result.detail) == (Evidence.TRANSMITTED, "it takes up to 2 s")
    assert rig.clock() - before_s < 0.15  # one cycle of its status message
    rig.pass_time(2.1)
    assert rig.state.get(MIRROR).value is True


def test_a_push_button_falls_back_but_was_seen(rig):
    result = rig.actuator.perform(setting(WASH, True))
    assert result.evidence is Evidence.ACTUATED
    rig.pass_time(1.0)
    assert rig.state.get(WASH).value is False


def test_the_policy_refuses_and_nothing_is_sent(rig):
    result = rig.actuator.perform(setting(TRUNK, True))
    assert (result.evidence, result.frames) == (Evidence.REFUSED, ())
    assert result.detail == "policy door-open-confirm: Please check that nobody is in the way."
    assert rig.actuator.perform(setting(TRUNK, True), confirmed=True).evidence is Evidence.ACTUATED
    assert rig.actuator.perform(setting("Vehicle.Wings", 1)).evidence is Evidence.REFUSED


def test_status_never_comes(rig):
    rig.simulated.faults.add(Fault(FaultKind.SILENT, "HVAC_ClimateStat"))
    before_s = rig.clock()
    result = rig.actuator.perform(setting(TEMP, 23.0))
    assert (result.evidence, result.detail, result.value) == (Evidence.TIMED_OUT, "no status came", None)
    assert rig.clock() - before_s == pytest.approx(1.0, abs=0.05)
    assert [f.name for f in result.frames] == ["HU_ClimateReq"]


@pytest.mark.parametrize("kind", [FaultKind.STUCK, FaultKind.CONTRADICT])
def test_status_contradicts(rig, kind):
    rig.simulated.faults.add(Fault(kind, TEMP))
    result = rig.actuator.perform(setting(TEMP, 23.0))
    assert (result.evidence, result.detail) == (Evidence.REFUSED, "the car shows 21.0, not 23.0")
    assert result.frames[1].signals["HVAC_TempSetDrv"] == 21.0


def test_a_stuck_window_is_refused_not_moving(rig):
    rig.simulated.faults.add(Fault(FaultKind.STUCK, WINDOW))
    assert rig.actuator.perform(setting(WINDOW, 50)).evidence is Evidence.REFUSED


def test_a_window_that_begins_to_move_late_is_waited_for(rig):
    rig.simulated.faults.add(Fault(FaultKind.LATE, WINDOW))
    before_s = rig.clock()
    assert rig.actuator.perform(setting(WINDOW, 50)).evidence is Evidence.MOVING
    assert rig.clock() - before_s == pytest.approx(0.85, abs=0.1)


@pytest.mark.parametrize(("cycle_s", "evidence"), [(0.1, Evidence.REFUSED), (0.5, Evidence.ACTUATED)])
def test_a_status_that_comes_rarely_is_no_refusal_before_it_came_twice(rig, monkeypatch, cycle_s, evidence):
    defrost = "Vehicle.Cabin.HVAC.IsRearDefrosterActive"
    monkeypatch.setattr(rig.car.nodes[defrost].read.message, "cycle_time_s", cycle_s)
    rig.simulated.faults.add(Fault(FaultKind.LATE, defrost))  # by 0.8 s
    assert rig.actuator.perform(setting(defrost, True)).evidence is evidence


@pytest.fixture
def holding(car, policy, tmp_path):
    """A car whose climate ECU wants its requests held."""
    for name in ("demo.dbc", "rules.toml"):
        (tmp_path / name).write_text((DEMO.parent / name).read_text())
    text = DEMO.read_text()
    leg = 'vss2dbc = { signal = "HU_TempSetDrvReq" }'
    assert leg in text
    held = leg.replace(" }", ", interval_ms = 100 }")
    (tmp_path / "demo.toml").write_text(text.replace(leg, held))
    held_car = Car.load(tmp_path / "demo.toml")
    ours, theirs = (Bus.open("virtual", f"holding-{tmp_path.name}") for _ in range(2))
    yield Rig(held_car, Policy.load(held_car.rules_path, held_car), FakeClock(), ours, theirs)
    ours.close()
    theirs.close()


def requests_seen(rig) -> list[object]:
    """What the ECU is asked for, frame by frame, from now on."""
    codec, seen = rig.car.messages["HU_ClimateReq"], []

    def hear(message: can.Message) -> None:
        if message.arbitration_id == codec.arbitration_id:
            seen.append(codec.decode(bytes(message.data))["HU_TempSetDrvReq"])

    rig.theirs.listeners.append(hear)
    return seen


def test_a_held_request_is_said_until_the_car_has_answered_and_then_taken_back(holding):
    seen = requests_seen(holding)
    assert holding.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.ACTUATED
    holding.pass_time(1.0)
    assert seen == [23.0, "SNA"]
    holding.simulated.faults.add(Fault(FaultKind.DEAF, "HU_ClimateReq"))
    assert holding.actuator.perform(setting(TEMP, 24.0)).evidence is Evidence.REFUSED
    holding.pass_time(1.0)
    assert seen[2:] == [24.0] * 5 + ["SNA"]  # at 0, 0.1 ... 0.4 s; refused at 0.5 s


def test_a_held_request_that_is_no_longer_allowed_is_not_said_again(holding, monkeypatch):
    seen = requests_seen(holding)
    holding.simulated.faults.add(Fault(FaultKind.DEAF, "HU_ClimateReq"))
    real, calls = holding.gate.check, []

    def check(*arguments, **more):
        calls.append(arguments)
        if len(calls) > 2:
            return Verdict(Decision.DENY, "changed", "No longer.")
        return real(*arguments, **more)

    monkeypatch.setattr(holding.gate, "check", check)
    assert holding.actuator.perform(setting(TEMP, 24.0)).evidence is Evidence.REFUSED
    holding.pass_time(1.0)
    assert seen == [24.0, 24.0, "SNA"]


def test_cancelled_from_another_thread(holding):
    seen = requests_seen(holding)
    holding.simulated.faults.add(Fault(FaultKind.DEAF, "HU_ClimateReq"))
    idle, waits = holding.state._idle, []

    def idle_and_cancel(left_s):
        waits.append(left_s)
        if len(waits) == 15:
            holding.actuator.cancel()
        idle(left_s)

    holding.state._idle = idle_and_cancel
    before_s = holding.clock()
    result = holding.actuator.perform(setting(TEMP, 24.0))
    assert (result.evidence, result.detail) == (Evidence.TRANSMITTED, "cancelled")
    assert holding.clock() - before_s < 0.3
    holding.pass_time(1.0)
    assert seen[-1] == "SNA"
    assert seen.count(24.0) <= 2
    holding.simulated.faults.clear()
    assert holding.actuator.perform(setting(TEMP, 25.0)).evidence is Evidence.ACTUATED


def test_the_actions_of_a_command_are_done_in_order_one_after_the_other(rig):
    results = rig.actuator.perform_all([setting(TEMP, 23.0), setting(WINDOW, 50)])
    assert next(results).evidence is Evidence.ACTUATED
    assert rig.state.get(WINDOW).value == 0
    assert next(results).evidence is Evidence.MOVING


def test_the_ecu_does_not_hear(rig):
    rig.simulated.faults.add(Fault(FaultKind.DEAF, "HU_ClimateReq"))
    assert rig.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.REFUSED


@pytest.mark.parametrize("kind", [FaultKind.BAD_CRC, FaultKind.STALE])
def test_a_status_that_cannot_be_believed_is_no_evidence(rig, kind):
    rig.simulated.faults.add(Fault(kind, "DCM_WindowStat"))
    rig.pass_time(0.06)
    result = rig.actuator.perform(setting(WINDOW, 50))
    assert result.evidence is Evidence.TIMED_OUT
    rig.pass_time(0.2)
    assert rig.actuator.perform(setting(WINDOW, 20)).detail.startswith("policy moving-parts-fresh-state")


def test_queue_full_is_tried_again_and_then_given_up(rig, monkeypatch):
    original, calls = rig.ours.raw.send, []

    def full_twice(msg, timeout=None):
        calls.append(rig.clock())
        if len(calls) < 3:
            raise can.CanOperationError("No buffer space available", 105)
        original(msg, timeout)

    monkeypatch.setattr(rig.ours.raw, "send", full_twice)
    assert rig.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.ACTUATED
    assert len(calls) == 3

    def full(msg, timeout=None):
        raise can.CanOperationError("No buffer space available", 105)

    monkeypatch.setattr(rig.ours.raw, "send", full)
    before_s = rig.clock()
    result = rig.actuator.perform(setting(TEMP, 25.0))
    assert result.evidence is Evidence.FAILED
    assert "No buffer space" in result.detail
    assert rig.clock() - before_s <= 0.06
    monkeypatch.setattr(rig.ours.raw, "send", original)
    rig.pass_time(1.0)
    assert rig.state.get(TEMP).value == 23.0  # the dropped command never arrives


@pytest.mark.parametrize("error", [can.CanOperationError("Network is down", 100), OSError(100, "down")])
def test_another_send_error_fails_at_once(rig, monkeypatch, error):
    def down(msg, timeout=None):
        raise error  # a serial adapter raises OSError

    monkeypatch.setattr(rig.ours.raw, "send", down)
    before_s = rig.clock()
    assert rig.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.FAILED
    assert rig.clock() == before_s


def test_no_transmission_confirmation_fails_and_purges(rig, monkeypatch):
    purged = []
    monkeypatch.setattr(rig.ours.raw, "send", lambda msg, timeout=None: None)
    monkeypatch.setattr(rig.ours.raw, "flush_tx_buffer", lambda: purged.append(1))
    result = rig.actuator.perform(setting(TEMP, 23.0))
    assert result.evidence is Evidence.FAILED
    assert result.detail.startswith("no transmission confirmation")
    assert "may still go out" not in result.detail
    assert purged == [1]


def test_an_interface_that_cannot_take_a_frame_back_is_told_of(rig, monkeypatch):
    def cannot():
        raise NotImplementedError

    monkeypatch.setattr(rig.ours.raw, "send", lambda msg, timeout=None: None)
    monkeypatch.setattr(rig.ours.raw, "flush_tx_buffer", cannot)
    result = rig.actuator.perform(setting(TEMP, 23.0))
    assert (result.evidence, "it may still go out" in result.detail) == (Evidence.FAILED, True)


def test_a_late_confirmation_does_not_make_a_done_thing_failed(rig, monkeypatch):
    monkeypatch.setattr(rig.state, "was_transmitted", lambda frame: False)
    assert rig.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.ACTUATED
    assert rig.actuator.perform(setting(WINDOW, 50)).evidence is Evidence.MOVING
    assert rig.actuator.perform(setting(MIRROR, True)).evidence is Evidence.FAILED


def test_only_the_frame_itself_confirms_its_transmission(rig, monkeypatch):
    """Another frame of the same message, such as a heartbeat, does not."""
    codec = rig.car.messages["HU_ClimateReq"]
    monkeypatch.setattr(
        rig.ours.raw,
        "send",
        lambda msg, timeout=None: rig.state.transmitted(codec.arbitration_id, codec.encode_bits({})),
    )
    assert rig.actuator.perform(setting(TEMP, 23.0)).evidence is Evidence.FAILED


def test_an_interface_without_confirmation_claims_less(rig):
    rig.ours.confirms_tx = False
    assert rig.actuator.perform(setting(MIRROR, True)).evidence is Evidence.REQUESTED
    assert rig.actuator.perform(setting(TEMP, 24.0)).evidence is Evidence.ACTUATED


def test_get_answers_from_the_state(rig):
    result = rig.actuator.perform(getting("Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed"))
    assert (result.evidence, result.value) == (Evidence.ACTUATED, 72.0)
    assert result.frames[0].name == "BMS_BatteryStat"
    assert rig.actuator.perform(getting("Vehicle.Wings")).evidence is Evidence.REFUSED


def test_get_of_what_the_car_has_not_told(rig):
    blank = CarState(rig.car, rig.clock)
    actuator = Actuator(rig.ours, rig.car, blank, rig.gate, clock=rig.clock)
    result = actuator.perform(getting(TEMP))
    assert (result.evidence, result.detail) == (Evidence.TIMED_OUT, "the car has not told")


def test_the_ecus_own_interlock_shows_as_refusal(rig, car):
    """Our gate is told the car stands; the ECU knows better."""
    rig.play(Scenario(start={"Vehicle.Speed": 0.0}))
    rig.simulated._values["Vehicle.Speed"] = 60.0  # only inside the ECU
    result = rig.actuator.perform(setting(TRUNK, True), confirmed=True)
    assert (result.evidence, result.value) == (Evidence.REFUSED, False)


def test_absent_buses_are_bus_errors():
    with pytest.raises(BusError, match=r"cannot open CAN bus socketcan:nope0.*ip link"):
        Bus.open("socketcan", "nope0")
    with pytest.raises(BusError, match=r"nosuch: .*known interfaces: .*virtual"):
        Bus.open("nosuch")


def test_real_threads_round_trip_and_clean_stop(car, policy):
    before = threading.active_count()
    patient = ActuatorSettings(confirm_s=10.0, refusal_s=10.0, status_s=20.0)
    with Bus.open("virtual", "threads") as ours, Bus.open("virtual", "threads") as theirs:
        simulated = SimulatedCar(car, theirs)
        state = CarState(car)
        ours.feed(state)
        simulated.start()
        assert state.wait(lambda: state.get(TEMP) is not None, 20.0)
        actuator = Actuator(ours, car, state, Gate(car, policy), settings=patient)
        assert actuator.perform(setting(TEMP, 25.0)).evidence is Evidence.ACTUATED
        simulated.stop()
    assert threading.active_count() == before
