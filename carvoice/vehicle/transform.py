"""Conversion between a VSS value and a DBC signal value, in the KUKSA CAN provider's form.

A transform is either a ``mapping`` (a list of ``{from, to}`` pairs) or a ``math`` expression in ``x``
with ``+ - * / % ^`` (power), parentheses and ``floor ceil round abs min max``. Without either the
value goes through unchanged, except that booleans become 0 and 1.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from carvoice.errors import CarError
from carvoice.records import Value

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "abs": abs,
    "min": min,
    "max": max,
}
_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Mod,
    ast.Pow,
    ast.USub,
    ast.UAdd,
)


def compile_math(expression: str) -> Callable[[float], float]:
    """Compile an arithmetic expression in ``x``.

    Raises:
        CarError: the expression does not parse or uses anything but arithmetic.
    """
    try:
        tree = ast.parse(expression.replace("^", "**"), mode="eval")
    except SyntaxError as error:
        raise CarError(f"cannot read the expression {expression!r}: {error.msg}") from None
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise CarError(f"{type(node).__name__} is not allowed in the expression {expression!r}")
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
            raise CarError(f"{node.value!r} is not a number in the expression {expression!r}")
        if isinstance(node, ast.Name) and node.id != "x" and node.id not in _FUNCTIONS:
            known = ", ".join(sorted(_FUNCTIONS))
            raise CarError(f"unknown name {node.id!r} in the expression {expression!r}; known: x, {known}")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id != "x"):
            raise CarError(f"only plain function calls are allowed in the expression {expression!r}")
    code = compile(tree, f"<{expression}>", "eval")
    names = {"__builtins__": {}, **_FUNCTIONS}

    def evaluate(x: float) -> float:
        result: float = eval(code, names, {"x": x})
        return result

    return evaluate


@dataclass(frozen=True, slots=True)
class Transform:
    """One direction of a conversion.

    Attributes:
        pairs: source value to target value; None when there is no mapping.
        math: the expression as written, "" if none.
        function: its compiled form.
    """

    pairs: Mapping[Value, Value] | None = None
    math: str = ""
    function: Callable[[float], float] | None = None

    @classmethod
    def parse(cls, table: object) -> Transform:
        """Read the ``transform`` table of a mapping file.

        Raises:
            CarError: neither ``mapping`` nor ``math``, or one of the wrong shape.
        """
        if table is None:
            return cls()
        if not isinstance(table, Mapping):
            raise CarError(f"transform must be a table with mapping or math, not {table!r}")
        unknown = set(table) - {"mapping", "math"}
        if unknown or len(table) != 1:
            raise CarError(
                f"transform needs exactly one of mapping, math; it has {sorted(table) or 'nothing'}"
            )
        if "math" in table:
            expression = str(table["math"])
            return cls(math=expression, function=compile_math(expression))
        return cls(pairs=_pairs(table["mapping"]))

    def apply(self, value: Value) -> Value | None:
        """Convert; None when the mapping has no entry for the value."""
        if self.pairs is not None:
            return self.pairs.get(value)
        if self.function is not None:
            if isinstance(value, str):
                return None
            return self.function(float(value))
        return value


def _pairs(entries: Any) -> dict[Value, Value]:
    if not isinstance(entries, list) or not entries:
        raise CarError("mapping must be a list of { from = ..., to = ... } entries")
    pairs: dict[Value, Value] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or set(entry) != {"from", "to"}:
            raise CarError(f"a mapping entry must be {{ from = ..., to = ... }}, not {entry!r}")
        if entry["from"] in pairs:
            raise CarError(f"mapping names {entry['from']!r} twice")
        pairs[entry["from"]] = entry["to"]
    return pairs
