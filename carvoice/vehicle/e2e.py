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

Behind the checks of single frames a message may have the specification's state machine (E2E_SMCheck): its
frames are believed only while enough of the last ``window_size`` were good.

SecOC (authentication by a truncated CMAC) is left out on purpose. Its freshness values come from a manager
that every maker defines anew, and its keys belong into a hardware security module, which python-can does
not reach; a CMAC with a key from a file and a counter of our own would look like security and fit no ECU.
Where a car wants it, the gateway or the CAN driver below the interface has to add it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
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


class WindowState(Enum):
    """What a receiver makes of a message as a whole (the spec's E2E_SMStateType)."""

    NO_DATA = "no_data"  # nothing usable has come yet
    INIT = "init"  # something has, but not enough
    VALID = "valid"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """The state machine's configuration (the spec's E2E_SMConfigType, one window for all states).

    Attributes:
        window_size: how many frames are looked back on.
        min_ok_init, max_error_init: good frames needed and wrong checksums allowed to go from INIT to VALID.
        min_ok_valid, max_error_valid: the same to stay VALID.
        min_ok_invalid, max_error_invalid: the same to come back from INVALID.
    """

    window_size: int
    min_ok_init: int = 1
    max_error_init: int = 0
    min_ok_valid: int = 1
    max_error_valid: int = 0
    min_ok_invalid: int = 1
    max_error_invalid: int = 0

    @classmethod
    def parse(cls, table: Any) -> WindowSettings | None:
        """Read these keys out of an ``[e2e.MESSAGE]`` table; None if it has no ``window_size``.

        Raises:
            CarError: a number is missing, negative or larger than the window.
        """
        given = {key: table[key] for key in cls.__slots__ if key in table}
        if not given:
            return None
        size = given.get("window_size")
        if not isinstance(size, int) or size < 1:
            raise CarError(f"window_size must be a whole number above 0, not {size!r}")
        for key, value in given.items():
            if not isinstance(value, int) or not 0 <= value <= size:
                raise CarError(f"{key} must be a whole number 0..{size} (window_size), not {value!r}")
        return cls(**given)


class Window:
    """The state machine over the checks of one message (PRS_E2EProtocol, "E2E state machine").

    Only OK and wrong checksums count; repeated or jumping counters only push older results out. Where the
    spec calls it without a frame (NONEWDATA), the ages of the readings do that work here.
    """

    __slots__ = ("_last", "_settings", "state")

    def __init__(self, settings: WindowSettings) -> None:
        self._settings = settings
        self._last: deque[CheckStatus] = deque(maxlen=settings.window_size)
        self.state = WindowState.NO_DATA

    def add(self, status: CheckStatus) -> WindowState:
        """Take in a frame's check; returns the state after it."""
        if self.state is WindowState.NO_DATA:
            if status is not CheckStatus.WRONG_CRC:
                self.state = WindowState.INIT
            return self.state
        self._last.append(status)
        n_ok = sum(s in (CheckStatus.OK, CheckStatus.OK_SOME_LOST) for s in self._last)
        n_error = sum(s is CheckStatus.WRONG_CRC for s in self._last)
        settings = self._settings
        min_ok, max_error = {
            WindowState.INIT: (settings.min_ok_init, settings.max_error_init),
            WindowState.VALID: (settings.min_ok_valid, settings.max_error_valid),
            WindowState.INVALID: (settings.min_ok_invalid, settings.max_error_invalid),
        }[self.state]
        if n_ok >= min_ok and n_error <= max_error:
            self.state = WindowState.VALID
        elif self.state is not WindowState.INIT or n_error > max_error:
            self.state = WindowState.INVALID
        return self.state


@dataclass(frozen=True, slots=True)
class Protection:
    """How one message is protected.

    Attributes:
        profile: 1, 2 or 5.
        data_ids: one 16-bit ID (profiles 1 and 5), or sixteen 8-bit ones (profile 2).
        mode: data ID mode of profile 1.
        max_delta: how far the counter may jump from one frame to the next.
        window: the state machine behind the checks, None for none.
    """

    profile: int
    data_ids: tuple[int, ...]
    mode: DataIdMode = DataIdMode.BOTH
    max_delta: int = 3
    window: WindowSettings | None = None

    @classmethod
    def parse(cls, table: Any, n_bytes: int) -> Protection:
        """Read an ``[e2e.MESSAGE]`` table.

        Raises:
            CarError: unknown profile, wrong number or range of data IDs, message too short.
        """
        known = {"profile", "data_id", "data_ids", "mode", "max_delta", *WindowSettings.__slots__}
        unknown = set(table) - known
        if unknown:
            raise CarError(f"unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
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
        return cls(profile, ids, mode, int(table.get("max_delta", 3)), WindowSettings.parse(table))

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
    """A receiver's state for one message: checks checksum and counter of each frame in turn.

    Attributes:
        statuses: how many frames had which status.
        window: the state machine over them, None if the message has none.
    """

    __slots__ = ("_last", "_protection", "statuses", "window")

    def __init__(self, protection: Protection) -> None:
        self._protection = protection
        self._last: int | None = None
        self.statuses: dict[CheckStatus, int] = dict.fromkeys(CheckStatus, 0)
        self.window = Window(protection.window) if protection.window is not None else None

    def believes(self, data: bytes) -> bool:
        """Check the next frame; whether its signals may be believed."""
        is_usable = self.check(data).is_usable
        return is_usable and (self.window is None or self.window.state is WindowState.VALID)

    def check(self, data: bytes) -> CheckStatus:
        """Judge the next frame and remember its counter."""
        status = self._judge(data)
        self.statuses[status] += 1
        if self.window is not None:
            self.window.add(status)
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
