"""A virtual cabin: microphone and loudspeaker in one air volume, for the demo and for tests.

What the loudspeaker plays comes back into the microphone through a short room response, and is
handed to the front end as the far-end reference, sample-aligned, as a real device pair would do it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from carvoice.audio.devices.protocols import Closing
from carvoice.errors import AudioFormatError
from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray

_ECHO_DELAY_S = 0.012  # converter buffers and 2 m of air
_DECAY_S = 0.06  # reverberation time of a small cabin


def cabin_response(rng: np.random.Generator, level: float = 0.3) -> FloatArray:
    """Draw a loudspeaker-to-microphone impulse response.

    Args:
        rng: seeded generator; the same seed gives the same cabin.
        level: gain of the direct sound.

    Returns:
        float32, shape (n,): direct sound after 12 ms, then noise that decays by 60 dB in 60 ms.
    """
    tail = int(_DECAY_S * SAMPLE_RATE_HZ)
    response = np.zeros(int(_ECHO_DELAY_S * SAMPLE_RATE_HZ) + tail, dtype=np.float32)
    decay = np.exp(-6.9 * np.arange(tail) / tail)
    response[-tail:] = 0.15 * level * decay * rng.standard_normal(tail)
    response[-tail] = level
    return response


class VirtualCabin(Closing):
    """A :class:`~carvoice.audio.devices.Source` with a driver and a loudspeaker in it. Thread-safe.

    Args:
        block_samples: samples per :meth:`read`.
        noise: looped under everything, float32 (n,); None for a quiet cabin.
        seed: of the room responses.
        microphones: how many hear it; from two on, blocks are (microphones, n).

    Attributes:
        loudspeaker: gives the next n samples that are played, float32 (n,); silent until set.
    """

    def __init__(
        self,
        block_samples: int = 320,
        noise: FloatArray | None = None,
        seed: int = 1,
        microphones: int = 1,
    ) -> None:
        self.block_samples = block_samples
        self.loudspeaker: Callable[[int], FloatArray] = lambda n: np.zeros(n, np.float32)
        self._noise = noise
        rng = np.random.default_rng(seed)
        self._responses = [cabin_response(rng).astype(np.float64) for _ in range(microphones)]
        self._echo_states = [np.zeros(len(response) - 1) for response in self._responses]
        self._lock = threading.Lock()
        self._spoken: deque[FloatArray] = deque()
        self._position = 0
        self._closed = False

    @property
    def now_s(self) -> float:
        """Stream time of the next sample the microphone will hear."""
        return self._position / SAMPLE_RATE_HZ

    def speak(self, samples: FloatArray) -> None:
        """Let this be said after what was queued before: (n,) at every microphone, or (microphones, n).

        Raises:
            AudioFormatError: another number of channels.
        """
        said = np.atleast_2d(np.asarray(samples, dtype=np.float32))
        count = len(self._responses)
        if said.ndim != 2 or len(said) not in (1, count):
            raise AudioFormatError(f"speech of shape {np.shape(samples)}; give (n,) or ({count}, n)")
        with self._lock:
            self._spoken.append(np.broadcast_to(said, (count, said.shape[1])))

    @property
    def driver_is_speaking(self) -> bool:
        """Whether queued speech is left."""
        with self._lock:
            return bool(self._spoken)

    def read(self) -> AudioBlock | None:
        """Hear the next block; None once closed."""
        if self._closed:
            return None
        n = self.block_samples
        with self._lock:
            near = _take(self._spoken, len(self._responses), n)
        far = self.loudspeaker(n)
        for microphone, response in enumerate(self._responses):
            echo, self._echo_states[microphone] = lfilter(
                response, 1.0, far, zi=self._echo_states[microphone]
            )
            near[microphone] += echo.astype(np.float32)
        if self._noise is not None:
            near += self._noise[(self._position + np.arange(n)) % len(self._noise)]
        block = AudioBlock(near if len(near) > 1 else near[0], self.now_s, far)
        self._position += n
        return block

    def close(self) -> None:
        """End the stream."""
        self._closed = True


def _take(queue: deque[FloatArray], channels: int, n: int) -> FloatArray:
    """Take n samples off a queue of (channels, length) arrays, silence where it runs out."""
    out = np.zeros((channels, n), dtype=np.float32)
    filled = 0
    while queue and filled < n:
        head = queue[0]
        used = min(n - filled, head.shape[1])
        out[:, filled : filled + used] = head[:, :used]
        filled += used
        if used == head.shape[1]:
            queue.popleft()
        else:
            queue[0] = head[:, used:]
    return out
