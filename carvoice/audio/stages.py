"""Single stages of the front end, for who wants one of them alone.

Each is the :class:`FrontEnd` with everything else switched off, so blocks of any length and of float32 or
int16 go in, whole 10 ms frames come out, and the same errors are raised.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from carvoice.audio._frontend import FrontEnd, FrontEndOutput
from carvoice.audio.settings import SEATS_M, FrontEndSettings
from carvoice.records import FloatArray

Position = tuple[float, float, float]


class _Stage:
    """What all stages share."""

    def __init__(self, settings: FrontEndSettings) -> None:
        self._front_end = FrontEnd(settings)

    def reset(self) -> None:
        """Forget everything heard, as if new."""
        self._front_end.reset()

    @property
    def latency_samples(self) -> int:
        """Samples by which the output lags the input."""
        return self._front_end.latency_samples


class EchoCanceller(_Stage):
    """Takes the loudspeaker's echo out of one microphone's signal.

    Args:
        linear_only: subtract the estimated echo and no more, without delay; else what is left of the echo is
            suppressed as well, 10 ms later.
        far_channels: loudspeaker channels, 1 or 2.
        tail_ms: length of the echo filter, 80 to 320 in steps of 80.
        max_delay_ms: how far behind the loudspeaker signal the echo is searched, 0 for no search.
        comfort_noise: fill up what suppression cuts out of the cabin's noise.
    """

    def __init__(
        self,
        *,
        linear_only: bool = False,
        far_channels: int = 1,
        tail_ms: int = 160,
        max_delay_ms: int = 320,
        comfort_noise: bool = False,
    ) -> None:
        super().__init__(
            FrontEndSettings(
                far_channels=far_channels,
                highpass_hz=0.0,
                suppress_noise=False,
                comfort_noise=comfort_noise,
                linear_only=linear_only,
                echo_tail_ms=tail_ms,
                max_delay_ms=max_delay_ms,
            )
        )

    def process(self, near: ArrayLike, far: ArrayLike | None) -> FloatArray:
        """Take in microphone and loudspeaker, (n,) each ((channels, n) for ``far``); None: nothing plays.

        Returns:
            float32 (160 * frames,): the frames completed, without the echo.

        Raises:
            AudioFormatError: see :meth:`FrontEnd.process`.
        """
        return self._front_end.process(near, far).vad

    @property
    def delay_ms(self) -> float:
        """Delay of the echo that is being undone before the filter."""
        return self._front_end.delay_ms

    @property
    def drift_ppm(self) -> float:
        """Clock drift that is being undone, parts per million."""
        return self._front_end.drift_ppm


class NoiseSuppressor(_Stage):
    """Lowers the cabin's noise.

    Args:
        floor_db: most attenuation.
    """

    def __init__(self, *, floor_db: float = -20.0) -> None:
        super().__init__(
            FrontEndSettings(highpass_hz=0.0, cancel_echo=False, suppress_echo=False, noise_floor_db=floor_db)
        )

    def process(self, near: ArrayLike) -> FloatArray:
        """Take in samples (n,); returns float32 (160 * frames,), the frames completed."""
        return self._front_end.process(near).vad


class GainControl(_Stage):
    """Brings speech slowly to one level; noise between words does not move it.

    Args:
        target_db: level of speech aimed at, dBFS.
        most_gain_db: the most it amplifies.
    """

    def __init__(self, *, target_db: float = -24.0, most_gain_db: float = 15.0) -> None:
        super().__init__(
            FrontEndSettings(
                highpass_hz=0.0,
                cancel_echo=False,
                suppress_echo=False,
                suppress_noise=False,
                control_gain=True,
                target_db=target_db,
                most_gain_db=most_gain_db,
            )
        )

    def process(self, near: ArrayLike) -> FloatArray:
        """Take in samples (n,); returns float32 (160 * frames,), the frames completed."""
        return self._front_end.process(near).asr


class VoiceActivityDetector(_Stage):
    """Says of each 10 ms frame how likely someone speaks."""

    def __init__(self) -> None:
        super().__init__(FrontEndSettings(cancel_echo=False, suppress_echo=False))

    def process(self, near: ArrayLike) -> FloatArray:
        """Take in samples (n,); returns float32 (frames,), the probability of the frames completed."""
        return self._front_end.process(near).speech


class Beamformer(_Stage):
    """Turns two to four microphones to the seat that talks, and says which it is.

    Args:
        microphones_m: where the microphones are, metres.
        zones_m: where the mouths are, up to four, in the same frame of reference.

    Raises:
        ConfigError: too few or too many microphones, or two places are one.
    """

    def __init__(self, microphones_m: tuple[Position, ...], zones_m: tuple[Position, ...] = SEATS_M) -> None:
        super().__init__(
            FrontEndSettings(
                microphones=len(microphones_m),
                microphone_positions_m=microphones_m,
                zone_positions_m=zones_m,
                highpass_hz=0.0,
                cancel_echo=False,
                suppress_echo=False,
                suppress_noise=False,
            )
        )

    def process(self, near: ArrayLike) -> tuple[FloatArray, NDArray[np.int8]]:
        """Take in samples (microphones, n).

        Returns:
            float32 (160 * frames,), the beam; int8 (frames,), index of the talker's zone, -1 before anyone
            talked.
        """
        out: FrontEndOutput = self._front_end.process(near)
        return out.asr, out.zone
