"""AUTOSAR end-to-end protection, profiles 1, 2 and 5: checksum and alive counter in a frame.

Source: AUTOSAR "E2E Protocol Specification" (PRS_E2EProtocol), sections on profiles 1 (and its
fixed-layout form 11), 2 and 5. Layout, byte 0 first:

===== ==================== ===================== ============ ==========================
prof. checksum             polynomial            counter      data ID in the checksum
===== ==================== ===================== ============ ==========================
1     byte 0               0x1D, CRC-8 SAE J1850 byte 1 low 4 both bytes, first (1A), or
                                                 bits, 0..14  low byte and a nibble in
                                                              byte 1 (1C)
2     byte 0               0x2F, CRC-8H2F        byte 1 low 4 one of a list of 16, chosen
                                                 bits, 0..15  by the counter, last
5     bytes 0-1, low first 0x1021, CRC-16 CCITT  byte 2,      both bytes, low first, last
                                                 0..255
===== ==================== ===================== ============ ==========================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from carvoice.errors import CarError


def _table8(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value << 1) ^ polynomial if value & 0x80 else value << 1
        table.append(value & 0xFF)
    return tuple(table)


def _table16(polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1) ^ polynomial if value & 0x8000 else value << 1
        table.append(value & 0xFFFF)
    return tuple(table)


_CRC8 = _table8(0x1D)
_CRC8H2F = _table8(0x2F)
_CRC16 = _table16(0x1021)


def _crc8(table: tuple[int, ...], data: Iterable[int], start: int) -> int:
    for byte in data:
        start = table[start ^ byte]
    return start


def _crc16(data: Iterable[int], start: int = 0xFFFF) -> int:
    for byte in data:
        start = (start << 8 & 0xFFFF) ^ _CRC16[start >> 8 ^ byte]
    return start


class DataIdMode(Enum):
    """How profile 1 brings its 16-bit data ID into the frame."""

    BOTH = "both"
    NIBBLE = "nibble"


class CheckStatus(Enum):
    """What a receiver makes of one frame (the spec's E2E_PxxSTATUS)."""

    OK = "ok"
    OK_SOME_LOST = "ok_some_lost"
    INITIAL = "initial"  # first frame: the counter has nothing to follow
    REPEATED = "repeated"
    WRONG_SEQUENCE = "wrong_sequence"
    WRONG_CRC = "wrong_crc"

    @property
    def is_usable(self) -> bool:
        """Whether the frame's signals may be believed."""
        return self in (CheckStatus.OK, CheckStatus.OK_SOME_LOST, CheckStatus.INITIAL)


@dataclass(frozen=True, slots=True)
class Protection:
    """How one message is protected.

    Attributes:
        profile: 1, 2 or 5.
        data_ids: one 16-bit ID (profiles 1 and 5), or sixteen 8-bit ones (profile 2).
        mode: data ID mode of profile 1.
        max_delta: how far the counter may jump from one frame to the next.
    """

    profile: int
    data_ids: tuple[int, ...]
    mode: DataIdMode = DataIdMode.BOTH
    max_delta: int = 3

    @classmethod
    def parse(cls, table: Any, n_bytes: int) -> Protection:
        """Read an ``[e2e.MESSAGE]`` table.

        Raises:
            CarError: unknown profile, wrong number or range of data IDs, message too short.
        """
        unknown = set(table) - {"profile", "data_id", "data_ids", "mode", "max_delta"}
        if unknown:
            raise CarError(f"unknown key {', '.join(sorted(unknown))}")
        profile = table.get("profile")
        if profile not in (1, 2, 5):
            raise CarError(f"profile must be 1, 2 or 5, not {profile!r}")
        if n_bytes < (4 if profile == 5 else 2):
            raise CarError(f"a message of {n_bytes} bytes has no room for profile {profile}")
        ids = tuple(table.get("data_ids", ())) or ((table["data_id"],) if "data_id" in table else ())
        wanted, limit, key = (16, 0xFF, "data_ids") if profile == 2 else (1, 0xFFFF, "data_id")
        if len(ids) != wanted or not all(isinstance(i, int) and 0 <= i <= limit for i in ids):
            raise CarError(f"profile {profile} needs {key} with {wanted} number(s) 0..{limit:#x}")
        try:
            mode = DataIdMode(table.get("mode", "both"))
        except ValueError:
            raise CarError(f"mode must be both or nibble, not {table['mode']!r}") from None
        return cls(profile, ids, mode, int(table.get("max_delta", 3)))

    @property
    def modulus(self) -> int:
        """Number of counter values."""
        return {1: 15, 2: 16, 5: 256}[self.profile]

    def counter(self, data: bytes | bytearray) -> int:
        """The alive counter in a frame."""
        return data[2] if self.profile == 5 else data[1] & 0x0F

    def crc(self, data: bytes | bytearray) -> int:
        """The checksum the frame should carry."""
        if self.profile == 5:
            return _crc16((self.data_ids[0] & 0xFF, self.data_ids[0] >> 8), _crc16(data[2:]))
        if self.profile == 2:
            crc = _crc8(_CRC8H2F, data[1:], 0xFF)
            return _crc8(_CRC8H2F, (self.data_ids[data[1] & 0x0F],), crc) ^ 0xFF
        low, high = self.data_ids[0] & 0xFF, self.data_ids[0] >> 8
        # the spec's calls cancel CRC-8 SAE J1850's start value and final XOR
        second = high if self.mode is DataIdMode.BOTH else 0
        return _crc8(_CRC8, data[1:], _crc8(_CRC8, (low, second), 0))

    def carried_crc(self, data: bytes) -> int:
        """The checksum the frame does carry."""
        return data[0] | data[1] << 8 if self.profile == 5 else data[0]

    def protect(self, data: bytes, counter: int) -> bytes:
        """The frame with counter and checksum put in; ``counter`` is taken modulo the profile's range."""
        payload = bytearray(data)
        counter %= self.modulus
        if self.profile == 5:
            payload[2] = counter
            payload[0:2] = self.crc(payload).to_bytes(2, "little")
            return bytes(payload)
        nibble = payload[1] & 0xF0
        if self.profile == 1 and self.mode is DataIdMode.NIBBLE:
            nibble = (self.data_ids[0] >> 8 & 0x0F) << 4
        payload[1] = nibble | counter
        payload[0] = self.crc(payload)
        return bytes(payload)

    def owns(self, shift: int, length: int) -> bool:
        """Whether a little-endian signal lies in the bits that checksum, counter and data ID take."""
        n_bits = 24 if self.profile == 5 else 16 if self.mode is DataIdMode.NIBBLE else 12
        return shift + length <= n_bits


class Checker:
    """A receiver's state for one message: checks checksum and counter of each frame in turn."""

    __slots__ = ("_last", "_protection", "statuses")

    def __init__(self, protection: Protection) -> None:
        self._protection = protection
        self._last: int | None = None
        self.statuses: dict[CheckStatus, int] = dict.fromkeys(CheckStatus, 0)

    def check(self, data: bytes) -> CheckStatus:
        """Judge the next frame and remember its counter."""
        status = self._judge(data)
        self.statuses[status] += 1
        return status

    def _judge(self, data: bytes) -> CheckStatus:
        protection = self._protection
        if protection.carried_crc(data) != protection.crc(data):
            return CheckStatus.WRONG_CRC
        counter = protection.counter(data)
        last, self._last = self._last, counter
        if counter >= protection.modulus:
            self._last = last
            return CheckStatus.WRONG_SEQUENCE
        if last is None:
            return CheckStatus.INITIAL
        delta = (counter - last) % protection.modulus
        if delta == 0:
            return CheckStatus.REPEATED
        if delta == 1:
            return CheckStatus.OK
        # a jump is refused once; the counter is taken over, so the sender is believed again when it goes on
        return CheckStatus.OK_SOME_LOST if delta <= protection.max_delta else CheckStatus.WRONG_SEQUENCE

    def reset(self) -> None:
        """Forget the counter, as after an outage."""
        self._last = None


def count_bad(statuses: Mapping[CheckStatus, int]) -> int:
    """How many frames were not believed."""
    return sum(n for status, n in statuses.items() if not status.is_usable)
