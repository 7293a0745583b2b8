"""The models that can be had: ``models/registry.toml``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from carvoice.errors import ModelError
from carvoice.resources import data_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that can be installed; see ``models/registry.toml`` for the fields."""

    name: str
    kind: str
    title: str
    licence: str
    licence_url: str
    url: str
    sha256: str = ""
    size_mb: int = 0


def read_registry(path: Path | None = None) -> dict[str, Offer]:
    """The models that can be had, by name.

    Args:
        path: a registry of one's own; None for the shipped one.

    Raises:
        ModelError: it cannot be read, or an entry lacks something.
    """
    path = path or data_path("models", "registry.toml")
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
        offers = [Offer(**entry) for entry in entries]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise ModelError(f"{path}: {error}") from error
    return {offer.name: offer for offer in offers}
