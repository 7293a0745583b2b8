"""Records as JSON lines, for ``--json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from enum import Enum
from typing import Any


def to_json(record: Any) -> str:
    """One record on one line. Bytes become hex, enums their value, None and empty fields are left out."""
    return json.dumps(_plain(record), separators=(",", ":"))


def event_json(event: Any, **more: Any) -> str:
    """An event with its name under ``event``."""
    return json.dumps({"event": type(event).__name__, **more, **_plain(event)}, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, _plain(getattr(value, field.name))) for field in dataclasses.fields(value))
        return {name: plain for name, plain in fields if plain not in (None, (), [], {}, "")}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
