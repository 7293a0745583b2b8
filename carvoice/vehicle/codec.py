"""Frames to signals and back, prepared once so that a frame costs microseconds.

cantools reads the database (DBC, ARXML, KCD, SYM); the bit positions it finds are turned here into a
shift and a mask per signal on the payload taken as one integer. The result is the same as
``cantools.database.Message.encode``/``decode`` (a property test compares them).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from carvoice.errors import CarError

Physical = float | int | str

_FLOAT_FORMATS = {16: ">e", 32: ">f", 64: ">d"}


class SignalCodec:
    """One DBC signal: raw bits, scaling, named values."""

    __slots__ = (
        "choices",
        "idle_raw",
        "is_float",
        "is_little_endian",
        "is_signed",
        "labels",
        "length",
        "mask",
        "maximum",
        "minimum",
        "multiplexer",
        "multiplexer_ids",
        "name",
        "offset",
        "scale",
        "shift",
        "unit",
    )

    def __init__(self, signal: Any, payload_bits: int) -> None:
        self.name: str = signal.name
        self.length: int = signal.length
        self.mask: int = (1 << self.length) - 1
        self.is_little_endian: bool = signal.byte_order == "little_endian"
        if self.is_little_endian:
            self.shift: int = signal.start
        else:
            # DBC counts a Motorola start bit in sawtooth order, from the signal's most significant bit
            self.shift = payload_bits - (8 * (signal.start // 8) + 7 - signal.start % 8) - signal.length
        self.is_signed: bool = signal.is_signed
        self.is_float: bool = signal.is_float
        self.scale: float = signal.scale
        self.offset: float = signal.offset
        self.minimum: float | None = signal.minimum
        self.maximum: float | None = signal.maximum
        self.unit: str = signal.unit or ""
        self.choices: dict[int, str] = {int(raw): str(name) for raw, name in (signal.choices or {}).items()}
        self.labels: dict[str, int] = {name: raw for raw, name in self.choices.items()}
        self.idle_raw: int = self._bits(signal.raw_initial) if signal.raw_initial is not None else 0
        ids = signal.multiplexer_ids
        self.multiplexer_ids: tuple[int, ...] = tuple(ids) if ids else ()
        self.multiplexer: str = signal.multiplexer_signal or "" if ids else ""

    def _bits(self, raw: float) -> int:
        if self.is_float:
            return int.from_bytes(struct.pack(_FLOAT_FORMATS[self.length], raw), "big")
        return int(raw) & self.mask

    def value(self, bits: int) -> Physical:
        """Bits as they stand in the frame to the physical value, or the name the value has."""
        if self.is_float:
            raw: float = struct.unpack(_FLOAT_FORMATS[self.length], bits.to_bytes(self.length // 8, "big"))[0]
        else:
            raw = bits - self.mask - 1 if self.is_signed and bits >> (self.length - 1) else bits
            if self.choices and raw in self.choices:
                return self.choices[raw]
        if self.scale == 1 and self.offset == 0:
            return raw
        # a DBC factor such as 0.1 is not a binary fraction: hide its rounding noise
        return round(raw * self.scale + self.offset, 9)

    def bits(self, value: Physical) -> int:
        """Physical value, or the name of one, to bits.

        Raises:
            CarError: unknown name, or outside the signal's range or bits.
        """
        if isinstance(value, str):
            try:
                return self.labels[value] & self.mask
            except KeyError:
                names = ", ".join(self.labels) or "none"
                raise CarError(f"signal {self.name} has no value named {value!r}; it has {names}") from None
        if (self.minimum is not None and value < self.minimum) or (
            self.maximum is not None and value > self.maximum
        ):
            limits = f"{self.minimum}..{self.maximum} {self.unit}".rstrip()
            raise CarError(f"{value} is outside the range {limits} of signal {self.name}")
        raw = (value - self.offset) / self.scale
        if self.is_float:
            return self._bits(raw)
        nearest = round(raw)
        low = -(1 << (self.length - 1)) if self.is_signed else 0
        if not low <= nearest <= low + self.mask:
            raise CarError(f"{value} does not fit the {self.length} bits of signal {self.name}")
        return nearest & self.mask


class MessageCodec:
    """One DBC message. Its signals may be multiplexed, and multiplexers too (extended multiplexing).

    Attributes:
        multiplexers: the signals whose values say which others the frame carries, outer ones first.
    """

    __slots__ = (
        "_idle",
        "_n_bytes",
        "_selections",
        "arbitration_id",
        "cycle_time_s",
        "is_extended",
        "is_fd",
        "multiplexers",
        "name",
        "senders",
        "signals",
    )

    def __init__(self, message: Any) -> None:
        self.name: str = message.name
        self.arbitration_id: int = message.frame_id
        self.is_extended: bool = message.is_extended_frame
        self.is_fd: bool = message.is_fd
        self._n_bytes: int = message.length
        self.senders: tuple[str, ...] = tuple(message.senders)
        self.cycle_time_s: float | None = message.cycle_time / 1e3 if message.cycle_time else None
        self.signals = {s.name: SignalCodec(s, 8 * message.length) for s in message.signals}
        choosing = [self.signals[s.name] for s in message.signals if s.is_multiplexer]
        self.multiplexers = tuple(sorted(choosing, key=lambda s: len(self.ancestors(s))))
        self._selections = tuple(self._complete({}))
        self._idle: dict[tuple[tuple[str, int], ...], int] = {}
        for selection in ({}, *self._selections):
            self._idle_payload(selection)

    @property
    def length(self) -> int:
        """Payload bytes."""
        return self._n_bytes

    @property
    def key(self) -> tuple[int, bool]:
        """What identifies a frame on the bus: ID and whether it has 29 bits."""
        return self.arbitration_id, self.is_extended

    def ancestors(self, signal: SignalCodec) -> tuple[tuple[SignalCodec, tuple[int, ...]], ...]:
        """The multiplexers a signal depends on, nearest first, with the values under which it is there."""
        found = []
        while signal.multiplexer:
            above = self.signals[signal.multiplexer]
            found.append((above, signal.multiplexer_ids))
            signal = above
        return tuple(found)

    def present(self, signal: SignalCodec, selection: Mapping[str, int]) -> bool:
        """Whether the frame with these multiplexer values carries the signal."""
        return all(selection.get(above.name) in ids for above, ids in self.ancestors(signal))

    @property
    def selections(self) -> tuple[dict[str, int], ...]:
        """Multiplexer values of the frames it takes to send every signal; one empty one without any."""
        return self._selections

    def _complete(self, selection: dict[str, int]) -> Iterator[dict[str, int]]:
        for signal in self.multiplexers:
            if signal.name in selection or not self.present(signal, selection):
                continue
            ids = {
                i for s in self.signals.values() if s.multiplexer == signal.name for i in s.multiplexer_ids
            }
            for value in sorted(ids):
                yield from self._complete({**selection, signal.name: value})
            return
        yield selection

    def set_idle(self, signal: SignalCodec, raw: int) -> None:
        """Give a signal another value that asks for nothing than its start value in the database.

        Raises:
            CarError: it does not fit the signal's bits.
        """
        low = -(1 << (signal.length - 1)) if signal.is_signed else 0
        if not low <= raw <= low + signal.mask:
            raise CarError(f"idle {raw} does not fit the {signal.length} bits of signal {signal.name}")
        signal.idle_raw = raw & signal.mask
        self._idle.clear()

    def _idle_payload(self, selection: Mapping[str, int]) -> int:
        """The payload in which all signals are idle, as a little-endian integer."""
        key = tuple(selection.items())
        payload = self._idle.get(key)
        if payload is None:
            little = big = 0
            for name, signal in self.signals.items():
                if not self.present(signal, selection):
                    continue
                value = selection.get(name, signal.idle_raw)
                if signal.is_little_endian:
                    little |= value << signal.shift
                else:
                    big |= value << signal.shift
            payload = self._idle[key] = little | self._swap(big)
        return payload

    def _swap(self, payload: int) -> int:
        return int.from_bytes(payload.to_bytes(self._n_bytes, "big"), "little")

    def place(self, payload: int, signal: SignalCodec, bits: int) -> int:
        """Put a signal's bits into a payload held as a little-endian integer."""
        if signal.is_little_endian:
            return payload & ~(signal.mask << signal.shift) | bits << signal.shift
        return self._swap(self._swap(payload) & ~(signal.mask << signal.shift) | bits << signal.shift)

    def encode_bits(self, bits: Mapping[str, int]) -> bytes:
        """Raw bits by signal name to a payload; every other signal takes its idle (start) value.

        Signals of one multiplexed frame must share their multiplexers' values, which are set here.

        Raises:
            CarError: unknown signal, or signals of different multiplexer values.
        """
        selection = self._selection(bits) if self.multiplexers else {}
        payload = self._idle_payload(selection)
        for name, value in bits.items():
            payload = self.place(payload, self.signal(name), value)
        return payload.to_bytes(self._n_bytes, "little")

    def _selection(self, bits: Mapping[str, int]) -> dict[str, int]:
        """The multiplexer values under which a frame carries these signals."""
        chosen = {s.name: bits[s.name] for s in self.multiplexers if s.name in bits}
        for name in bits:
            for above, ids in self.ancestors(self.signal(name)):
                if chosen.setdefault(above.name, ids[0]) not in ids:
                    raise CarError(f"message {self.name} cannot carry {', '.join(bits)} in one frame")
        if not chosen:
            return {}
        for selection in self._selections:
            if chosen.items() <= selection.items():
                return selection
        shown = ", ".join(f"{name} {value}" for name, value in chosen.items())
        raise CarError(f"message {self.name} has no multiplexer value {shown}")

    def encode(self, values: Mapping[str, Physical]) -> bytes:
        """Physical values by signal name to a payload; see :meth:`encode_bits`."""
        return self.encode_bits({name: self.signal(name).bits(value) for name, value in values.items()})

    def signal(self, name: str) -> SignalCodec:
        """The signal of that name.

        Raises:
            CarError: the message has none.
        """
        try:
            return self.signals[name]
        except KeyError:
            raise CarError(f"message {self.name} has no signal {name!r}") from None

    def decode_bits(self, data: bytes) -> dict[str, int]:
        """Payload to raw bits by name, without signals of other multiplexer values.

        Raises:
            CarError: the payload is shorter than the message.
        """
        if len(data) < self._n_bytes:
            raise CarError(f"message {self.name} has {self._n_bytes} bytes, the frame {len(data)}")
        little = int.from_bytes(data[: self._n_bytes], "little")
        big = int.from_bytes(data[: self._n_bytes], "big")
        selection = {
            signal.name: (little if signal.is_little_endian else big) >> signal.shift & signal.mask
            for signal in self.multiplexers
        }
        return {
            name: (little if signal.is_little_endian else big) >> signal.shift & signal.mask
            for name, signal in self.signals.items()
            if not signal.multiplexer or self.present(signal, selection)
        }

    def decode(self, data: bytes) -> dict[str, Physical]:
        """Payload to physical values (or names) by signal name; raises as :meth:`decode_bits`."""
        return {name: self.signals[name].value(bits) for name, bits in self.decode_bits(data).items()}
