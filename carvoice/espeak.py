"""The process's one espeak-ng.

espeak-ng keeps its voice, its parameters and its callback in globals, and every ``dlopen`` of it hands
back the same library. Speech out and text-to-phoneme both use it, so they share this handle and its
lock; whoever calls the library holds the lock and first says which voice it wants::

    espeak = shared_espeak()
    with espeak.lock:
        espeak.use_voice("en-us")
        espeak.library.espeak_TextToPhonemes(...)
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache

import espeakng_loader

from carvoice.errors import VoiceError

_SYNCHRONOUS = 2  # audio_output mode: espeak_Synth returns when all of it went to the callback
_DONT_EXIT = 0x8000  # report a missing data folder instead of calling exit()
_BUFFER_MS = 20


class Espeak:
    """The initialized library. Build it through :func:`shared_espeak` only.

    Attributes:
        library: the ctypes library, ``espeak_*`` functions of ``speak_lib.h``.
        lock: hold it around every call and the voice it depends on.
        sample_rate_hz: rate of the synthesized sound (22 050).
    """

    def __init__(self) -> None:
        path = espeakng_loader.get_library_path()
        try:
            self.library = ctypes.CDLL(path)
        except OSError as error:
            raise VoiceError(
                f"{path}: espeak-ng cannot be loaded ({error}); reinstall espeakng-loader"
            ) from None
        self.lock = threading.RLock()
        self._voice = ""
        data = espeakng_loader.get_data_path()
        self.sample_rate_hz = int(
            self.library.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), _DONT_EXIT)
        )
        if self.sample_rate_hz <= 0:
            raise VoiceError(f"{data}: espeak-ng finds no data there; reinstall espeakng-loader")

    def use_voice(self, name: str) -> None:
        """Select a voice such as ``en-us``; the lock must be held.

        Raises:
            VoiceError: espeak-ng has no such voice.
        """
        if name == self._voice:
            return
        if self.library.espeak_SetVoiceByName(name.encode()) != 0:
            raise VoiceError(f"espeak-ng has no voice {name!r}; use a language code such as 'en-us' or 'de'")
        self._voice = name


@cache
def _load() -> Espeak:
    return Espeak()


_load_lock = threading.Lock()


def shared_espeak() -> Espeak:
    """The library, loaded at the first call (about 1 ms).

    Raises:
        VoiceError: it cannot be loaded or lacks its data.
    """
    with _load_lock:
        return _load()
