"""Checks a car file against its database, its policy and the grammar's actions, before it drives.

What :meth:`Car.load` refuses outright comes back as the one problem; everything else is looked at as a
whole, so that an integrator gets one list to work through. An error is what contradicts itself or is
dangerous. What the grammar can ask for and this car lacks is a warning, one for each branch of the car: the
driver is told that the car doesn't have it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from pathlib import Path
from typing import Any

from carvoice.errors import CarError
from carvoice.records import Value
from carvoice.vehicle.car import Car
from carvoice.vehicle.node import Leg, Node
from carvoice.vehicle.planner import FIELD, Actions, instance
from carvoice.vehicle.policy import SELF, Policy

_UNITS = {
    "percent": {"%", "percent", ""},
    "celsius": {"degc", "°c", "c", "celsius", "deg c"},
    "degrees": {"deg", "degree", "degrees", "°"},
    "km/h": {"km/h", "kmh", "kph"},
    "l/100km": {"l/100km", "l/100 km"},
}
_BRANCH_DEPTH = 3  # Vehicle.Cabin.Seat


class Severity(Enum):
    """An ERROR has to be put right before the car is driven; a WARNING should be known."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a car file; ``str()`` of it is ``file:line: severity: message``."""

    severity: Severity
    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{where}: {self.severity.value}: {self.message}"


def check_car(path: Path | str, actions: Path | str | None = None) -> tuple[Problem, ...]:
    """Check a car file, its database and its policy, and that every intent can be carried out.

    Args:
        path: the car file.
        actions: ``actions.yaml`` of the grammar; None to leave the grammar out.

    Returns:
        The problems, by file and line.
    """
    path = Path(path)
    try:
        car = Car.load(path)
    except CarError as error:
        return (_refused(path, error),)
    problems = [*_nodes(car), *_shared_requests(car)]
    try:
        problems += _policy(car, Policy.load(car.rules_path, car))
    except CarError as error:
        problems.append(_refused(car.rules_path, error))
    if actions is not None:
        try:
            problems += _actions(car, Actions.load(actions))
        except CarError as error:
            problems.append(_refused(Path(actions), error))
    return tuple(sorted(problems, key=lambda p: (str(p.path), p.line)))


def _refused(path: Path, error: CarError) -> Problem:
    """What a loader refused, with the line it named."""
    where = re.match(rf"{re.escape(str(path))}:(\d+)?:? *", str(error))
    if where is None:
        return Problem(Severity.ERROR, path, 0, str(error))
    return Problem(Severity.ERROR, path, int(where.group(1) or 0), str(error)[where.end() :])


def _nodes(car: Car) -> Iterator[Problem]:
    for node in car.nodes.values():
        for severity, message in _node(node):
            yield Problem(severity, car.path, node.line, f"{node.path}: {message}")


def _values(node: Node) -> tuple[Value, ...]:
    """The values at which a mapping shows what it is worth: all of them, or both ends."""
    if node.allowed:
        return node.allowed
    if node.datatype == "boolean":
        return (False, True)
    ends = (node.minimum, node.maximum)
    return tuple(end for end in ends if end is not None)


def _node(node: Node) -> Iterator[tuple[Severity, str]]:
    if node.is_numeric and (node.minimum is None or node.maximum is None):
        yield Severity.WARNING, "has no min and max: every value of its datatype may be asked for"
    if node.write is not None:
        yield from _request(node, node.write)
    elif node.kind == "actuator":
        yield Severity.ERROR, "is an actuator without vss2dbc: it cannot be set"
    if node.read is None:
        yield Severity.WARNING, "has no dbc2vss: nothing can be confirmed, and nothing relative be asked for"
        return
    if node.read.message.cycle_time_s is None:
        yield (
            Severity.WARNING,
            f"{node.read.message.name} has no cycle time: its value may be old",
        )
    yield from _unit(node, node.read)
    if node.write is not None and (node.allowed or node.datatype == "boolean"):
        signal = node.read.signal
        shown = {node.from_bits(bits) for bits in range(1 << min(signal.length, 12))}
        for value in _values(node):
            if value not in shown:
                yield Severity.ERROR, f"dbc2vss: {signal.name} never shows {value!r}"


