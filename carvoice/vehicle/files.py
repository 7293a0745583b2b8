"""Reading the files that describe a car, with errors that name file and line."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import cantools
import cantools.database

from carvoice.errors import CarError

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib


def load_database(path: Path) -> Any:
    """Any bus database cantools reads: DBC, ARXML, KCD, SYM.

    Raises:
        CarError: the file is missing or cantools cannot read it.
    """
    if not path.is_file():
        raise CarError(f"{path}: there is no such bus database file")
    try:
        return cantools.database.load_file(str(path), strict=True)
    except Exception as error:
        raise CarError(f"{path}: cannot be read as a bus database: {error}") from error


def read_text(path: Path, what: str) -> str:
    """Text of a file.

    Raises:
        CarError: it is missing, not a file, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CarError(f"{path}: there is no such {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CarError(f"{path}: cannot read the {what}: {error}") from None


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """TOML text to a table.

    Raises:
        CarError: it does not parse; the message says where.
    """
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CarError(f"{path}: {error}") from None
    return table


def line_of(text: str, *needles: str) -> int:
    """1-based line on which the first of the needles found begins, 0 if none is found."""
    lines = _stripped_lines(text)
    for needle in needles:
        for number, line in enumerate(lines, 1):
            if line.startswith(needle):
                return number
    return 0


@lru_cache(maxsize=2)
def _stripped_lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines())
