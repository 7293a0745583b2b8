"""The sound of turns, for whoever asked for it: two WAV files a turn, the oldest deleted for the newest."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from carvoice.audio.devices import write_wav
from carvoice.records import FloatArray

_FAR = ".far"


class TurnAudio:
    """A folder of ``TRACE.wav``, what the microphones heard, and ``TRACE.far.wav``, what was played.

    Args:
        folder: made, for its owner alone, with the first sound.
        max_bytes: of all files together; the oldest turns go first.
        keep_s: turns older than this go too.
        clock: Unix seconds.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int = 200_000_000,
        keep_s: float = 30 * 86_400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._keep_s = keep_s
        self._clock = clock

    def write(self, trace_id: str, near: FloatArray, far: FloatArray) -> None:
        """Keep what was heard, shape (n,) or (microphones, n), and played, shape (n,), in a turn.

        Raises:
            OSError: the disk does not take it; nothing of the turn is left.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = self._paths(trace_id)
        try:
            for path, sound in zip(paths, (near, far), strict=True):
                write_wav(path, sound)
        except OSError:
            for path in paths:
                with suppress(OSError):
                    path.unlink()
            raise
        self._prune()

    def path(self, trace_id: str) -> Path | None:
        """What the microphones heard in a turn; None when that was not kept."""
        near = self._paths(trace_id)[0]
        return near if near.is_file() else None

    def forget(self) -> None:
        """Delete everything.

        Raises:
            OSError: something cannot be deleted.
        """
        for path in self._folder.glob("*.wav"):
            path.unlink()

    def _paths(self, trace_id: str) -> tuple[Path, Path]:
        return self._folder / f"{trace_id}.wav", self._folder / f"{trace_id}{_FAR}.wav"

    def _prune(self) -> None:
        kept = 0
        oldest_s = self._clock() - self._keep_s
        for changed_s, trace_id in sorted(self._turns(), reverse=True):
            paths = [path for path in self._paths(trace_id) if path.is_file()]
            kept += sum(path.stat().st_size for path in paths)
            if kept > self._max_bytes or changed_s < oldest_s:
                for path in paths:
                    path.unlink()

    def _turns(self) -> list[tuple[float, str]]:
        near = (path for path in self._folder.glob("*.wav") if not path.stem.endswith(_FAR))
        return [(path.stat().st_mtime_ns / 1e9, path.stem) for path in near]