def _request(node: Node, leg: Leg) -> Iterator[tuple[Severity, str]]:
    yield from _unit(node, leg)
    codes: dict[int, Value] = {}
    for value in _values(node):
        try:
            bits = node.to_bits(value)
        except CarError as error:
            yield Severity.ERROR, f"vss2dbc: {value!r} cannot be sent: {error}"
            continue
        if bits in codes:
            yield Severity.ERROR, f"vss2dbc: {value!r} and {codes[bits]!r} are both sent as {bits}"
        codes[bits] = value
    idle = leg.signal.idle_raw
    in_range = not leg.signal.is_float and _means_something(node, leg, idle)
    if in_range and len(leg.message.signals) > 1:
        yield (
            Severity.ERROR,
            f"vss2dbc: the start value {idle} of {leg.signal.name} is a request too: every frame "
            f"{leg.message.name} sent for another signal asks for it. Say idle = N, what means no request",
        )


def _means_something(node: Node, leg: Leg, bits: int) -> bool:
    value = leg.signal.value(bits)
    if leg.transform.pairs is not None:
        return value in leg.transform.pairs.values()
    if isinstance(value, str):
        return value in node.allowed or (node.datatype == "boolean" and leg.signal.labels[value] in (0, 1))
    low, high = leg.signal.minimum, leg.signal.maximum
    return (low is None or value >= low) and (high is None or value <= high)


def _unit(node: Node, leg: Leg) -> Iterator[tuple[Severity, str]]:
    unit = leg.signal.unit.lower()
    if not node.unit or not unit or leg.transform.function is not None:
        return
    if unit not in _UNITS.get(node.unit, {node.unit.lower()}):
        yield (
            Severity.WARNING,
            f"is in {node.unit}, {leg.signal.name} in {leg.signal.unit}, and no transform.math converts",
        )


def _shared_requests(car: Car) -> Iterator[Problem]:
    seen: dict[tuple[str, str], Node] = {}
    for node in car.nodes.values():
        if node.write is None:
            continue
        key = (node.write.message.name, node.write.signal.name)
        if key in seen:
            message = f"{node.path}: {key[1]} is already the request signal of {seen[key].path}"
            yield Problem(Severity.ERROR, car.path, node.line, message)
        seen[key] = node


def _policy(car: Car, policy: Policy) -> Iterator[Problem]:
    if not policy.allow:
        yield Problem(
            Severity.WARNING, policy.path, 0, "there is no [[allow]]: nothing may be asked of the car"
        )
    for node in car.nodes.values() if policy.allow else ():
        if node.write is not None and not any(entry.paths.match(node.path) for entry in policy.allow):
            yield Problem(
                Severity.WARNING, car.path, node.line, f"{node.path}: no [[allow]] of the policy names it"
            )
    for rule in policy.rules:
        for condition in rule.require:
            if condition.feature:
                if condition.feature not in car.features:
                    message = (
                        f"{rule.id}: the car declares no feature {condition.feature!r}, so it never holds"
                    )
                    yield Problem(Severity.WARNING, policy.path, policy.lines[rule.id], message)
                continue
            paths = [condition.path]
            if condition.path == SELF:
                paths = [p for p, n in car.nodes.items() if n.write is not None and rule.paths.match(p)]
            for path in paths:
                yield from _freshness(car, policy, rule.id, path, condition.max_age_s)


