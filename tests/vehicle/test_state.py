from __future__ import annotations

import pytest
from conftest import FakeClock

from carvoice.errors import CarError
from carvoice.vehicle.e2e import CheckStatus, WindowState
from carvoice.vehicle.state import CarState

OUTSIDE = "Vehicle.Exterior.AirTemperature"
SPEED = "Vehicle.Speed"


def frame(car, message, **values):
    return car.messages[message].encode(values)


def protected(car, message, counter, **values):
    return car.protection[message].protect(frame(car, message, **values), counter)


def test_values_and_ages(car):
    clock = FakeClock()
    state = CarState(car, clock)
    assert state.get(OUTSIDE) is None
    key = car.messages["ICM_FluidStat"].arbitration_id
    state.receive(key, frame(car, "ICM_FluidStat", ICM_OutsideTemp=-12.5, ICM_OilLevel="LOW"))
    clock.now_s += 3
    reading = state.get(OUTSIDE)
    assert (reading.value, reading.age_s) == (-12.5, 3)
    assert state.get("Vehicle.Powertrain.CombustionEngine.EngineOil.Level").value == "LOW"
    state.receive(key, frame(car, "ICM_FluidStat", ICM_OutsideTemp=-12.5, ICM_OilLevel="LOW"))
    assert state.get(OUTSIDE).age_s == 0
    assert state.count(OUTSIDE) == 2


def test_not_available_is_not_a_value(car):
    state = CarState(car, FakeClock())
    key = car.messages["ICM_FluidStat"].arbitration_id
    state.receive(key, frame(car, "ICM_FluidStat", ICM_OutsideTemp=20, ICM_FuelLevel="SNA"))
    assert state.get("Vehicle.Powertrain.FuelSystem.RelativeLevel") is None
    assert state.get(OUTSIDE).value == 20.0


def test_multiplexed_status_updates_only_its_own_signals(car):
    state = CarState(car, FakeClock())
    codec = car.messages["TPM_TireStat"]
    state.receive(codec.arbitration_id, codec.encode({"TPM_TirePressureRL": 231}))
    assert state.get("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure").value == 231
    assert state.get("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure") is None


def test_motorola_signals(car):
    state = CarState(car, FakeClock())
    for counter in (0, 1):  # its state machine believes the second good frame
        data = protected(car, "GW_Motion", counter, GW_VehSpeed=123.45, GW_GearCurrent=-1)
        state.receive(car.messages["GW_Motion"].arbitration_id, data)
    assert state.get(SPEED).value == 123.45
    assert state.get("Vehicle.Powertrain.Transmission.CurrentGear").value == -1


def test_frames_that_fail_their_check_change_nothing(car):
    clock = FakeClock()
    state = CarState(car, clock)
    key = car.messages["GW_Motion"].arbitration_id
    state.receive(key, protected(car, "GW_Motion", 14, GW_VehSpeed=10))
    state.receive(key, protected(car, "GW_Motion", 0, GW_VehSpeed=10))
    good = protected(car, "GW_Motion", 1, GW_VehSpeed=20)
    state.receive(key, bytes([good[0] ^ 1]) + good[1:])
    assert state.get(SPEED).value == 10
    clock.now_s += 1
    state.receive(key, protected(car, "GW_Motion", 0, GW_VehSpeed=30))  # counter stands still
    assert state.get(SPEED).value == 10
    assert state.get(SPEED).age_s == 1
    state.receive(key, protected(car, "GW_Motion", 1, GW_VehSpeed=40))
    assert state.get(SPEED).value == 40
    statuses = state.check_statuses()["GW_Motion"]
    assert statuses[CheckStatus.WRONG_CRC] == statuses[CheckStatus.REPEATED] == 1


def test_after_too_many_bad_frames_a_message_has_to_prove_itself(car):
    clock = FakeClock()
    state = CarState(car, clock)
    key = car.messages["GW_Motion"].arbitration_id

    def tell(counter, speed, flip=0):
        data = protected(car, "GW_Motion", counter, GW_VehSpeed=speed)
        state.receive(key, bytes([data[0] ^ flip]) + data[1:])
        clock.now_s += 0.02

    tell(0, 10)
    assert state.get(SPEED) is None  # one frame proves nothing
    tell(1, 10)
    assert state.get(SPEED).value == 10
    tell(2, 20, flip=1)
    tell(2, 20)
    assert state.get(SPEED).value == 20  # one bad frame of five is borne
    tell(3, 30, flip=1)
    for counter in (3, 4, 5):
        tell(counter, 30)
        assert state.get(SPEED).value == 20
    assert state.get(SPEED).age_s > 0.07  # so a rule that wants fresh speed no longer holds
    tell(6, 30)
    tell(7, 30)
    assert state.get(SPEED).value == 30
    assert state.check_windows() == {"GW_Motion": WindowState.VALID}


def test_unknown_short_and_extended_frames(car):
    state = CarState(car, FakeClock())
    state.receive(0x7FF, b"12345678")
    state.receive(car.messages["ICM_FluidStat"].arbitration_id, b"12")
    codec = car.messages["AMP_MediaStat"]
    data = codec.encode({"AMP_MediaVolume": 33})
    state.receive(codec.arbitration_id, data, is_extended=False)
    assert (state.frames, state.unknown_frames, state.short_frames) == (3, 2, 1)
    state.receive(codec.arbitration_id, data, is_extended=True)
    assert state.get("Vehicle.Cabin.Infotainment.Media.Volume").value == 33


def test_put_and_last_frame(car):
    clock = FakeClock()
    state = CarState(car, clock)
    state.put(SPEED, 50)
    assert state.get(SPEED).value == 50.0
    assert state.last_frame(SPEED) is None
    with pytest.raises(CarError):
        state.put(SPEED, "fast")
    for call in (state.get, state.count):
        with pytest.raises(CarError, match=r"no Vehicle\.Wings"):
            call("Vehicle.Wings")
    for counter in (0, 1):
        data = protected(car, "GW_Motion", counter, GW_VehSpeed=10)
        state.receive(car.messages["GW_Motion"].arbitration_id, data)
    record = state.last_frame(SPEED, "abc")
    assert (record.name, record.signals["GW_VehSpeed"], record.trace_id) == ("GW_Motion", 10, "abc")


def test_wait_gives_up_and_succeeds(car):
    clock = FakeClock()

    def idle(left_s):
        clock.now_s += 0.25

    state = CarState(car, clock, idle)
    assert not state.wait(lambda: False, 1.0)
    assert clock.now_s == 1001.0
    assert state.wait(lambda: clock.now_s > 1001.3, 1.0)


def test_wait_wakes_from_another_thread(car):
    import threading

    state = CarState(car)
    worker = threading.Timer(0.01, state.put, (SPEED, 5))
    worker.start()
    assert state.wait(lambda: state.count(SPEED) > 0, 10.0)
    worker.join()
