"""The car's description: which VSS path is which DBC signal, both ways.

A car file is TOML. ``[car]`` names the database, the rules and our node in it; every other table is a
VSS leaf with what the Vehicle Signal Specification says of it (``type``, ``datatype``, ``unit``,
``min``, ``max``, ``allowed``) and, in the KUKSA CAN provider's form, ``dbc2vss`` (where its actual value
is read) and ``vss2dbc`` (where its wanted value is written)::

    [car]
    name = "demo"
    dbc = "demo.dbc"
    rules = "rules.toml"
    node = "HU"
    driver_position = "LEFT"

    ["Vehicle.Body.Trunk.Rear.IsOpen"]
    type = "actuator"
    datatype = "boolean"
    settle_s = 3.0
    dbc2vss = { signal = "BCM_TrunkOpen" }
    vss2dbc = { signal = "HU_TrunkOpenReq" }

``idle`` in a ``vss2dbc`` is the raw number of the signal that asks for nothing, where the database has no
such start value; ``interval_ms`` has the request said again at that interval until the car answers, for ECUs
that want it held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carvoice.errors import CarError
from carvoice.vehicle.codec import MessageCodec
from carvoice.vehicle.e2e import Protection
from carvoice.vehicle.files import line_of, load_database, parse_toml, read_text
from carvoice.vehicle.node import INTEGERS, Leg, Node
from carvoice.vehicle.transform import Transform

_DATATYPES = ("boolean", "string", "float", "double", *INTEGERS)
_TYPES = ("actuator", "sensor", "attribute")
_CAR_KEYS = {"name", "dbc", "rules", "node", "driver_position", "features"}
_DRIVER_POSITIONS = ("LEFT", "RIGHT")
_NODE_KEYS = {
    "type",
    "datatype",
    "unit",
    "min",
    "max",
    "allowed",
    "description",
    "settle_s",
    "tolerance",
    "momentary",
    "dbc2vss",
    "vss2dbc",
}
_LEG_KEYS = {"signal", "message", "transform", "interval_ms", "on_change", "idle"}


@dataclass(frozen=True, slots=True)
class Car:
    """A car as carvoice knows it. Built by :meth:`load`.

    Attributes:
        name: for people.
        path: the car file.
        node: our node's name in the database.
        driver_position: where the driver sits, "LEFT" or "RIGHT" (VSS ``Vehicle.Cabin.DriverPosition``).
        features: facts the rules may ask for (``window_auto_reverse``).
        nodes: VSS path to node.
        messages: DBC messages by name.
        protection: end-to-end protection by message name.
        rules_path: the policy file.
    """

    name: str
    path: Path
    node: str
    features: Mapping[str, bool]
    nodes: Mapping[str, Node]
    messages: Mapping[str, MessageCodec]
    rules_path: Path
    driver_position: str = "LEFT"
    protection: Mapping[str, Protection] = field(default_factory=dict)
    by_key: Mapping[tuple[int, bool], MessageCodec] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str) -> Car:
        """Read a car file with the database it names.

        Raises:
            CarError: a file is missing or unreadable, the database lacks a mapped signal, or a table
                is wrong; the message names file and line.
        """
        return _Loader(Path(path)).car()

    def find(self, path: str) -> Node:
        """The node of a VSS path.

        Raises:
            CarError: this car has none.
        """
        try:
            return self.nodes[path]
        except KeyError:
            raise CarError(f"{self.path}: this car has no {path}") from None


class _Loader:
    """Reads one car file, remembering where everything stands for the error messages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = read_text(path, "car file")
        self._table = parse_toml(path, self._text)

    def _fail(self, message: str, *needles: str) -> CarError:
        line = line_of(self._text, *needles)
        return CarError(f"{self._path}:{line}: {message}" if line else f"{self._path}: {message}")

    def car(self) -> Car:
        head = self._table.get("car")
        if not isinstance(head, dict):
            raise self._fail("there is no [car] table with name, dbc, rules and node")
        missing = {"dbc", "rules", "node"} - set(head)
        unknown = set(head) - _CAR_KEYS
        if missing or unknown:
            raise self._fail(
                "[car] lacks " + ", ".join(sorted(missing))
                if missing
                else f"[car] has unknown {sorted(unknown)}",
                "[car]",
            )
        position = head.get("driver_position", "LEFT")
        if position not in _DRIVER_POSITIONS:
            wanted = " or ".join(_DRIVER_POSITIONS)
            raise self._fail(f"driver_position must be {wanted}, not {position!r}", "driver_position")
        messages = self._messages(head["dbc"])
        if not any(head["node"] in m.senders for m in messages.values()):
            raise self._fail(f"no message of {head['dbc']} is sent by node {head['node']!r}", "node")
        signals: dict[str, list[MessageCodec]] = {}
        for message in messages.values():
            for name in message.signals:
                signals.setdefault(name, []).append(message)
        nodes: dict[str, Node] = {}
        for vss, table in self._table.items():
            if vss in ("car", "e2e"):
                continue
            try:
                nodes[vss] = self._node(vss, table, messages, signals, head["node"])
            except CarError as error:
                raise self._fail(f"{vss}: {error}", f'["{vss}"]', f"[{vss}]") from None
        return Car(
            name=str(head.get("name", self._path.stem)),
            path=self._path,
            node=head["node"],
            features=dict(head.get("features", {})),
            nodes=nodes,
            messages=messages,
            rules_path=self._path.parent / head["rules"],
            driver_position=position,
            protection=self._protection(messages),
            by_key={m.key: m for m in messages.values()},
        )

    def _messages(self, names: str | list[str]) -> dict[str, MessageCodec]:
        messages: dict[str, MessageCodec] = {}
        for name in [names] if isinstance(names, str) else names:
            for message in load_database(self._path.parent / name).messages:
                if not message.is_container:
                    messages[message.name] = MessageCodec(message)
        return messages

    def _protection(self, messages: Mapping[str, MessageCodec]) -> dict[str, Protection]:
        tables = self._table.get("e2e", {})
        result: dict[str, Protection] = {}
        for name, table in tables.items():
            if name not in messages:
                raise self._fail(f"[e2e.{name}]: the database has no message {name}", f"[e2e.{name}]")
            try:
                result[name] = Protection.parse(table, messages[name].length)
            except CarError as error:
                raise self._fail(f"[e2e.{name}]: {error}", f"[e2e.{name}]") from None
        return result

    def _node(
        self,
        vss: str,
        table: Any,
        messages: Mapping[str, MessageCodec],
        signals: Mapping[str, list[MessageCodec]],
        node: str,
    ) -> Node:
        if not isinstance(table, dict):
            raise CarError(f"must be a table, not {table!r}")
        if "type" not in table and "datatype" not in table:
            raise CarError('a VSS table needs type and datatype; quote the path: ["Vehicle.Speed"]')
        unknown = set(table) - _NODE_KEYS
        if unknown:
            raise CarError(
                f"unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(_NODE_KEYS))}"
            )
        kind, datatype = table.get("type"), table.get("datatype")
        if kind not in _TYPES:
            raise CarError(f"type must be one of {', '.join(_TYPES)}, not {kind!r}")
        if datatype not in _DATATYPES:
            raise CarError(f"datatype must be one of {', '.join(_DATATYPES)}, not {datatype!r}")
        if kind != "actuator" and "vss2dbc" in table:
            raise CarError(f"only an actuator can be set, this is a {kind}: remove vss2dbc or change type")

        def leg(key: str) -> Leg | None:
            try:
                return _leg(table[key], messages, signals) if key in table else None
            except CarError as error:
                raise CarError(f"{key}: {error}") from None

        write = leg("vss2dbc")
        if write is not None and node not in write.message.senders:
            senders = ", ".join(write.message.senders)
            raise CarError(f"vss2dbc: message {write.message.name} is sent by {senders}, not by {node}")
        if write is not None and "idle" in table["vss2dbc"]:
            idle = table["vss2dbc"]["idle"]
            if not isinstance(idle, int):
                raise CarError(f"vss2dbc: idle must be the raw number that asks for nothing, not {idle!r}")
            write.message.set_idle(write.signal, idle)
        result = Node(
            path=vss,
            kind=kind,
            datatype=datatype,
            unit=str(table.get("unit", "")),
            minimum=table.get("min"),
            maximum=table.get("max"),
            allowed=tuple(table.get("allowed", ())),
            read=leg("dbc2vss"),
            write=write,
            settle_s=float(table.get("settle_s", 0.0)),
            tolerance=float(table.get("tolerance", 0.0)),
            momentary=bool(table.get("momentary", False)),
            line=line_of(self._text, f'["{vss}"]', f"[{vss}]"),
        )
        if result.read is None and result.write is None:
            raise CarError("has neither dbc2vss nor vss2dbc")
        return result


