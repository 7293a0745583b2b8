"""The policy file: what may be asked of the car, as data.

Four kinds of entries, tried in this order; whatever no ``[[allow]]`` names is denied::

    [[allow]]    paths, sources, zones              who may ask for what at all
    [[rule]]     paths, when, require, effect       what must hold for it; effect deny, confirm or warn
    [[rate]]     paths, max, per_s                  how often
    [[companion]] paths, when, set                  what has to be set along with it

Every entry has an ``id``; rules and rates have a ``reason`` the driver can hear. A path pattern is a VSS
path in which ``*`` stands for one branch and ``**`` for any number of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carvoice.errors import CarError
from carvoice.records import Decision, Value, Zone
from carvoice.vehicle.car import Car
from carvoice.vehicle.files import line_of, parse_toml, read_text

SELF = "$self"  # in a condition: the path of the action itself
SOURCES = ("grammar", "llm", "service")
_EFFECTS = {"deny": Decision.DENY, "confirm": Decision.CONFIRM, "warn": Decision.ALLOW}


@dataclass(frozen=True, slots=True)
class Paths:
    """A set of VSS path patterns."""

    patterns: tuple[str, ...]
    expression: re.Pattern[str]

    @classmethod
    def parse(cls, patterns: Any, car: Car) -> Paths:
        """Read a list of patterns.

        Raises:
            CarError: not a list of strings, or one that matches nothing in this car.
        """
        if not isinstance(patterns, list) or not patterns or not all(isinstance(p, str) for p in patterns):
            raise CarError(f"paths must be a list of VSS path patterns, not {patterns!r}")
        for pattern in patterns:
            single = re.compile(_regex(pattern))
            if not any(single.fullmatch(path) for path in car.nodes):
                raise CarError(f"no path of the car matches {pattern!r}")
        return cls.of(patterns)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Paths:
        """A set of patterns, whatever the car has."""
        patterns = tuple(patterns)
        return cls(patterns, re.compile("|".join(_regex(p) for p in patterns)))

    def match(self, path: str) -> bool:
        """Whether the path is in the set."""
        return self.expression.fullmatch(path) is not None


def _regex(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    return "".join({"**": r".+", "*": r"[^.]+"}.get(part, re.escape(part)) for part in parts)


@dataclass(frozen=True, slots=True)
class Range:
    """A test on a value: bounds, or a list of what it may be. Empty, it holds for every value."""

    minimum: float | None = None
    maximum: float | None = None
    values: tuple[Value, ...] = ()

    def holds(self, value: Value) -> bool:
        """Whether the value passes."""
        if self.values and value not in self.values:
            return False
        if self.minimum is None and self.maximum is None:
            return True
        if isinstance(value, str):
            return False
        above = self.minimum is None or value >= self.minimum
        return above and (self.maximum is None or value <= self.maximum)


ANY = Range()


@dataclass(frozen=True, slots=True)
class When:
    """Which actions a rule is about, beyond their path.

    Attributes:
        value: test on the wanted value.
        falling: only if the value is to become smaller than it is, or what it is now is not known.
        zones: only for talkers of these zones; () for all.
        sources: only for these sources; () for all.
    """

    value: Range = Range()
    falling: bool = False
    zones: tuple[Zone, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold: a fresh reading within a range, or a feature the car declares.

    Attributes:
        path: VSS path, or ``$self``; "" when a feature is asked for.
        range: test on the reading.
        max_age_s: older readings count as unknown, and what is unknown does not hold.
        feature: name of a feature in the car file.
    """

    path: str = ""
    range: Range = Range()
    max_age_s: float = 0.0
    feature: str = ""


