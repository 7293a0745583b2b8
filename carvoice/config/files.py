"""Reading and writing ``carvoice.toml``, and the settings that override it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from carvoice.config.sections import Config
from carvoice.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENV_PREFIX = "CARVOICE_"


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Config:
    """Read the settings.

    Args:
        path: the file; None takes ``carvoice.toml`` in the working folder if there is one.
        environ: environment variables, ``os.environ`` unless given.
        overrides: dotted keys to values, e.g. ``{"vehicle.channel": "can0"}``; they win.

    Raises:
        ConfigError: naming file, line and key of the first setting that is wrong.
    """
    if path is None:
        default = Path("carvoice.toml")
        path = default if default.is_file() else None
    text = ""
    settings: dict[str, Any] = {}
    if path is not None:
        text, settings = _read(path)
    origin: dict[str, str] = {}
    for name, key, value in _from_environment(os.environ if environ is None else environ):
        _put(settings, key, value, name)
        origin[key] = f"environment variable {name}"
    for key, value in (overrides or {}).items():
        _put(settings, key, value, key)
        origin[key] = "command line"
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        line = _line_of(text, [str(part) for part in first["loc"]])
        where = origin.get(key) or (f"{path}:{line}" if path else "settings")
        if first["type"] == "extra_forbidden":
            raise ConfigError(f"{where}: unknown key '{key}'; `carvoice config` lists them all") from None
        raise ConfigError(f"{where}: {key} = {first['input']!r}: {first['msg']}") from None


def dump_config(config: Config) -> str:
    """Write the settings as TOML, each under its meaning; :func:`load_config` reads it back."""
    lines: list[str] = []
    for section_name, section_field in Config.model_fields.items():
        section = getattr(config, section_name)
        lines.append(f"# {(type(section).__doc__ or section_field.description or '').strip()}")
        lines.append(f"[{section_name}]")
        tables: list[str] = []
        for name, field in type(section).model_fields.items():
            value = getattr(section, name)
            if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
                for item in value:
                    tables.append(f"[[{section_name}.{name}]]")
                    tables += [f"{k} = {_toml(v)}" for k, v in item.model_dump().items()]
                continue
            lines.append(f"# {field.description}")
            lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
        lines += [*tables, ""]
    return "\n".join(lines)


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from None
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        raise ConfigError(f"{path}:{found.group(1) if found else 1}: not valid TOML: {error}") from None


def parse_value(raw: str) -> Any:
    """A setting written outside the file: TOML where it is TOML (``2``, ``true``, ``["a"]``), else text."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Yield (variable, dotted key, value) of ``CARVOICE_SECTION__KEY`` variables."""
    for name, raw in sorted(environ.items()):
        if name.startswith(ENV_PREFIX) and "__" in name:
            key = name[len(ENV_PREFIX) :].lower().replace("__", ".")
            yield name, key, parse_value(raw)


def _put(settings: dict[str, Any], key: str, value: Any, origin: str) -> None:
    *parents, last = key.split(".")
    table = settings
    for parent in parents:
        child = table.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"{origin}: '{parent}' is not a section")
        table = child
    table[last] = value


def _line_of(text: str, keys: list[str]) -> int:
    """Line of the deepest part of a key path that the text names; 1 if none."""
    best, depth, table = 1, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            table = [part.strip().strip("\"'") for part in header.group(1).split(".")]
            here = table
        else:
            assignment = re.match(r"\s*([\w\-\"'.]+)\s*=", line)
            if not assignment:
                continue
            here = table + [part.strip("\"'") for part in assignment.group(1).split(".")]
        named = [key for key in keys if not key.isdigit()]
        if here == named[: len(here)] and len(here) > depth:
            best, depth = number, len(here)
    return best


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, Path)):
        text = str(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{text}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(_toml(item) for item in value) + "]"
