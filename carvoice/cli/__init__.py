"""The command line.

Exit codes: 0 done, 1 the work failed (a check found problems, a turn was refused), 2 a user mistake
or missing part named in one line on stderr, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

_COMMANDS_OF = {
    "car": ("car", "sim", "replay"),
    "demo": ("demo",),
    "grammar": ("grammar",),
    "info": ("config", "devices", "doctor"),
    "models": ("models",),
    "quality": ("eval", "audio-report"),
    "serve": ("serve",),
    "talk": ("say", "run", "listen"),
    "turns": ("turns",),
}
"""The modules here, and the commands that each registers."""


def modules_for(arguments: Sequence[str]) -> list[str]:
    """The modules that a command line needs: one where it begins with its command, else all.

    A start takes a quarter of a second less when the others are left alone.
    """
    first = arguments[0] if arguments else ""
    return [name for name, commands in _COMMANDS_OF.items() if first in commands] or list(_COMMANDS_OF)


def main() -> None:
    """Run ``carvoice``; user mistakes become one line on stderr, never a traceback."""
    for module in modules_for(sys.argv[1:]):
        import_module(f"carvoice.cli.{module}")  # registers its commands
    from carvoice.cli.app import app, errors
    from carvoice.errors import CarvoiceError

    try:
        app()
    except CarvoiceError as error:
        errors.print(f"[red]carvoice:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
