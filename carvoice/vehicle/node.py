"""One leaf of the vehicle signal tree, and the bus signals it is read from and written to."""

from __future__ import annotations

from dataclasses import dataclass

from carvoice.errors import CarError
from carvoice.records import Value
from carvoice.vehicle.codec import MessageCodec, Physical, SignalCodec
from carvoice.vehicle.transform import Transform

INTEGERS = {
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
}


@dataclass(frozen=True, slots=True)
class Leg:
    """One direction of a mapping: the DBC signal and the transform to or from it.

    ``interval_s`` is how often a request is repeated, 0 for never.
    """

    message: MessageCodec
    signal: SignalCodec
    transform: Transform
    interval_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """A VSS leaf as this car has it.

    Attributes:
        path: VSS path.
        kind: "actuator", "sensor" or "attribute".
        datatype: VSS datatype.
        unit: VSS unit name, "" if none.
        minimum: smallest value, None if VSS and car set none.
        maximum: largest value.
        allowed: the strings a string value may take, () for any.
        read: where the actual value comes from, None if the car does not tell.
        write: where a wanted value is sent, None if it cannot be set.
        settle_s: seconds the car takes for the full travel, 0 for at once.
        tolerance: how far the actual value may be off the wanted one and still count as reached.
        momentary: the value is a push button: its status falls back, so reaching it once is enough.
        line: line of its table in the car file.
    """

    path: str
    kind: str
    datatype: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    read: Leg | None = None
    write: Leg | None = None
    settle_s: float = 0.0
    tolerance: float = 0.0
    momentary: bool = False
    line: int = 0

    @property
    def is_numeric(self) -> bool:
        """Whether values are numbers (booleans are not)."""
        return self.datatype not in ("boolean", "string")

    def cast(self, value: Value) -> Value:
        """The value in the node's datatype.

        Raises:
            CarError: wrong kind, outside the range, or not one of the allowed strings.
        """
        if self.datatype == "boolean":
            if value in (0, 1):
                return bool(value)
            raise CarError(f"{self.path} is on or off, not {value!r}")
        if self.datatype == "string":
            if not isinstance(value, str) or (self.allowed and value not in self.allowed):
                raise CarError(f"{self.path} is one of {', '.join(self.allowed)}, not {value!r}")
            return value
        if isinstance(value, (bool, str)):
            raise CarError(f"{self.path} is a number, not {value!r}")
        if not (self.low <= value <= self.high):
            raise CarError(
                f"{self.path} goes from {self.low:g} to {self.high:g} {self.unit}, not to {value:g}"
            )
        return round(value) if self.datatype in INTEGERS else float(value)

    @property
    def low(self) -> float:
        """Smallest value: the declared one, else the datatype's."""
        return (
            self.minimum if self.minimum is not None else INTEGERS.get(self.datatype, (float("-inf"), 0))[0]
        )

    @property
    def high(self) -> float:
        """Largest value: the declared one, else the datatype's."""
        return self.maximum if self.maximum is not None else INTEGERS.get(self.datatype, (0, float("inf")))[1]

    def to_bits(self, value: Value) -> int:
        """A wanted value to the bits of the request signal.

        Raises:
            CarError: the car cannot set this, or not to this value.
        """
        if self.write is None:
            raise CarError(f"{self.path} cannot be set in this car: its table has no vss2dbc")
        value = self.cast(value)
        converted = self.write.transform.apply(value)
        if converted is None:
            raise CarError(f"{self.path}: the vss2dbc transform has no entry for {value!r}")
        return self.write.signal.bits(_to_dbc(converted, self.write.signal))

    def from_bits(self, bits: int) -> Value | None:
        """Bits of the status signal to the actual value; None when they mean no value (fault, SNA)."""
        if self.read is None:
            return None
        value = self.read.signal.value(bits)
        transform = self.read.transform
        if transform.pairs is not None and value not in transform.pairs:
            # a mapping may name the number behind a name
            value = self.read.signal.labels.get(value, value) if isinstance(value, str) else value
        converted = transform.apply(value)
        if isinstance(converted, str) and self.datatype == "boolean":
            converted = self.read.signal.labels.get(converted, -1)
        if converted is None:
            return None
        try:
            return self.cast(converted)
        except CarError:
            return None


def _to_dbc(value: Value, signal: SignalCodec) -> Physical:
    return int(value) if isinstance(value, bool) else value
