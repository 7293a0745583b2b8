"""The command line.

Exit codes: 0 done, 1 the work failed (a check found problems, a turn was refused), 2 a user mistake
or missing part named in one line on stderr, 130 interrupted.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``carvoice``; user mistakes become one line on stderr, never a traceback."""
    from carvoice.cli import (  # noqa: F401  (registers the commands)
        car,
        demo,
        grammar,
        info,
        models,
        quality,
        serve,
        talk,
        turns,
    )
    from carvoice.cli.app import app, errors
    from carvoice.errors import CarvoiceError

    try:
        app()
    except CarvoiceError as error:
        errors.print(f"[red]carvoice:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
