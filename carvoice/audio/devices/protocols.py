"""The seams between sound devices and the house."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from carvoice.records import AudioBlock, FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self  # typing has it from Python 3.11 on


@runtime_checkable
class Source(Protocol):
    """Gives microphone sound, with the far end beside it where it is known."""

    def read(self) -> AudioBlock | None:
        """Wait for the next block, a whole number of 10 ms frames; None at the end of the stream."""

    def close(self) -> None:
        """Release the device; ``read`` returns None from then on. May be called twice, from any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Sink(Protocol):
    """Takes sound to be heard."""

    def write(self, samples: FloatArray) -> None:
        """Take mono float32 samples in ±1, 16 kHz; blocks while the device's buffer is full."""

    def close(self) -> None:
        """Release the device. May be called twice."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FarTap(Protocol):
    """Gives what the loudspeaker plays: the echo canceller's reference."""

    def take(self, count: int) -> FloatArray:
        """The next ``count`` samples played, 16 kHz mono; silence where nothing is known."""


class Closing:
    """Context manager around ``close``."""

    def close(self) -> None:
        """Release what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
