"""End-to-end protection against published examples and two independent implementations."""

from __future__ import annotations

import dataclasses

import pytest
from cantools.autosar.end_to_end import compute_profile2_crc, compute_profile5_crc
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.errors import CarError
from carvoice.vehicle.e2e import (
    Checker,
    CheckStatus,
    DataIdMode,
    Protection,
    Window,
    WindowSettings,
    WindowState,
)

P1 = Protection(1, (0x123,))
P1C = Protection(1, (0x123,), DataIdMode.NIBBLE)
P2 = Protection(2, tuple(range(1, 17)))
P5 = Protection(5, (0x1234,))
ALL = [P1, P1C, P2, P5]


@pytest.mark.parametrize(
    ("protection", "counter", "head"),
    [
        # AUTOSAR PRS_E2EProtocol, examples of the profile sections: 8 bytes of data, all zero
        (P1, 0, "cc00"),  # profile 11, data ID both
        (P1, 1, "9101"),
        (P1C, 0, "2a10"),  # profile 11, data ID nibble
        (P1C, 1, "7711"),
        (P5, 0, "1cca00"),
    ],
)
def test_published_examples(protection, counter, head):
    assert protection.protect(bytes(8), counter).hex() == head + "00" * (8 - len(head) // 2)


@settings(deadline=None)
@given(data=st.binary(min_size=8, max_size=32), counter=st.integers(0, 255))
def test_same_as_cantools(data, counter):
    frame = P2.protect(data, counter)
    assert frame[0] == compute_profile2_crc(frame, P2.data_ids[counter % 16])
    frame = P5.protect(data, counter)
    assert int.from_bytes(frame[:2], "little") == compute_profile5_crc(frame, 0x1234)


@settings(deadline=None)
@given(data=st.binary(min_size=8, max_size=8), counter=st.integers(0, 14))
def test_same_as_the_autosar_e2e_package(data, counter):
    p01 = pytest.importorskip("e2e.p01", reason="the test oracle autosar-e2e is not installed")
    for protection, mode in ((P1, p01.E2E_P01_DATAID_BOTH), (P1C, p01.E2E_P01_DATAID_NIBBLE)):
        oracle = bytearray(data)
        oracle[1] = oracle[1] & 0xF0 | counter
        p01.e2e_p01_protect(oracle, 0x123, data_id_mode=mode, increment_counter=False)
        assert protection.protect(data, counter) == bytes(oracle)


@pytest.mark.parametrize("protection", ALL, ids=["1A", "1C", "2", "5"])
@settings(deadline=None)
@given(data=st.binary(min_size=8, max_size=8), counter=st.integers(0, 255), bit=st.integers(0, 63))
def test_any_flipped_bit_is_noticed(protection, data, counter, bit):
    frame = protection.protect(data, counter)
    checker = Checker(protection)
    assert checker.check(frame) is CheckStatus.INITIAL
    broken = bytearray(protection.protect(data, counter + 1))
    broken[bit // 8] ^= 1 << bit % 8
    assert not checker.check(bytes(broken)).is_usable


@pytest.mark.parametrize("protection", ALL, ids=["1A", "1C", "2", "5"])
def test_counter_state_machine(protection):
    checker = Checker(protection)

    def see(counter):
        return checker.check(protection.protect(b"abcdefgh", counter))

    assert see(3) is CheckStatus.INITIAL
    assert see(4) is CheckStatus.OK
    assert see(4) is CheckStatus.REPEATED
    assert see(7) is CheckStatus.OK_SOME_LOST
    assert see(11) is CheckStatus.WRONG_SEQUENCE
    assert see(12) is CheckStatus.OK
    for counter in range(13, 13 + 2 * protection.modulus):
        assert see(counter) is CheckStatus.OK
    assert sum(checker.statuses.values()) == 6 + 2 * protection.modulus


def test_a_counter_the_profile_does_not_have_is_refused():
    frame = bytearray(P1.protect(bytes(8), 0))
    frame[1] = 0x0F
    frame[0] = P1.crc(frame)
    assert Checker(P1).check(bytes(frame)) is CheckStatus.WRONG_SEQUENCE


OK, LOST, BAD = CheckStatus.OK, CheckStatus.OK_SOME_LOST, CheckStatus.WRONG_CRC
FIRST, SAME, JUMP = CheckStatus.INITIAL, CheckStatus.REPEATED, CheckStatus.WRONG_SEQUENCE
THREE = WindowSettings(
    3, min_ok_init=2, max_error_init=1, min_ok_valid=1, max_error_valid=1, min_ok_invalid=3
)


@pytest.mark.parametrize(
    ("statuses", "states"),
    [
        ([BAD, BAD, BAD], "no_data no_data no_data"),
        ([FIRST, OK, OK, OK], "init init valid valid"),
        ([FIRST, LOST, LOST], "init init valid"),
        ([FIRST, SAME, SAME, JUMP, JUMP], "init init init init init"),
        ([FIRST, BAD, OK, OK], "init init init valid"),  # one error is allowed in INIT
        ([FIRST, BAD, BAD, OK], "init init invalid invalid"),
        ([FIRST, OK, OK, BAD, OK, BAD], "init init valid valid valid invalid"),
        # repeated counters count for neither side, and push the good ones out
        ([FIRST, OK, OK, SAME, SAME, SAME], "init init valid valid valid invalid"),
        # back only after a whole window without an error
        (
            [FIRST, BAD, BAD, OK, OK, OK, OK],
            "init init invalid invalid invalid valid valid",
        ),
    ],
)
def test_the_state_machine_behind_the_checks(statuses, states):
    window = Window(THREE)
    assert [window.add(status).value for status in statuses] == states.split()


def test_a_checker_with_a_window_believes_only_valid_messages():
    checker = Checker(dataclasses.replace(P1, window=WindowSettings(4, min_ok_valid=2, max_error_valid=1)))

    def believed(counter, flip=0):
        data = P1.protect(b"abcdefgh", counter)
        return checker.believes(bytes([data[0] ^ flip]) + data[1:])

    assert [believed(0), believed(1), believed(2)] == [False, True, True]
    assert [believed(3, flip=1), believed(3)] == [False, True]  # one error of four is borne
    assert [believed(4, flip=1), believed(4)] == [False, False]
    assert checker.window.state is WindowState.INVALID
    assert [believed(5), believed(6), believed(7)] == [False, False, True]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"window_size": 0}, "window_size must be a whole number above 0, not 0"),
        ({"min_ok_init": 1}, "window_size must be a whole number above 0, not None"),
        ({"window_size": 3, "max_error_valid": 4}, r"max_error_valid must be a whole number 0..3"),
        ({"window_size": 3, "min_ok_valid": 0.5}, r"min_ok_valid must be .*, not 0.5"),
        ({"windows": 3}, "unknown key windows; known: data_id, data_ids, "),
    ],
)
def test_settings_of_the_window_are_checked(keys, message):
    with pytest.raises(CarError, match=message):
        Protection.parse({"profile": 1, "data_id": 5, **keys}, 8)


def test_settings_of_the_window_are_read():
    table = {"profile": 1, "data_id": 5, "window_size": 5, "min_ok_invalid": 3, "max_error_valid": 2}
    assert Protection.parse(table, 8).window == WindowSettings(5, min_ok_invalid=3, max_error_valid=2)
    assert Protection.parse({"profile": 1, "data_id": 5}, 8).window is None
