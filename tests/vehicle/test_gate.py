"""The gate's second floor: what it sends, and that nobody else sends."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import can
import pytest
from conftest import getting, setting

import carvoice
from carvoice.records import Action, ActionKind, Decision, Verdict
from carvoice.vehicle.gate import DeniedError, Gate, inspect
from carvoice.vehicle.policy import Condition, Policy

TEMP = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"
WINDOW = "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position"
MIRROR = "Vehicle.Body.Mirrors.PassengerSide.Tilt"
SEAT = "Vehicle.Cabin.Seat.Row2.DriverSide.HeatingCooling"


class RecordingBus:
    def __init__(self) -> None:
        self.frames: list[can.Message] = []
        self.error: Exception | None = None

    def send(self, msg: can.Message, timeout: float | None = None) -> None:
        if self.error is not None:
            raise self.error
        self.frames.append(msg)


def test_an_allowed_action_becomes_one_frame(desk):
    bus = RecordingBus()
    record = desk.gate.send(bus, setting(TEMP, 21.5), desk.state, trace_id="t1")
    (frame,) = bus.frames
    assert (frame.arbitration_id, frame.is_extended_id, bytes(frame.data)) == (0x2A0, False, record.data)
    assert record.signals["HU_TempSetDrvReq"] == 21.5
    assert record.signals["HU_TempSetPasReq"] == "SNA"
    assert (record.name, record.is_tx, record.trace_id) == ("HU_ClimateReq", True, "t1")


def test_fd_extended_and_multiplexed_frames(desk):
    bus = RecordingBus()
    desk.gate.send(bus, setting(SEAT, 67), desk.state)
    media = desk.gate.send(bus, setting("Vehicle.Cabin.Infotainment.Media.Volume", 10), desk.state)
    record = desk.gate.send(bus, setting(MIRROR, 5), desk.state)
    assert (bus.frames[0].is_fd, len(bus.frames[0].data)) == (True, 32)
    assert (bus.frames[1].is_extended_id, bus.frames[1].arbitration_id) == (True, 0x18F02100)
    assert (media.is_extended, media.arbitration_id) == (True, 0x18F02100)
    assert (record.is_extended, record.arbitration_id) == (False, 0x2B3)
    assert record.signals["HU_MirrorReq_MirrorSide"] == 1


def test_alive_counters_count_per_message_and_only_what_was_sent(desk, car):
    bus = RecordingBus()
    protection = car.protection["HU_WindowReq"]

    def counter() -> int:
        data = bytes(bus.frames[-1].data)
        assert protection.carried_crc(data) == protection.crc(data)
        return protection.counter(data)

    for expected in range(3):
        desk.gate.send(bus, setting(WINDOW, 10 * expected), desk.state)
        assert counter() == expected
    bus.error = can.CanOperationError("full", 105)
    with pytest.raises(can.CanOperationError):
        desk.gate.send(bus, setting(WINDOW, 5), desk.state)
    bus.error = None
    desk.gate.send(bus, setting(WINDOW, 6), desk.state)
    assert counter() == 3


@pytest.mark.parametrize(
    ("action", "rule"),
    [
        (setting("Vehicle.Body.Trunk.Rear.IsOpen", True), "door-open-confirm"),
        (setting("Vehicle.Speed", 1.0), "not-listed"),
        (getting(TEMP), "not-a-set"),
    ],
)
def test_what_is_not_allowed_is_not_sent(desk, action, rule):
    bus = RecordingBus()
    with pytest.raises(DeniedError) as denied:
        desk.gate.send(bus, action, desk.state)
    assert denied.value.verdict.rule == rule
    assert bus.frames == []


def test_reading(desk, car):
    assert desk.gate.check(getting(TEMP), desk.state, 0.0).rule == "read"
    mute = dataclasses.replace(car.nodes[TEMP], read=None)
    gate = Gate(dataclasses.replace(car, nodes={**car.nodes, TEMP: mute}), desk.policy, desk.clock)
    verdict = gate.check(getting(TEMP), desk.state, 0.0)
    assert verdict == Verdict(Decision.DENY, "not-readable", "This car doesn't tell me that.")


def test_a_set_without_settable_signal(desk, car):
    fixed = dataclasses.replace(car.nodes[TEMP], write=None)
    gate = Gate(dataclasses.replace(car, nodes={**car.nodes, TEMP: fixed}), desk.policy, desk.clock)
    assert gate.check(setting(TEMP, 20.0), desk.state, 0.0).rule == "not-settable"


def test_rate_limit_counts_frames_and_recovers(desk):
    bus = RecordingBus()
    for step in range(12):
        desk.gate.send(bus, setting(WINDOW, step), desk.state)
    with pytest.raises(DeniedError) as denied:
        desk.gate.send(bus, setting(WINDOW, 50), desk.state)
    assert denied.value.verdict.rule == "motor-rate"
    assert len(bus.frames) == 12
    desk.gate.send(bus, setting(TEMP, 20.0), desk.state)  # another kind of thing may go on
    desk.pass_time(9.8)
    assert desk.gate.check(setting(WINDOW, 50), desk.state, desk.clock()).rule == "motor-rate"
    desk.pass_time(0.3)
    desk.gate.send(bus, setting(WINDOW, 50), desk.state)


def test_a_rate_is_also_kept_where_a_confirmation_or_warning_is_due(desk):
    bus = RecordingBus()
    for step in range(12):
        desk.gate.send(bus, setting(WINDOW, step), desk.state)
    trunk = setting("Vehicle.Body.Trunk.Rear.IsOpen", True)
    assert desk.gate.check(trunk, desk.state, desk.clock()).rule == "motor-rate"


POISON = [
    ("HU_TempSetDrvReq", 50, "frame-value"),
    ("HU_TempSetPasReq", 40, "frame-other"),
]


@pytest.mark.parametrize(("signal", "bits", "rule"), POISON)
def test_a_frame_that_says_something_else_is_stopped(desk, car, signal, bits, rule):
    """Break the encoder; the frame check must notice."""
    codec = car.messages["HU_ClimateReq"]

    class Broken:
        def __getattr__(self, name):
            return getattr(codec, name)

        def encode_bits(self, wanted):
            return codec.encode_bits({**wanted, signal: bits})

    node = car.nodes[TEMP]
    poisoned = dataclasses.replace(node, write=dataclasses.replace(node.write, message=Broken()))
    gate = Gate(dataclasses.replace(car, nodes={**car.nodes, TEMP: poisoned}), desk.policy, desk.clock)
    bus = RecordingBus()
    with pytest.raises(DeniedError) as denied:
        gate.send(bus, setting(TEMP, 21.5), desk.state)
    assert denied.value.verdict.rule == rule
    assert bus.frames == []


def test_a_frame_with_a_wrong_checksum_is_stopped(desk, car):
    protection = car.protection["HU_WindowReq"]

    class Broken:
        def __getattr__(self, name):
            return getattr(protection, name)

        def protect(self, data, counter):
            return bytes([protection.protect(data, counter)[0] ^ 1]) + protection.protect(data, counter)[1:]

    gate = Gate(
        dataclasses.replace(car, protection={**car.protection, "HU_WindowReq": Broken()}),
        desk.policy,
        desk.clock,
    )
    bus = RecordingBus()
    with pytest.raises(DeniedError) as denied:
        gate.send(bus, setting(WINDOW, 40), desk.state)
    assert denied.value.verdict.rule == "frame-crc"
    assert bus.frames == []


def test_idle_frames_ask_for_nothing_and_share_the_counter(desk, car):
    bus = RecordingBus()
    codec, protection = car.messages["HU_WindowReq"], car.protection["HU_WindowReq"]
    desk.gate.send(bus, setting(WINDOW, 40), desk.state)
    record = desk.gate.send_idle(bus, codec)
    desk.gate.send(bus, setting(WINDOW, 50), desk.state)
    assert [protection.counter(bytes(f.data)) for f in bus.frames] == [0, 1, 2]
    assert record.signals["HU_WindowDrvFReq"] == "SNA"
    assert (record.timestamp_s, record.trace_id) == (desk.clock(), "")
    assert protection.carried_crc(record.data) == protection.crc(record.data)


def test_only_our_own_messages_are_sent_idle(desk, car):
    bus = RecordingBus()
    with pytest.raises(DeniedError) as denied:
        desk.gate.send_idle(bus, car.messages["GW_Motion"])
    assert denied.value.verdict == Verdict(Decision.DENY, "not-ours", "GW_Motion is not ours to send")
    assert bus.frames == []


def test_passing_on_to_something_else_than_a_bus(desk):
    passed = []
    desk.gate.pass_on(passed.extend, [setting(TEMP, 21.0), setting(WINDOW, 30)], desk.state)
    assert [action.value for action in passed] == [21.0, 30]
    for not_allowed in (setting("Vehicle.Speed", 3.0), getting(TEMP)):
        for batch in ([not_allowed], [setting(TEMP, 22.0), not_allowed]):
            with pytest.raises(DeniedError):
                desk.gate.pass_on(passed.extend, batch, desk.state)
    assert len(passed) == 2


def test_a_batch_counts_one_by_one_for_the_rates_and_not_at_all_when_it_is_denied(desk):
    passed = []
    thirteen, twelve = ([setting(WINDOW, 40)] * n for n in (13, 12))
    with pytest.raises(DeniedError, match="motor-rate"):
        desk.gate.pass_on(passed.extend, thirteen, desk.state)
    assert passed == []
    desk.gate.pass_on(passed.extend, twelve, desk.state)
    with pytest.raises(DeniedError, match="motor-rate"):
        desk.gate.pass_on(passed.extend, twelve[:1], desk.state)
    assert len(passed) == 12


def test_a_repetition_is_judged_again_but_uses_up_no_rate(desk):
    bus = RecordingBus()
    for _ in range(12):
        desk.gate.send(bus, setting(WINDOW, 40), desk.state)
    for _ in range(5):
        desk.gate.send(bus, setting(WINDOW, 40), desk.state, repeated=True)
    desk.pass_time(10.5)
    for _ in range(12):
        desk.gate.send(bus, setting(WINDOW, 40), desk.state)
    with pytest.raises(DeniedError, match="motor-rate"):
        desk.gate.send(bus, setting(WINDOW, 40), desk.state)
    with pytest.raises(DeniedError, match="not-listed"):
        desk.gate.send(bus, setting("Vehicle.Speed", 3.0), desk.state, repeated=True)
    assert len(bus.frames) == 12 + 5 + 12


def test_passing_on_counts_for_the_rates_once_it_succeeded(desk):
    def fail(actions):
        raise can.CanOperationError("full")

    for _ in range(20):
        with pytest.raises(can.CanOperationError):
            desk.gate.pass_on(fail, [setting(WINDOW, 40)], desk.state)
    for _ in range(12):
        desk.gate.pass_on(lambda actions: None, [setting(WINDOW, 40)], desk.state)
    with pytest.raises(DeniedError, match="motor-rate"):
        desk.gate.pass_on(lambda actions: None, [setting(WINDOW, 40)], desk.state)


def test_conditions_that_do_not_fit_the_value_err_on_the_side_of_no(desk, car, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[allow]]\nid = "a"\npaths = ["Vehicle.**"]\n[[rule]]\nid = "r"\npaths = ["Vehicle.**"]\n'
        'when = { falling = true, min = -1000 }\nreason = "No."\n'
        '[[rule]]\nid = "s"\npaths = ["Vehicle.Body.Lights.LightSwitch"]\nwhen = { falling = true }\n'
        'require = [{ path = "$self", max = 3 }]\nreason = "No numbers."\n'
    )
    gate = Gate(car, Policy.load(rules, car), desk.clock)
    assert gate.check(setting("Vehicle.Body.Lights.LightSwitch", "BEAM"), desk.state, 0.0).rule == "s"
    assert gate.check(setting(TEMP, 16.0), desk.state, 0.0).rule == "r"
    assert gate.check(setting(TEMP, 28.0), desk.state, 0.0).rule == "a"


def test_an_action_without_value_is_not_sent(desk):
    with pytest.raises(DeniedError):
        desk.gate.send(RecordingBus(), Action(ActionKind.SET, TEMP), desk.state)


# ---- nobody else sends ------------------------------------------------------------------------------


def sending_calls(path: Path) -> list[int]:
    names = {"send", "send_periodic"}
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in names
        and not (isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "_gate")
    ]


def test_only_the_gate_calls_send_in_the_source():
    """Apart from the simulated car and the simulated bus, which are the other end."""
    root = Path(carvoice.__file__).parent
    senders = {
        str(path.relative_to(root)): sending_calls(path)
        for path in sorted(root.rglob("*.py"))
        if sending_calls(path) and "simulator" not in path.parts
    }
    assert [name for name in senders if name.startswith("vehicle/")] == ["vehicle/gate.py"]
    assert len(senders["vehicle/gate.py"]) == 1


def test_every_frame_an_action_causes_comes_from_the_gate(rig, monkeypatch):
    """Perform everything the demo car can do and look at who called ``send`` on our bus."""
    import inspect as python_inspect

    callers = set()
    original = rig.ours.raw.send

    def spy(msg, timeout=None):
        callers.add((Path(python_inspect.stack()[1].filename).name, python_inspect.stack()[1].function))
        original(msg, timeout)

    monkeypatch.setattr(rig.ours.raw, "send", spy)
    for node in list(rig.car.nodes.values()):
        if node.write is not None:
            value = node.allowed[0] if node.allowed else True if node.datatype == "boolean" else node.high
            rig.actuator.perform(setting(node.path, value), confirmed=True)
            rig.pass_time(0.4)
    assert callers == {("gate.py", "_transmit")}


# ---- at the very edge ---------------------------------------------------------------------------------


def small_gate(car, clock, path, text):
    path.write_text('[[allow]]\nid = "a"\npaths = ["Vehicle.**"]\n' + text)
    return Gate(car, Policy.load(path, car), clock)


def test_a_reading_is_fresh_up_to_and_including_its_maximum_age(desk, car, tmp_path):
    gate = small_gate(
        car,
        desk.clock,
        tmp_path / "r.toml",
        '[[rule]]\nid = "r"\npaths = ["Vehicle.**"]\nreason = "x"\n'
        'require = [{ path = "Vehicle.Speed", max_age_s = 0.5 }]\n',
    )
    desk.clock.now_s += 0.5
    assert gate.check(setting(TEMP, 20.0), desk.state, 0.0).rule == "a"
    desk.clock.now_s += 0.25
    assert gate.check(setting(TEMP, 20.0), desk.state, 0.0).rule == "r"


def test_staying_is_not_falling_and_a_stale_value_may_be(desk, car, tmp_path):
    gate = small_gate(
        car,
        desk.clock,
        tmp_path / "r.toml",
        '[[rule]]\nid = "r"\npaths = ["Vehicle.**"]\nwhen = { falling = true }\nreason = "x"\n',
    )
    assert gate.check(setting(TEMP, 21.0), desk.state, 0.0).rule == "a"
    assert gate.check(setting(TEMP, 20.5), desk.state, 0.0).rule == "r"
    desk.clock.now_s += 1.0
    assert gate.check(setting(TEMP, 21.0), desk.state, 0.0).rule == "a"
    desk.clock.now_s += 0.25
    assert gate.check(setting(TEMP, 28.0), desk.state, 0.0).rule == "r"


def test_a_rate_looks_at_the_oldest_of_its_frames_and_ends_on_time(desk, car, tmp_path):
    gate = small_gate(
        car,
        desk.clock,
        tmp_path / "r.toml",
        '[[rate]]\nid = "r"\npaths = ["Vehicle.**"]\nmax = 2\nper_s = 4\nreason = "Slowly."\n',
    )
    bus = RecordingBus()
    for seconds in (0, 2):
        desk.clock.now_s = 1000.0 + seconds
        gate.send(bus, setting(TEMP, 20.0), desk.state)
    verdict = gate.check(setting(TEMP, 20.0), desk.state, 1003.75)
    assert verdict == Verdict(Decision.DENY, "r", "Slowly.")
    assert gate.check(setting(TEMP, 20.0), desk.state, 1004.0).rule == "a"


def test_a_missing_feature_is_a_no(desk, car, policy):
    condition = Condition(feature="wings")
    assert desk.gate.holds(condition, setting(TEMP, 20.0), desk.state) is False


def test_a_yes_reaches_the_second_judgement(desk):
    bus = RecordingBus()
    trunk = setting("Vehicle.Body.Trunk.Rear.IsOpen", True)
    with pytest.raises(DeniedError):
        desk.gate.send(bus, trunk, desk.state, confirmed=False)
    assert desk.gate.send(bus, trunk, desk.state, confirmed=True).name == "HU_DoorReq"
    passed = []
    with pytest.raises(DeniedError):
        desk.gate.pass_on(passed.extend, [trunk], desk.state)
    desk.gate.pass_on(passed.extend, [trunk], desk.state, confirmed=True)
    assert passed == [trunk]


def test_what_the_driver_is_told_to_do_with_the_frame(desk):
    class Strict(RecordingBus):
        def send(self, msg, timeout=None):
            assert timeout == 0.05
            super().send(msg, timeout)

    bus = Strict()
    record = desk.gate.send(bus, setting(SEAT, 67), desk.state)
    (frame,) = bus.frames
    assert (frame.bitrate_switch, frame.is_rx) == (True, False)
    assert (record.timestamp_s, record.trace_id, record.is_fd) == (desk.clock(), "", True)
    desk.gate.send(bus, setting(TEMP, 20.0), desk.state)
    assert bus.frames[1].bitrate_switch is False


def test_refusals_of_the_frame_check_are_denials_with_a_reason(car):
    codec = car.messages["HU_ClimateReq"]
    protected = car.messages["HU_WindowReq"]
    cases = [
        (codec, None, {"HU_TempSetDrvReq": 42}, codec.encode_bits({"HU_TempSetDrvReq": 43}),
         "frame-value: HU_TempSetDrvReq would be sent as 43, not 42"),
        (codec, None, {}, codec.encode_bits({"HU_TempSetPasReq": 43}),
         "frame-other: HU_TempSetPasReq would be sent along as 43"),
        (protected, car.protection["HU_WindowReq"], {}, b"\x01" + protected.encode_bits({})[1:],
         "frame-crc: HU_WindowReq would be sent with a wrong checksum"),
    ]  # fmt: skip
    for which, protection, wanted, data, text in cases:
        with pytest.raises(DeniedError) as denied:
            inspect(which, protection, wanted, data)
        assert str(denied.value) == text
        assert denied.value.verdict.decision is Decision.DENY


def test_nothing_allows_and_no_rule_is_about_what_the_car_does_not_have(desk):
    action = setting("Vehicle.Wings.Position", 1)
    assert desk.gate.allowing(action) is None
    assert desk.gate.applying(action, desk.state) == ()
    verdict = desk.gate.check(action, desk.state, 0.0)
    assert verdict.reason == "This car doesn't have that."


def test_a_get_is_nothing_to_send(desk):
    with pytest.raises(DeniedError) as denied:
        desk.gate.send(RecordingBus(), getting(TEMP), desk.state)
    assert denied.value.verdict == Verdict(Decision.DENY, "not-a-set", "There is nothing to send.")


def test_a_rate_holds_again_after_it_has_run_out_and_a_deny_names_its_own_rule(desk, car, tmp_path):
    gate = small_gate(
        car,
        desk.clock,
        tmp_path / "r.toml",
        '[[rate]]\nid = "r"\npaths = ["Vehicle.**"]\nmax = 2\nper_s = 4\n'
        '[[rule]]\nid = "d"\npaths = ["Vehicle.**"]\nwhen = { min = 25 }\nreason = "Too warm."\n',
    )
    bus = RecordingBus()
    for seconds in (0, 0, 4, 4):
        desk.clock.now_s = 1000.0 + seconds
        gate.send(bus, setting(TEMP, 20.0), desk.state)
    assert gate.check(setting(TEMP, 20.0), desk.state, 1005.0).rule == "r"
    assert gate.check(setting(TEMP, 25.0), desk.state, 1005.0).rule == "d"


def test_a_reason_claims_nothing_that_the_car_has_not_told(desk):
    """A silent car is not one that drives, or one with the ignition off."""
    closing = setting(WINDOW, 0)
    desk.set("Vehicle.LowVoltageSystemState", "OFF")
    desk.set(WINDOW, 50)
    assert (
        desk.gate.check(closing, desk.state, desk.clock()).reason
        == "Windows only close with the ignition on."
    )
    desk.clock.now_s += 5.0
    verdict = desk.gate.check(closing, desk.state, desk.clock())
    assert (verdict.rule, verdict.reason) == ("window-close-ignition", desk.policy.unknown)
    # a rule that asks for freshness alone says so itself
    tilt = setting("Vehicle.Body.Mirrors.DriverSide.Tilt", 10)
    verdict = desk.gate.check(tilt, desk.state, desk.clock())
    assert (verdict.rule, verdict.reason.split(",")[0]) == (
        "moving-parts-fresh-state",
        "I don't know its position right now",
    )
    # nor does a missing feature leave anything open
    roof = setting("Vehicle.Cabin.Sunroof.Position", 50)
    desk.pass_time(0.0)
    desk.set("Vehicle.Cabin.Sunroof.Shade.Position", 90)
    assert desk.gate.check(roof, desk.state, desk.clock()).reason == "Please open the sunshade first."
