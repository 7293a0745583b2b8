"""How many bits a CAN frame is on the wire, stuff bits counted.

Source: ISO 11898-1:2015, 10.4 (frame formats), 10.5 (bit stuffing); CRC-15 polynomial 0x4599. In CAN FD the
bits from SOF to the end of the data are stuffed as in classical CAN, the checksum has fixed stuff bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

_CRC15 = 0x4599
# CRC delimiter, ACK slot, ACK delimiter, 7 bits end of frame, 3 bits intermission
_TAIL_BITS = 13
_FD_LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 32, 48, 64)
# error flag of 6 bits, its echo by the other nodes (up to 6), delimiter of 8, intermission of 3
ERROR_FRAME_BITS = 23


def _bits(value: int, width: int) -> Iterator[int]:
    for position in range(width - 1, -1, -1):
        yield value >> position & 1


def _header(arbitration_id: int, is_extended: bool, is_fd: bool, is_remote: bool) -> list[int]:
    """SOF to the bit before BRS (FD) or DLC (classical), unstuffed."""
    if is_extended:
        bits = [0, *_bits(arbitration_id >> 18, 11), 1, 1, *_bits(arbitration_id & 0x3FFFF, 18)]
    else:
        bits = [0, *_bits(arbitration_id, 11)]
    bits.append(int(is_remote))
    if is_fd:
        # IDE only in a base frame; FDF, reserved
        return bits + ([1, 0] if is_extended else [0, 1, 0])
    return [*bits, 0, 0]  # IDE and r0, or r1 and r0


def _stuffed(bits: list[int]) -> int:
    """Number of bits after stuffing: after five equal ones an opposite one is put in."""
    count, run, last = 0, 0, -1
    for bit in bits:
        count += 1
        run = run + 1 if bit == last else 1
        last = bit
        if run == 5:
            count += 1
            last, run = 1 - bit, 1
    return count


def _crc15(bits: list[int]) -> int:
    crc = 0
    for bit in bits:
        crc = (crc << 1 & 0x7FFF) ^ (_CRC15 if bit ^ crc >> 14 else 0)
    return crc


@lru_cache(maxsize=4096)
def frame_bits(
    arbitration_id: int, data: bytes, is_extended: bool, is_fd: bool, bitrate_switch: bool, is_remote: bool
) -> tuple[int, int]:
    """Bits at the nominal rate and bits at the data rate, intermission included."""
    header = _header(arbitration_id, is_extended, is_fd, is_remote)
    payload = [bit for byte in data for bit in _bits(byte, 8)]
    if not is_fd:
        bits = [*header, *_bits(len(data), 4), *payload]
        bits += _bits(_crc15(bits), 15)
        return _stuffed(bits) + _TAIL_BITS, 0
    length = next(n for n in _FD_LENGTHS if n >= len(data))
    payload += [0] * (8 * (length - len(data)))
    arbitration = [*header, int(bitrate_switch)]
    head = _stuffed(arbitration)
    whole = _stuffed([*arbitration, 0, *_bits(_FD_LENGTHS.index(length), 4), *payload])
    check = 4 + (17 if length <= 16 else 21)  # stuff count with parity, CRC
    fast = whole - head + check + -(-check // 4)  # a fixed stuff bit before every four bits
    if not bitrate_switch:
        return head + fast + _TAIL_BITS, 0
    return head + _TAIL_BITS, fast
