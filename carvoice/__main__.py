"""``python -m carvoice`` is ``carvoice``."""

from carvoice.cli import main

main()
