"""Scripted drives: what the simulated car does by itself, and what breaks when.

A scenario file is TOML::

    name = "motorway"
    [start]                              # values at the beginning, by VSS path
    "Vehicle.Speed" = 0.0
    [[at]]
    time_s = 2.0
    ramp_s = 10.0                        # numbers get there over this time
    set = { "Vehicle.Speed" = 120.0 }
    [[at]]
    time_s = 30.0
    fault = { kind = "silent", target = "DCM_WindowStat" }
    [[at]]
    time_s = 40.0
    clear = { kind = "silent", target = "DCM_WindowStat" }
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from carvoice.errors import CarError
from carvoice.records import Value
from carvoice.vehicle.car import Car
from carvoice.vehicle.files import line_of, parse_toml, read_text


class FaultKind(Enum):
    """What can break in an ECU."""

    SILENT = "silent"  # the message is no longer sent
    STUCK = "stuck"  # the actuator of this VSS path does not move, its status goes on
    CONTRADICT = "contradict"  # the actuator goes back to what it was as soon as it is asked
    BAD_CRC = "bad_crc"  # the message's checksum is wrong
    STALE = "stale"  # the message's alive counter stands still
    JUMP = "jump"  # the message's alive counter jumps
    LATE = "late"  # the actuator of this VSS path waits a little before it moves
    DEAF = "deaf"  # the request message is not heard


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and the message name or VSS path it befalls."""

    kind: FaultKind
    target: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at a time after the start."""

    time_s: float
    values: Mapping[str, Value] = field(default_factory=dict)
    ramp_s: float = 0.0
    fault: Fault | None = None
    clear: Fault | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scripted drive."""

    name: str = "parked"
    start: Mapping[str, Value] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @classmethod
    def load(cls, path: Path | str, car: Car) -> Scenario:
        """Read a scenario file.

        Raises:
            CarError: it is missing, does not parse, or names a path, value, message or fault there is not.
        """
        path = Path(path)
        text = read_text(path, "scenario file")
        table = parse_toml(path, text)
        unknown = set(table) - {"name", "start", "at"}
        if unknown:
            raise CarError(f"{path}: unknown key {', '.join(sorted(unknown))}; known: at, name, start")
        try:
            start = {vss: car.find(vss).cast(value) for vss, value in table.get("start", {}).items()}
        except CarError as error:
            raise CarError(f"{path}:{line_of(text, '[start]')}: {error}") from None
        events = []
        for index, entry in enumerate(table.get("at", []), 1):
            try:
                events.append(_event(entry, car))
            except (CarError, ValueError) as error:
                raise CarError(f"{path}: [[at]] number {index}: {error}") from None
        return cls(str(table.get("name", path.stem)), start, tuple(sorted(events, key=lambda e: e.time_s)))


def _event(entry: Mapping[str, Any], car: Car) -> Event:
    unknown = set(entry) - {"time_s", "ramp_s", "set", "fault", "clear"}
    if unknown or "time_s" not in entry:
        raise CarError(
            f"needs time_s and set, fault or clear; unknown: {', '.join(sorted(unknown)) or 'nothing'}"
        )
    values = {vss: car.find(vss).cast(value) for vss, value in entry.get("set", {}).items()}
    return Event(
        float(entry["time_s"]),
        values,
        float(entry.get("ramp_s", 0.0)),
        _fault(entry.get("fault"), car),
        _fault(entry.get("clear"), car),
    )


def _fault(table: Mapping[str, str] | None, car: Car) -> Fault | None:
    if table is None:
        return None
    fault = Fault(FaultKind(table.get("kind", "")), table.get("target", ""))
    if fault.target not in car.messages and fault.target not in car.nodes:
        raise CarError(f"fault {fault.kind.value}: the car has no message or path {fault.target!r}")
    return fault
