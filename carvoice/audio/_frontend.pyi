import numpy as np
from numpy.typing import ArrayLike, NDArray

from carvoice.audio.settings import FrontEndSettings

class FrontEndOutput:
    """What the front end made of the frames that one call completed."""

    asr: NDArray[np.float32]
    vad: NDArray[np.float32]
    speech: NDArray[np.float32]
    level_db: NDArray[np.float32]
    erle_db: NDArray[np.float32]
    far_active: NDArray[np.bool_]
    zone: NDArray[np.int8]
    def __len__(self) -> int: ...

class FrontEnd:
    """The audio chain of one stream."""

    settings: FrontEndSettings
    bad_samples: int
    def __init__(self, settings: FrontEndSettings | None = None) -> None: ...
    def process(self, near: ArrayLike, far: ArrayLike | None = None) -> FrontEndOutput: ...
    def flush(self) -> FrontEndOutput: ...
    def reset(self) -> None: ...
    def clone(self) -> FrontEnd: ...
    @property
    def latency_samples(self) -> int: ...
    @property
    def delay_ms(self) -> float: ...
    @property
    def drift_ppm(self) -> float: ...
    @property
    def state_bytes(self) -> int: ...
