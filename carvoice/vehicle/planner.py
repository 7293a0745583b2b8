"""From what was meant to what the car should do: intents to actions on VSS paths.

Reads ``grammars/actions.yaml``, whose schema ``grammars/README.md`` describes. Relative requests ("warmer")
are resolved here against the car's present state, units are converted, zones become instances of VSS
branches, and the policy's companions ("defrost needs the fan") are added.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from carvoice.errors import CarError
from carvoice.records import Action, ActionKind, Interpretation, Value, Zone
from carvoice.vehicle.car import Car
from carvoice.vehicle.files import read_text
from carvoice.vehicle.gate import concerns
from carvoice.vehicle.policy import Policy
from carvoice.vehicle.state import CarState

FIELD = re.compile(r"\{(\w+)(?::(\w+))?\}")
_TALKER = "talker"


class Actions:
    """The table of ``actions.yaml``. Built by :meth:`load`."""

    def __init__(self, table: Mapping[str, Any], path: Path) -> None:
        self.path = path
        self.sizes: Mapping[str, float] = table.get("sizes", {})
        self.units: Mapping[str, Mapping[str, Any]] = table.get("units", {})
        self.tables: dict[str, Mapping[Value, Any]] = dict(table.get("tables", {}))
        self.signals: Mapping[str, Mapping[str, Any]] = table.get("signals", {})
        self.intents: Mapping[str, Mapping[str, Any]] = table["intents"]
        self.sides: Mapping[str, Mapping[str, str]] = table.get("sides", {})

    @classmethod
    def load(cls, path: Path | str) -> Actions:
        """Read the file.

        Raises:
            CarError: missing, not YAML, or without ``intents``.
        """
        path = Path(path)
        try:
            table = yaml.load(read_text(path, "actions file"), Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise CarError(f"{path}: {error}") from None
        if not isinstance(table, dict) or not isinstance(table.get("intents"), dict):
            raise CarError(f"{path}: there is no table of intents")
        return cls(table, path)

    def add_to_table(self, name: str, entries: Mapping[Value, Value]) -> None:
        """More entries of one of the ``tables`` (contacts, stations); what it has no table for is let be."""
        if name in self.tables:
            self.tables[name] = {**self.tables[name], **entries}

    def is_dialogue(self, intent: str) -> bool:
        """Whether the intent asks nothing of the car.

        Raises:
            CarError: no such intent.
        """
        return "dialogue" in self.intent(intent)

    def intent(self, name: str) -> Mapping[str, Any]:
        """The entry of an intent.

        Raises:
            CarError: no such intent.
        """
        try:
            entry: Mapping[str, Any] = self.intents[name]
        except KeyError:
            raise CarError(f"{self.path}: there is no intent {name!r}") from None
        return entry


class Planner:
    """Turns interpretations into actions.

    Args:
        car: the car.
        actions: what each intent does.
        policy: for its companions; None for none.
    """

    def __init__(self, car: Car, actions: Actions, policy: Policy | None = None) -> None:
        self._car = car
        self._actions = actions
        self._policy = policy

    def plan(
        self,
        interpretation: Interpretation,
        state: CarState,
        zone: Zone = Zone.UNKNOWN,
        source: str = "grammar",
    ) -> tuple[Action, ...]:
        """The actions an interpretation asks for, in order; () for intents of the dialogue.

        Args:
            interpretation: intent and slots.
            state: what the car last said, for relative requests.
            zone: where the talker sits.
            source: "grammar" or "llm".

        Raises:
            CarError: unknown intent, a slot missing or without meaning, a path this car does not have, or
                a relative request for something whose present value is not known.
        """
        entry = self._actions.intent(interpretation.intent)
        values: dict[str, Value] = {"zone": _TALKER, **entry.get("default", {}), **interpretation.values}
        if values["zone"] == _TALKER:
            values["zone"] = zone.value if zone is not Zone.UNKNOWN else Zone.DRIVER.value
        actions: list[Action] = []
        for step in entry.get("steps", ()):
            kind = ActionKind.GET if step["kind"] == "get" else ActionKind.SET
            for path in self._paths(step["path"], values):
                value = None if kind is ActionKind.GET else self._value(step, path, values, state)
                action = Action(kind, path, value, zone, source, interpretation.intent)
                actions += [*self._companions(action, state), action]
        return tuple(actions)

    def _paths(self, template: str, values: Mapping[str, Value]) -> list[str]:
        """Every path a template stands for with these slot values."""
        match = FIELD.search(template)
        if match is None:
            return [instance(self._car, self._actions, template)]
        slot, table = match.groups()
        value = self._slot(slot, values)
        entries = self._actions.tables.get(table or slot, {})
        if value not in entries:
            raise CarError(f"{slot} {value!r} has no entry in the table {table!r} for {template}")
        found = entries[value]
        paths: list[str] = []
        for entry in found if isinstance(found, list) else [found]:
            paths += self._paths(template.replace(match.group(0), str(entry), 1), values)
        return paths

    def _value(
        self, step: Mapping[str, Any], path: str, values: Mapping[str, Value], state: CarState
    ) -> Value:
        if step["kind"] == "adjust":
            return self._adjusted(step, path, values, state)
        value = self._fill(step["value"], values)
        if "map" in step:
            value = self._mapped(step["map"], value)
        if "unit" in step:
            value = self._converted(step["unit"], value, values, relative=False)
        return value

    def _adjusted(
        self, step: Mapping[str, Any], path: str, values: Mapping[str, Value], state: CarState
    ) -> Value:
        node = self._car.find(path)
        reading = state.get(path)
        if reading is None or isinstance(reading.value, str):
            raise CarError(f"the present value of {path} is not known, so it cannot be changed by an amount")
        direction = self._fill(step["direction"], values)
        if "map" in step:
            direction = self._mapped(step["map"], direction)
        if direction not in ("up", "down"):
            raise CarError(f"direction must be up or down, not {direction!r}")
        amount = self._amount(step, values)
        wanted = reading.value + (amount if direction == "up" else -amount)
        return node.cast(min(max(wanted, node.low), node.high))

    def _amount(self, step: Mapping[str, Any], values: Mapping[str, Value]) -> float:
        by = FIELD.fullmatch(str(step.get("by", "")))
        if by is not None and by.group(1) in values:
            amount = values[by.group(1)]
            if "unit" in step:
                amount = self._converted(step["unit"], amount, values, relative=True)
            return _number(amount)
        size = values.get("size")
        return _number(step["step"]) * self._actions.sizes.get(str(size), 1.0)

    def _converted(self, unit: str, value: Value, values: Mapping[str, Value], relative: bool) -> Value:
        """A spoken amount in the signal's unit; a unit that was not spoken is the signal's own."""
        field = FIELD.fullmatch(unit)
        name = values.get(field.group(1)) if field else unit
        if name is None:
            return value
        entry = self._actions.units.get(str(name))
        if entry is None:
            raise CarError(f"unknown unit {name!r}; known: {', '.join(self._actions.units)}")
        offset = 0.0 if relative else _number(entry.get("offset", 0.0))
        return _number(value) * _number(entry.get("scale", 1.0)) + offset

    def _fill(self, value: Value, values: Mapping[str, Value]) -> Value:
        field = FIELD.fullmatch(value) if isinstance(value, str) else None
        return self._slot(field.group(1), values) if field is not None else value

    def _slot(self, name: str, values: Mapping[str, Value]) -> Value:
        if name not in values:
            raise CarError(f"the slot {name!r} was not filled")
        return values[name]

    def _mapped(self, table: str | Mapping[Value, Value], value: Value) -> Value:
        entries = self._actions.tables.get(table, {}) if isinstance(table, str) else table
        if value not in entries:
            name = table if isinstance(table, str) else ", ".join(str(key) for key in entries)
            raise CarError(f"{value!r} means nothing here; known: {name}")
        mapped: Value = entries[value]
        return mapped

    def _companions(self, action: Action, state: CarState) -> Iterable[Action]:
        """What the policy says has to be set before the action."""
        if self._policy is None or action.kind is not ActionKind.SET:
            return
        for companion in self._policy.companions:
            if not companion.paths.match(action.path):
                continue
            if not concerns(companion.when, action, state, self._policy.max_age_s):
                continue
            reading = state.get(companion.path)
            now = reading.value if reading is not None else None
            if companion.value is not None:
                needed, wanted = now != companion.value, companion.value
            else:
                assert companion.at_least is not None
                wanted = companion.at_least
                needed = now is None or isinstance(now, str) or now < wanted
            if needed:
                yield Action(
                    ActionKind.SET, companion.path, wanted, action.zone, action.source, action.intent
                )


def instance(car: Car, actions: Actions, path: str) -> str:
    """The car's own path, where left and right may be the driver's and the passenger's side.

    Raises:
        CarError: the car has no such path.
    """
    if path in car.nodes:
        return path
    names = actions.sides.get(car.driver_position, {})
    for shorten in ("", "Side"):
        sides = {side: name.removesuffix(shorten) for side, name in names.items()}
        candidate = ".".join(sides.get(part, part) for part in path.split("."))
        if candidate in car.nodes:
            return candidate
    raise CarError(f"{car.path}: this car has no {path}")


def _number(value: Value) -> float:
    if isinstance(value, (bool, str)):
        raise CarError(f"{value!r} is not a number")
    return value