def _freshness(car: Car, policy: Policy, rule: str, path: str, max_age_s: float) -> Iterator[Problem]:
    read = car.nodes[path].read
    line = policy.lines[rule]
    if read is None:
        yield Problem(
            Severity.ERROR, policy.path, line, f"{rule}: the car never tells {path}, so it never holds"
        )
    elif read.message.cycle_time_s is not None and read.message.cycle_time_s > max_age_s:
        message = (
            f"{rule}: {read.message.name} comes every {read.message.cycle_time_s:g} s, which is older than "
            f"max_age_s = {max_age_s:g}: {path} is unknown most of the time"
        )
        yield Problem(Severity.ERROR, policy.path, line, message)


def _actions(car: Car, actions: Actions) -> Iterator[Problem]:
    """What the grammar can ask for and the car cannot do, a warning for each branch of the car."""
    gaps: dict[str, _Gaps] = {}
    for intent, entry in actions.intents.items():
        for step in entry.get("steps", ()):
            paths = tuple(_paths(actions, step["path"]))
            found = {path: tuple(_step(car, actions, step, path)) for path in paths}
            reasons = [reason for each in found.values() for reason in each]
            if reasons:
                branch = ".".join(paths[0].split(".")[:-1][:_BRANCH_DEPTH])
                gap = gaps.setdefault(branch, _Gaps())
                (gap.never if all(found.values()) else gap.partly)[intent] = None
                gap.reasons.update(dict.fromkeys(reasons))
    for branch, gap in gaps.items():
        yield Problem(Severity.WARNING, car.path, 0, f"{branch}: {gap.told(branch, car)}")


@dataclass(frozen=True, slots=True)
class _Gaps:
    """What cannot be carried out about one branch, in the grammar's order (dictionaries as sets)."""

    never: dict[str, None] = field(default_factory=dict)
    partly: dict[str, None] = field(default_factory=dict)
    reasons: dict[str, None] = field(default_factory=dict)

    def told(self, branch: str, car: Car) -> str:
        if not any(path.startswith(f"{branch}.") for path in car.nodes):
            return f"the car has none of it: cannot be carried out: {_few(self.never, 4, ', ')}"
        parts = [f"cannot be carried out: {', '.join(self.never)}"] if self.never else []
        parts += [f"not for every seat and value: {', '.join(self.partly)}"] if self.partly else []
        return f"{'; '.join(parts)} ({_few(self.reasons, 2, '; ')})"


def _few(items: Collection[str], n: int, between: str) -> str:
    more = len(items) - n
    return between.join(list(items)[:n]) + (f"{between}and {more} more" if more > 0 else "")


def _paths(actions: Actions, template: str) -> Iterator[str]:
    fields = list(FIELD.finditer(template))
    choices = []
    for match in fields:
        slot, table = match.groups()
        entries = actions.tables.get(table or slot, {}).values()
        choices.append(dict.fromkeys(i for e in entries for i in (e if isinstance(e, list) else [e])))
    for chosen in product(*choices):
        path = template
        for match, value in zip(fields, chosen, strict=True):
            path = path.replace(match.group(0), str(value), 1)
        yield path


def _step(car: Car, actions: Actions, step: Any, path: str) -> Iterator[str]:
    try:
        node = car.nodes[instance(car, actions, path)]
    except CarError:
        yield f"this car has no {path}"
        return
    if step["kind"] == "get" or step["kind"] == "adjust":
        if node.read is None:
            yield f"{node.path} is not told by this car"
        if step["kind"] == "get":
            return
    if node.write is None:
        yield f"{node.path} cannot be set in this car"
        return
    if step["kind"] == "set":
        for value in _constants(actions, step):
            try:
                node.to_bits(value)
            except CarError as error:
                yield str(error)


def _constants(actions: Actions, step: Any) -> Iterator[Value]:
    """The values a step may send that do not depend on a number spoken."""
    mapping = step.get("map")
    if isinstance(mapping, str):
        mapping = actions.tables.get(mapping, {})
    if mapping is not None:
        yield from mapping.values()
    elif not FIELD.fullmatch(str(step["value"])):
        yield step["value"]
