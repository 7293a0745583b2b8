"""The voice that is always there: espeak-ng, from the ``espeakng-loader`` wheel."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import numpy as np
import soxr

from carvoice.errors import VoiceError
from carvoice.espeak import shared_espeak
from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from carvoice.tts.normalize import Speller, speller

# speak_lib.h
_CHARS_UTF8 = 1
_RATE, _PITCH = 1, 3
_POSITION_CHARACTER = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)  # (samples or NULL at the end, count, events) -> 0 to go on, 1 to stop


class EspeakVoice:
    """Speaks through espeak-ng's C library.

    Synthesis runs in a thread of its own per text (about 400 times faster than real time), so the first
    chunk of about 60 ms comes out while the rest is being made. Any number of threads may synthesize;
    the library works on one text at a time.

    Args:
        voice: espeak-ng voice, e.g. ``en-us``, ``en-gb-x-rp``, ``de``.
        rate_wpm: words per minute, 80 to 450.
        pitch: 0 to 100.
        spell: how numbers and units are said; by default the voice's language, English if we have no
            tables for it.

    Raises:
        VoiceError: espeak-ng is unusable or has no such voice.
    """

    def __init__(
        self, voice: str = "en-us", rate_wpm: int = 165, pitch: int = 50, spell: Speller | None = None
    ) -> None:
        if not 80 <= rate_wpm <= 450:
            raise VoiceError(f"speaking rate {rate_wpm} words per minute: use 80 to 450")
        if not 0 <= pitch <= 100:
            raise VoiceError(f"pitch {pitch}: use 0 to 100")
        self._voice = voice
        self._rate_wpm = rate_wpm
        self._pitch = pitch
        self._spell = spell or speller("en")
        self._espeak = shared_espeak()
        with self._espeak.lock:
            self._espeak.use_voice(voice)

    def synthesize(self, text: str) -> Iterator[FloatArray]:
        """Yield chunks of 16 kHz float32 sound."""
        words = self._spell.spoken(text)
        if not words:
            return
        made: SimpleQueue[FloatArray | Exception | None] = SimpleQueue()
        stop = threading.Event()
        worker = threading.Thread(target=self._run, args=(words, made, stop), name="espeak", daemon=True)
        worker.start()
        resampler = soxr.ResampleStream(self._espeak.sample_rate_hz, SAMPLE_RATE_HZ, 1, "float32", "MQ")
        try:
            while (item := made.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                chunk = resampler.resample_chunk(item)
                if len(chunk):
                    yield chunk
            tail = resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            if len(tail):
                yield tail
        finally:
            stop.set()
            worker.join()

    def _run(
        self, words: str, made: SimpleQueue[FloatArray | Exception | None], stop: threading.Event
    ) -> None:
        def take(samples: ctypes._Pointer[ctypes.c_short], count: int, events: int) -> int:
            if samples and count > 0:
                sound = np.ctypeslib.as_array(samples, (count,)).astype(np.float32)
                sound *= np.float32(1 / 32768)
                made.put(sound)
            return 1 if stop.is_set() else 0

        callback = _CALLBACK(take)
        data = words.encode()
        espeak = self._espeak
        try:
            with espeak.lock:
                espeak.use_voice(self._voice)
                library = espeak.library
                library.espeak_SetParameter(_RATE, self._rate_wpm, 0)
                library.espeak_SetParameter(_PITCH, self._pitch, 0)
                library.espeak_SetSynthCallback(callback)
                status = library.espeak_Synth(
                    data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
                )
            made.put(VoiceError(f"espeak-ng cannot say {words!r} (error {status})") if status else None)
        except Exception as error:  # handed to the thread that waits for the sound
            made.put(error)
