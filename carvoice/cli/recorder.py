"""Keeps what a session heard, played and sent: WAV, candump log, turn log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from carvoice.errors import AudioError
from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray, Turn
from carvoice.service.jsonlines import to_json
from carvoice.vehicle.logs import BusLog

if TYPE_CHECKING:
    from carvoice.cli.live import CabinSession


class Recorder:
    """Writes ``microphone.wav``, ``loudspeaker.wav``, ``frames.log`` and ``turns.jsonl`` into a folder.

    Raises:
        AudioError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AudioError(f"{folder}: cannot be made: {error.strerror}") from None
        self._near: list[FloatArray] = []
        self._far: list[FloatArray] = []
        self._log: BusLog | None = None

    files = "microphone.wav, loudspeaker.wav, frames.log (candump; replay with canplayer), turns.jsonl"

    def attach(self, session: CabinSession) -> None:
        """Record this session from now on."""
        session.on_block = self._hear
        bus = session.assistant.vehicle.bus
        self._log = BusLog(self.folder / "frames.log", bus) if bus is not None else None

    def _hear(self, block: AudioBlock) -> None:
        self._near.append(np.asarray(block.near))
        if block.far is not None:
            self._far.append(np.asarray(block.far))

    def finish(self, turns: Sequence[Turn]) -> None:
        """Write everything."""
        if self._log is not None:
            for turn in turns:
                for actuation in turn.actuations:
                    self._log.mark(actuation.frames)
            self._log.close()
        for name, pieces in (("microphone", self._near), ("loudspeaker", self._far)):
            sound = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
            soundfile.write(self.folder / f"{name}.wav", sound, SAMPLE_RATE_HZ, subtype="PCM_16")
        lines = "".join(to_json(turn) + "\n" for turn in turns)
        (self.folder / "turns.jsonl").write_text(lines, encoding="utf-8")
