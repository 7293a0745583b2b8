"""Sound files as devices, and plain reading and writing of them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import soundfile
import soxr

from carvoice.audio.devices.null import block_samples
from carvoice.audio.devices.protocols import Closing
from carvoice.errors import AudioError, AudioFormatError
from carvoice.records import SAMPLE_RATE_HZ, AudioBlock, FloatArray

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000


def read_wav(path: str | Path, *, keep_channels: bool = False) -> FloatArray:
    """Read a sound file (WAV, FLAC, Ogg; 8 to 32 bit or float) at 16 kHz.

    Args:
        path: the file.
        keep_channels: return (channels, n) instead of their mean.

    Returns:
        float32 in ±1, shape (n,), resampled to 16 kHz if need be.

    Raises:
        AudioError: the file is missing, not readable or not a sound file.
        AudioFormatError: it has no samples, samples that are not finite, or an absurd sample rate.
    """
    path = Path(path)
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not a sound file")
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise AudioError(
            f"{path}: cannot be read as a sound file ({reason}); give WAV, FLAC or Ogg"
        ) from error
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise AudioFormatError(f"{path}: sample rate is {rate_hz} Hz; give 4 to 384 kHz")
    if len(samples) == 0:
        raise AudioFormatError(f"{path}: has no samples")
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise AudioFormatError(f"{path}: sample {first} ({first / rate_hz:.3f} s) is not a finite number")
    if not keep_channels and samples.shape[1] > 1:
        samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
    if rate_hz != SAMPLE_RATE_HZ:
        samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    channels = np.ascontiguousarray(samples.T, dtype=np.float32)
    return channels if keep_channels else channels[0]


def write_wav(path: str | Path, samples: FloatArray) -> None:
    """Write 16 kHz 16-bit WAV; (n,) or (channels, n). Samples beyond ±1 are clipped.

    Raises:
        AudioError: the file cannot be written.
    """
    try:
        soundfile.write(path, np.clip(samples, -1, 1).T, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: cannot be written ({getattr(error, 'error_string', error)})") from error


class WavSource(Closing):
    """A sound file as a microphone.

    Args:
        path: what the microphone heard.
        far: file with what the loudspeaker played meanwhile; cut or padded to the same length.
        block_ms: length of a block, a multiple of 10; the last one is padded with silence.
        keep_channels: give all channels of ``path`` instead of their mean.
        realtime: give blocks at the pace of a real microphone instead of at once.

    Raises:
        AudioError, AudioFormatError: see :func:`read_wav`.
    """

    def __init__(
        self,
        path: str | Path,
        far: str | Path | None = None,
        *,
        block_ms: int = 10,
        keep_channels: bool = False,
        realtime: bool = False,
    ) -> None:
        self._block = block_samples(block_ms)
        self._near = read_wav(path, keep_channels=keep_channels)
        self._far = None if far is None else read_wav(far)
        self._position = 0
        self._start_s = time.monotonic() if realtime else None
        self._closed = False

    @property
    def duration_s(self) -> float:
        """Length of the file."""
        return float(self._near.shape[-1] / SAMPLE_RATE_HZ)

    def read(self) -> AudioBlock | None:
        """Return the next block; None at the end."""
        start = self._position
        if self._closed or start >= self._near.shape[-1]:
            return None
        self._position += self._block
        if self._start_s is not None:
            wait_s = self._start_s + self._position / SAMPLE_RATE_HZ - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
        return AudioBlock(
            self._cut(self._near, start),
            start / SAMPLE_RATE_HZ,
            None if self._far is None else self._cut(self._far, start),
        )

    def _cut(self, signal: FloatArray, start: int) -> FloatArray:
        part = signal[..., start : start + self._block]
        missing = self._block - part.shape[-1]
        if missing:
            part = np.pad(part, [(0, 0)] * (part.ndim - 1) + [(0, missing)])
        return part

    def close(self) -> None:
        """End the stream."""
        self._closed = True


class WavSink(Closing):
    """A sound file as a loudspeaker: 16 kHz, 16 bit, mono.

    Raises:
        AudioError: the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            self._file = soundfile.SoundFile(path, "w", SAMPLE_RATE_HZ, 1, subtype="PCM_16", format="WAV")
        except (soundfile.LibsndfileError, OSError) as error:
            raise AudioError(
                f"{path}: cannot be written ({getattr(error, 'error_string', error)})"
            ) from error

    def write(self, samples: FloatArray) -> None:
        """Append mono samples; beyond ±1 they are clipped."""
        if self._file.closed:
            raise AudioError(f"{self._path}: is closed")
        self._file.write(np.clip(samples, -1.0, 1.0))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
