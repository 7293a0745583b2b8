"""Where the data that ships with carvoice lies: grammars, models, the demo car.

In a checkout ``carvoice/data/grammars`` and ``carvoice/data/models`` are links to the top-level
folders; in a wheel they are copies. Either way they are found beside this file.
"""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"


def data_path(*parts: str) -> Path:
    """Path of shipped data, e.g. ``data_path("grammars", "en")``; it need not exist."""
    return DATA.joinpath(*parts)
