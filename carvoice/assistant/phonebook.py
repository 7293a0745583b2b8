"""Lists of names from files: a phone's contacts, radio stations.

=========  =====================================================================================
``.vcf``   vCards 2.1 to 4.0, as a phone gives them over Bluetooth (PBAP)
``.csv``   a line per name: the name, and what it stands for
``.json``  ``["name", ...]`` or ``{"name": what it stands for, ...}``
others     text, a name a line
=========  =====================================================================================

What a name stands for is what the car is told, such as the entry of its phone book. Where nothing is said it
is the place in the file, from 1.
"""

from __future__ import annotations

import csv
import json
import quopri
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carvoice.errors import ConfigError
from carvoice.records import Value

MOST_NAMES = 20_000
LONGEST_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class Names:
    """The values of a list.

    Attributes:
        said: what is said to the name as it is written ("annie" to "Anna Kowalski").
        stands_for: the written name to what the car is told.
    """

    said: Mapping[str, str]
    stands_for: Mapping[Value, Value]


def read_names(path: Path) -> Names:
    """Names from a file.

    Raises:
        ConfigError: the file is missing or wrong, or has too many names.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        match path.suffix.lower():
            case ".vcf":
                return _numbered(_people(text))
            case ".json":
                return names_of(json.loads(text))
            case ".csv":
                return _of_rows(text)
            case _:
                return names_of(text.splitlines())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, csv.Error) as error:
        raise ConfigError(f"{path}: no list of names: {error}") from None


def names_of(given: Any) -> Names:
    """Names as JSON has them: a list, or an object of what each stands for.

    Raises:
        ValueError: it is neither, or too much; the message says what.
    """
    if isinstance(given, list):
        return _numbered((_checked(name),) for name in given if name != "")
    if not isinstance(given, Mapping):
        raise ValueError("give a list of names, or an object of names and what they stand for")
    stands_for: dict[Value, Value] = {}
    for name, value in given.items():
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"{name!r} stands for {value!r}; use a text or a number")
        stands_for[_checked(name)] = value
    return _limited(Names({str(name): str(name) for name in stands_for}, stands_for))


def _of_rows(text: str) -> Names:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    rows = [row for row in rows if row and row[0]]
    if any(len(row) > 1 and row[1] for row in rows):
        return names_of({row[0]: _number_or_text(row[1]) for row in rows if len(row) > 1})
    return names_of([row[0] for row in rows])


def _number_or_text(cell: str) -> Value:
    return int(cell) if cell.isascii() and cell.isdigit() else cell


def _numbered(people: Iterable[tuple[str, ...]]) -> Names:
    """Every person by all ways to say the name, the first of which is the written one."""
    said: dict[str, str] = {}
    stands_for: dict[Value, Value] = {}
    for place, ways in enumerate(people, start=1):
        if not ways or ways[0] in stands_for:
            continue
        stands_for[ways[0]] = place
        for way in ways:
            said.setdefault(way, ways[0])
    return _limited(Names(said, stands_for))


def _limited(names: Names) -> Names:
    if len(names.said) > MOST_NAMES:
        raise ValueError(f"{len(names.said):,} names; at most {MOST_NAMES:,} are taken")
    return names


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise ValueError(f"{str(name)[:40]!r} is no name of 1 to {LONGEST_NAME} characters")
    return name.strip()


def _people(text: str) -> list[tuple[str, ...]]:
    """Per card the full name, the nickname, and the first name where no other card has it."""
    cards: list[dict[str, str]] = []
    unfolded = re.sub(r"\r?\n[ \t]", "", text)  # RFC 6350, 3.2
    unfolded = re.sub(r"(?i)(QUOTED-PRINTABLE[^:\n]*:[^\n]*)=\r?\n", r"\1", unfolded)
    for line in unfolded.splitlines():
        key, _, value = line.partition(":")
        name, *parameters = key.upper().split(";")
        name = name.rpartition(".")[2]
        if name == "BEGIN" and value.strip().upper() == "VCARD":
            cards.append({})
        elif cards and name in ("FN", "N", "NICKNAME"):
            if any("QUOTED-PRINTABLE" in parameter for parameter in parameters):
                value = quopri.decodestring(value.encode()).decode("utf-8", "replace")
            cards[-1].setdefault(name, value.strip())
    if not cards:
        raise ValueError("there is no vCard in it")
    firsts, people = [], []
    for card in cards:
        family, given = (*(_plain(part) for part in card.get("N", "").split(";")), "", "")[:2]
        full = _plain(card.get("FN", "")) or f"{given} {family}".strip()
        firsts.append(given or full.partition(" ")[0])
        people.append([full, _plain(card.get("NICKNAME", "")).partition(",")[0]])
    times = Counter(first.lower() for first in firsts)
    for person, first in zip(people, firsts, strict=True):
        if times[first.lower()] == 1:
            person.append(first)
    return [tuple(dict.fromkeys(way for way in person if way)) for person in people if person[0]]


def _plain(text: str) -> str:
    return text.replace("\\,", ",").replace("\\;", ";").replace("\\n", " ").strip()