@dataclass(frozen=True, slots=True)
class Allow:
    """An entry of the allow-list."""

    id: str
    paths: Paths
    zones: tuple[Zone, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """If it applies and a condition does not hold, its effect is the verdict; so it is without conditions.

    ``effect`` is DENY, CONFIRM (the driver has to say yes) or ALLOW (a warning: done, and the reason said).
    """

    id: str
    paths: Paths
    when: When
    require: tuple[Condition, ...]
    effect: Decision
    reason: str


@dataclass(frozen=True, slots=True)
class Rate:
    """No more than ``max`` sendings to the paths within ``per_s`` seconds."""

    id: str
    paths: Paths
    max: int
    per_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Companion:
    """What has to be set before an action: ``at_least`` raises a smaller present value, ``value`` sets."""

    id: str
    paths: Paths
    when: When
    path: str
    value: Value | None
    at_least: float | None


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file, read. Built by :meth:`load`.

    ``denied`` is said of what no entry allows, ``unknown`` in place of a rule's reason that speaks of
    something the car has not told.
    """

    path: Path
    allow: tuple[Allow, ...]
    rules: tuple[Rule, ...]
    rates: tuple[Rate, ...]
    companions: tuple[Companion, ...]
    max_age_s: float
    denied: str
    unknown: str
    lines: Mapping[str, int]

    @classmethod
    def load(cls, path: Path | str, car: Car) -> Policy:
        """Read a policy file for a car.

        Raises:
            CarError: it is missing, does not parse, or an entry means nothing; with file and line.
        """
        return _Reader(Path(path), car).policy()


class _Reader:
    def __init__(self, path: Path, car: Car) -> None:
        self._path = path
        self._car = car
        self._text = read_text(path, "policy file")
        self._table = parse_toml(path, self._text)
        self._lines: dict[str, int] = {}
        defaults = self._table.get("defaults", {})
        self._max_age_s = float(defaults.get("max_age_s", 1.0))
        self._denied = str(defaults.get("denied", "I'm not allowed to do that."))
        self._unknown = str(defaults.get("unknown", "The car doesn't tell me what I need to know for that."))

    def policy(self) -> Policy:
        unknown = set(self._table) - {"defaults", "allow", "rule", "rate", "companion"}
        if unknown:
            raise CarError(f"{self._path}: unknown table {', '.join(sorted(unknown))}")
        return Policy(
            path=self._path,
            allow=self._entries("allow", self._allow),
            rules=self._entries("rule", self._rule),
            rates=self._entries("rate", self._rate),
            companions=self._entries("companion", self._companion),
            max_age_s=self._max_age_s,
            denied=self._denied,
            unknown=self._unknown,
            lines=self._lines,
        )

    def _entries(self, key: str, read: Any) -> Any:
        entries = []
        for table in self._table.get(key, []):
            name = table.get("id") if isinstance(table, dict) else None
            if not isinstance(name, str) or not name:
                raise CarError(f"{self._path}: every [[{key}]] needs an id; this one has none: {table!r}")
            line = line_of(self._text, f'id = "{name}"')
            if name in self._lines:
                raise CarError(f"{self._path}:{line}: id {name!r} is used twice")
            self._lines[name] = line
            try:
                entries.append(read(table))
            except (TypeError, ValueError) as error:  # CarError is a ValueError; the others are wrong types
                raise CarError(f"{self._path}:{line}: {name}: {error}") from None
        return tuple(entries)

    def _allow(self, table: dict[str, Any]) -> Allow:
        _known(table, {"id", "paths", "zones", "sources"})
        return Allow(table["id"], self._paths(table), _zones(table), _sources(table))

    def _rule(self, table: dict[str, Any]) -> Rule:
        _known(table, {"id", "paths", "when", "require", "effect", "reason"})
        effect = table.get("effect", "deny")
        if effect not in _EFFECTS:
            raise CarError(f"effect must be one of {', '.join(_EFFECTS)}, not {effect!r}")
        if not table.get("reason"):
            raise CarError("needs a reason that can be spoken")
        require = tuple(self._condition(c) for c in table.get("require", []))
        return Rule(
            table["id"],
            self._paths(table),
            self._when(table),
            require,
            _EFFECTS[effect],
            str(table["reason"]),
        )

    def _rate(self, table: dict[str, Any]) -> Rate:
        _known(table, {"id", "paths", "max", "per_s", "reason"})
        if not (isinstance(table.get("max"), int) and table["max"] > 0 and table.get("per_s", 0) > 0):
            raise CarError("needs max (a whole number) and per_s, both above 0")
        return Rate(
            table["id"],
            self._paths(table),
            table["max"],
            float(table["per_s"]),
            str(table.get("reason", self._denied)),
        )

    def _companion(self, table: dict[str, Any]) -> Companion:
        _known(table, {"id", "paths", "when", "set"})
        wanted = table.get("set")
        if not isinstance(wanted, dict) or len(set(wanted) & {"value", "at_least"}) != 1:
            raise CarError("needs set = { path = ..., value = ... } or { path = ..., at_least = ... }")
        path = wanted.get("path", "")
        self._car.find(path).cast(wanted["value"] if "value" in wanted else wanted["at_least"])
        return Companion(
            table["id"],
            self._paths(table),
            self._when(table),
            path,
            wanted.get("value"),
            wanted.get("at_least"),
        )

    def _paths(self, table: dict[str, Any]) -> Paths:
        return Paths.parse(table.get("paths"), self._car)

    def _when(self, table: dict[str, Any]) -> When:
        when = table.get("when", {})
        _known(when, {"min", "max", "in", "falling", "zones", "sources"})
        return When(_range(when), bool(when.get("falling", False)), _zones(when), _sources(when))

    def _condition(self, table: dict[str, Any]) -> Condition:
        _known(table, {"path", "min", "max", "in", "max_age_s", "feature"})
        if "feature" in table:
            return Condition(feature=str(table["feature"]))
        path = table.get("path", "")
        if path != SELF:
            self._car.find(path)
        return Condition(path, _range(table), float(table.get("max_age_s", self._max_age_s)))


def _known(table: Mapping[str, Any], keys: set[str]) -> None:
    unknown = set(table) - keys
    if unknown:
        raise CarError(f"unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(keys))}")


def _range(table: Mapping[str, Any]) -> Range:
    return Range(table.get("min"), table.get("max"), tuple(table.get("in", ())))


def _zones(table: Mapping[str, Any]) -> tuple[Zone, ...]:
    try:
        return tuple(Zone(z) for z in table.get("zones", ()))
    except ValueError as error:
        raise CarError(f"{error}; zones are {', '.join(z.value for z in Zone)}") from None


def _sources(table: Mapping[str, Any]) -> tuple[str, ...]:
    sources = tuple(table.get("sources", ()))
    if not set(sources) <= set(SOURCES):
        raise CarError(f"sources are {', '.join(SOURCES)}, not {sources}")
    return sources
