"""How values of the simulated car stand in its frames: the other side of the car file.

The car file says how *we* write wanted values and read actual ones. An ECU needs the inverse of both.
"""

from __future__ import annotations

from carvoice.errors import CarError
from carvoice.records import Value
from carvoice.vehicle.codec import MessageCodec, Physical, SignalCodec
from carvoice.vehicle.e2e import Protection
from carvoice.vehicle.node import Node
from carvoice.vehicle.transform import Transform


def invert(transform: Transform, value: Value) -> Value:
    """What the transform makes ``value`` of.

    Raises:
        CarError: no mapping entry gives it, or the expression is not linear.
    """
    if transform.pairs is not None:
        for source, target in transform.pairs.items():
            if target == value:
                return source
        raise CarError(f"no entry of the mapping gives {value!r}")
    if transform.function is None or isinstance(value, str):
        return value
    offset = transform.function(0.0)
    slope = transform.function(1.0) - offset
    if slope == 0 or abs(transform.function(7.0) - (7 * slope + offset)) > 1e-6:
        raise CarError(f"cannot simulate {transform.math!r} backwards: it is not linear")
    return (value - offset) / slope


def status_bits(node: Node, value: Value) -> int:
    """An actual value to the bits of its status signal.

    Raises:
        CarError: the status signal cannot show it.
    """
    assert node.read is not None
    dbc = invert(node.read.transform, node.cast(value))
    return node.read.signal.bits(int(dbc) if isinstance(dbc, bool) else dbc)


def requested(node: Node, bits: int) -> Value | None:
    """The value a request signal asks for; None if its bits ask for nothing."""
    assert node.write is not None
    signal = node.write.signal
    if bits == signal.idle_raw:
        return None
    value: Physical = signal.value(bits)
    try:
        if node.datatype == "boolean" and node.write.transform.pairs is None and isinstance(value, str):
            value = signal.labels[value]
        return node.cast(invert(node.write.transform, value))
    except CarError:
        return None


class StatusMessage:
    """A message an ECU sends: its signals' bits, its cycle, its alive counter."""

    def __init__(self, codec: MessageCodec, protection: Protection | None, default_cycle_s: float) -> None:
        self.codec = codec
        self.cycle_s = codec.cycle_time_s or default_cycle_s
        self.due_s = float("-inf")
        self.changed = False
        self._protection = protection
        self._counter = 0
        self._bits: dict[str, int] = {name: s.idle_raw for name, s in codec.signals.items()}

    def put(self, signal: SignalCodec, bits: int) -> None:
        """Set a signal."""
        if self._bits[signal.name] != bits:
            self._bits[signal.name] = bits
            self.changed = True

    def frames(self, bad_crc: bool = False, counter_step: int = 1) -> list[bytes]:
        """The payloads to send now: one, or one for each choice of the multiplexers."""
        codec = self.codec
        groups = [
            {n: b for n, b in self._bits.items() if codec.present(codec.signals[n], selection)} | selection
            for selection in codec.selections
        ]
        payloads = []
        for bits in groups:
            data = codec.encode_bits(bits)
            if self._protection is not None:
                data = self._protection.protect(data, self._counter)
                self._counter += counter_step
                data = bytes([data[0] ^ 0x55]) + data[1:] if bad_crc else data
            payloads.append(data)
        return payloads