def _leg(table: Any, messages: Mapping[str, MessageCodec], signals: Mapping[str, list[MessageCodec]]) -> Leg:
    if not isinstance(table, dict) or "signal" not in table:
        raise CarError('needs a table like { signal = "NAME" }')
    unknown = set(table) - _LEG_KEYS
    if unknown:
        raise CarError(f"unknown key {', '.join(sorted(unknown))}; known: {', '.join(sorted(_LEG_KEYS))}")
    name = table["signal"]
    holders = signals.get(name, [])
    if "message" in table:
        if table["message"] not in messages:
            raise CarError(f"the database has no message {table['message']!r}")
        holders = [m for m in holders if m.name == table["message"]]
    if not holders:
        raise CarError(f"the database has no signal {name!r}{_hint(name, signals)}")
    if len(holders) > 1:
        names = ", ".join(m.name for m in holders)
        raise CarError(f"signal {name!r} is in several messages ({names}): add message = ...")
    interval_ms = table.get("interval_ms", 0)
    if not isinstance(interval_ms, (int, float)) or interval_ms < 0:
        raise CarError(f"interval_ms must be a number of milliseconds, not {interval_ms!r}")
    transform = Transform.parse(table.get("transform"))
    return Leg(holders[0], holders[0].signals[name], transform, interval_ms / 1e3)


def _hint(name: str, signals: Mapping[str, Any]) -> str:
    from rapidfuzz import process

    best = process.extractOne(name, list(signals), score_cutoff=70)
    return f"; did you mean {best[0]!r}?" if best else ""
