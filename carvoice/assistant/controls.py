"""Where the talk button is: a signal of the car, a key of an input device."""

from __future__ import annotations

import logging
import os
import select
import struct
import threading
from contextlib import ExitStack
from pathlib import Path

from carvoice.assistant.button import TalkButton
from carvoice.config import DialogueConfig
from carvoice.errors import ConfigError
from carvoice.records import Value
from carvoice.vehicle.state import CarState

_log = logging.getLogger(__name__)

KEY_VOICECOMMAND = 582  # linux/input-event-codes.h
_EV_KEY = 1
_EVENT = struct.Struct("@llHHi")  # struct input_event: time, type, code, value; input(5) of the Linux kernel
_UP, _DOWN = 0, 1  # 2 is a repetition
_LOOK_S = 0.25
_RETRY_S = 2.0


def connect(button: TalkButton, config: DialogueConfig, state: CarState, stack: ExitStack) -> None:
    """Connect the button with the signal and the key that the settings name, as far as they are there.

    Args:
        button: pressed and let go by them.
        config: ``talk_signal`` and ``talk_key``.
        state: of the car.
        stack: ends the reading of the key.

    Raises:
        ConfigError: ``talk_key`` is malformed.
    """
    if config.talk_signal in state.car.nodes:
        watch_signal(button, state, config.talk_signal)
    if config.talk_key:
        path, code = parse_key(config.talk_key)
        stack.callback(KeyReader(button, path, code).close)


def watch_signal(button: TalkButton, state: CarState, path: str) -> None:
    """Press the button when the signal becomes true; one that is true from the start is stuck."""
    first = state.get(path)
    was_up = first is not None and not first.value

    def changed(value: Value | None) -> None:
        nonlocal was_up
        if value and was_up:
            button.press()
        elif not value:
            was_up = True
            button.release()

    state.watch(path, changed)


def parse_key(text: str) -> tuple[Path, int]:
    """Device and key code of ``/dev/input/event3:582``; without a code it is KEY_VOICECOMMAND.

    Raises:
        ConfigError: the code is not a number.
    """
    path, colon, code = text.partition(":")
    if not colon:
        return Path(path), KEY_VOICECOMMAND
    if not code.isdigit():
        raise ConfigError(f"dialogue.talk_key = '{text}': give the key's number, like {path}:582 (evtest)")
    return Path(path), int(code)


class KeyReader:
    """Reads a Linux input device in a thread of its own; waits for it while it is gone.

    Args:
        button: pressed and let go by the key.
        device: e.g. ``/dev/input/event3``.
        code: of the key.
    """

    def __init__(self, button: TalkButton, device: Path, code: int = KEY_VOICECOMMAND) -> None:
        self._button = button
        self._device = device
        self._code = code
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="carvoice-key", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        has_told = False
        while not self._closing.is_set():
            try:
                device = os.open(self._device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    has_told = False
                    self._read(device)
                finally:
                    os.close(device)
                    self._button.release()
            except OSError as error:
                if not has_told:
                    _log.error("the talk key %s: %s; waiting for it", self._device, error.strerror)
                has_told = True
            self._closing.wait(_RETRY_S)

    def _read(self, device: int) -> None:
        """Until the device is gone, which raises OSError or ends it."""
        while not self._closing.is_set():
            if not select.select([device], [], [], _LOOK_S)[0]:
                continue
            data = os.read(device, 64 * _EVENT.size)
            if not data:
                return
            for _, _, kind, code, value in _EVENT.iter_unpack(data[: len(data) // _EVENT.size * _EVENT.size]):
                if (kind, code, value) == (_EV_KEY, self._code, _DOWN):
                    self._button.press()
                elif (kind, code, value) == (_EV_KEY, self._code, _UP):
                    self._button.release()
