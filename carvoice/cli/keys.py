"""The terminal's keys as talk button: space to talk, Esc to stop everything."""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from carvoice.assistant.button import TalkButton

_LOOK_S = 0.25
_ESCAPE = b"\x1b"  # also the first byte of arrow keys, which then come in one piece


@contextmanager
def talk_keys(button: TalkButton, descriptor: int = 0) -> Iterator[bool]:
    """Read keys while the block runs. A terminal does not tell when a key is let go: each press is a tap.

    Args:
        button: pressed by them.
        descriptor: of the terminal.

    Yields:
        Whether there is a terminal.
    """
    if not os.isatty(descriptor):
        yield False
        return
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)  # Ctrl-C still interrupts
    closing = threading.Event()
    reader = threading.Thread(target=_read, args=(button, descriptor, closing), daemon=True)
    reader.start()
    try:
        yield True
    finally:
        closing.set()
        reader.join()
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read(button: TalkButton, descriptor: int, closing: threading.Event) -> None:
    while not closing.is_set():
        if not select.select([descriptor], [], [], _LOOK_S)[0]:
            continue
        keys = os.read(descriptor, 64)
        if not keys:
            return
        if keys == _ESCAPE:
            button.cancel()
        elif b" " in keys:
            button.press()
            button.release()
