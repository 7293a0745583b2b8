"""MF4 logs, whose library is loaded only where there is such a log.

python-can loads asammdf wherever it is installed, and with it pandas and sympy: 1.3 s of every start.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

_LIBRARY = "asammdf"


def load_can() -> None:
    """Load python-can without what only MF4 logs need."""
    if _LIBRARY in sys.modules:
        import can

        return
    sys.modules[_LIBRARY] = None  # type: ignore[assignment]  # an import of it fails, as if it were absent
    try:
        import can  # noqa: F401
    finally:
        del sys.modules[_LIBRARY]


def prepare_for(log: Path) -> None:
    """Let python-can read and write this log if it is an MF4 one.

    python-can itself says what is missing when asammdf is not installed.
    """
    if log.suffix.lower() != ".mf4":
        return
    import can.io.logger
    import can.io.mf4
    import can.io.player

    if getattr(can.io.mf4, _LIBRARY) is None:
        importlib.reload(can.io.mf4)
        can.io.logger.MESSAGE_WRITERS[".mf4"] = can.io.mf4.MF4Writer
        can.io.player.MESSAGE_READERS[".mf4"] = can.io.mf4.MF4Reader
