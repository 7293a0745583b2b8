"""How loud the cabin is while nobody speaks."""

from __future__ import annotations

import numpy as np

from carvoice.audio import FrontEndOutput

_SILENT = 0.2  # probability of speech below which a frame is noise alone
_SHARE = 0.01  # of each frame in the mean: a time constant of one second


class NoiseLevel:
    """Mean level of the frames that hold neither speech nor our own voice."""

    def __init__(self) -> None:
        self.level_db: float | None = None

    def update(self, out: FrontEndOutput) -> None:
        """Take what the front end made of the next frames."""
        is_noise = (out.speech < _SILENT) & ~out.far_active
        for level_db in out.level_db[is_noise]:
            if not np.isfinite(level_db):
                continue
            if self.level_db is None:
                self.level_db = float(level_db)
            self.level_db += _SHARE * (float(level_db) - self.level_db)
