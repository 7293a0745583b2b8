"""End-to-end protection against published examples and two independent implementations."""

from __future__ import annotations

import pytest
from cantools.autosar.end_to_end import compute_profile2_crc, compute_profile5_crc
from hypothesis import given
from hypothesis import strategies as st

from carvoice.vehicle.e2e import Checker, CheckStatus, DataIdMode, Protection

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


@given(data=st.binary(min_size=8, max_size=32), counter=st.integers(0, 255))
def test_same_as_cantools(data, counter):
    frame = P2.protect(data, counter)
    assert frame[0] == compute_profile2_crc(frame, P2.data_ids[counter % 16])
    frame = P5.protect(data, counter)
    assert int.from_bytes(frame[:2], "little") == compute_profile5_crc(frame, 0x1234)


@given(data=st.binary(min_size=8, max_size=8), counter=st.integers(0, 14))
def test_same_as_the_autosar_e2e_package(data, counter):
    p01 = pytest.importorskip("e2e.p01", reason="the test oracle autosar-e2e is not installed")
    for protection, mode in ((P1, p01.E2E_P01_DATAID_BOTH), (P1C, p01.E2E_P01_DATAID_NIBBLE)):
        oracle = bytearray(data)
        oracle[1] = oracle[1] & 0xF0 | counter
        p01.e2e_p01_protect(oracle, 0x123, data_id_mode=mode, increment_counter=False)
        assert protection.protect(data, counter) == bytes(oracle)


@pytest.mark.parametrize("protection", ALL, ids=["1A", "1C", "2", "5"])
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
    checker.reset()
    assert see(9) is CheckStatus.INITIAL
    assert sum(checker.statuses.values()) == 7 + 2 * protection.modulus


def test_a_counter_the_profile_does_not_have_is_refused():
    frame = bytearray(P1.protect(bytes(8), 0))
    frame[1] = 0x0F
    frame[0] = P1.crc(frame)
    assert Checker(P1).check(bytes(frame)) is CheckStatus.WRONG_SEQUENCE
