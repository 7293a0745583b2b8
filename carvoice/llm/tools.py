"""Intents of the grammar as tools for a model, and what it calls as interpretations for the gate.

A model's call is a wish: it becomes an :class:`~carvoice.records.Interpretation` with ``source="llm"`` and
walks the same way as a spoken command, through planner and gate, and is always confirmed by the driver.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from carvoice.errors import AnswerError
from carvoice.llm.answer import IntentTool
from carvoice.records import Interpretation, Slot, Value


def call_schema(tools: Sequence[IntentTool]) -> dict[str, Any]:
    """JSON schema of one call, ``{"name": ..., "arguments": {...}}``; constrains a local model's sampling."""
    return {
        "oneOf": [
            {
                "type": "object",
                "properties": {"name": {"const": tool.name}, "arguments": dict(tool.parameters)},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for tool in tools
        ]
    }


def openai_tools(tools: Sequence[IntentTool]) -> list[dict[str, Any]]:
    """The tools in the form of OpenAI's chat API."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]


def proposal(name: str, arguments: str | Mapping[str, Any], tools: Sequence[IntentTool]) -> Interpretation:
    """Turn a model's call into an interpretation, provided it is one of ``tools`` and fits its schema.

    Raises:
        AnswerError: unknown intent, arguments that are no JSON object, or a slot that does not fit.
    """
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        raise AnswerError(f"the model called {name!r}, which is not among the {len(tools)} tools offered")
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError as error:
            raise AnswerError(f"the model called {name} with arguments that are not JSON: {error}") from error
    if not isinstance(arguments, Mapping):
        raise AnswerError(f"the model called {name} with {type(arguments).__name__}, not an object")
    properties: Mapping[str, Mapping[str, Any]] = tool.parameters.get("properties", {})
    for slot in tool.parameters.get("required", ()):
        if slot not in arguments:
            raise AnswerError(f"the model called {name} without the slot {slot!r}")
    slots: dict[str, Slot] = {}
    for slot, value in arguments.items():
        if slot not in properties:
            raise AnswerError(f"the model called {name} with an unknown slot {slot!r}")
        slots[slot] = Slot(_fitting(value, properties[slot], f"{name}.{slot}"), str(value))
    return Interpretation(
        intent=name,
        slots=slots,
        template="tool call",
        text=f"{name} {json.dumps(dict(arguments), ensure_ascii=False, sort_keys=True)}",
        source="llm",
    )


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def _fitting(value: object, schema: Mapping[str, Any], where: str) -> Value:
    """``value`` if it fits the schema of a slot (type, enum, minimum, maximum, multipleOf is not checked)."""
    kind = str(schema.get("type", ""))
    if isinstance(value, float) and kind == "integer" and value.is_integer():
        value = int(value)
    if not isinstance(value, (bool, int, float, str)):
        raise AnswerError(f"{where}: {type(value).__name__} is no slot value")
    if kind in _TYPES and (
        not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) != (kind == "boolean"))
    ):
        raise AnswerError(f"{where}: {value!r} is not of type {kind}")
    if "enum" in schema and value not in schema["enum"]:
        raise AnswerError(f"{where}: {value!r} is not one of {schema['enum']}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        # Written so that NaN fails too.
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise AnswerError(f"{where}: {value!r} is outside {low}..{high}")
    return value
