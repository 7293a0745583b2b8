"""A voice whose sound can be foretold."""

from collections.abc import Iterator

import numpy as np
import pytest

from carvoice.errors import VoiceError


class RampVoice:
    """Says each character as 100 samples of a rising count, in chunks of 1000; "!" breaks it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.closed = 0

    def synthesize(self, text: str) -> Iterator[np.ndarray]:
        self.texts.append(text)
        if "!" in text:
            raise VoiceError("no breath")
        sound = self.sound(text)
        try:
            for start in range(0, len(sound), 1000):
                yield sound[start : start + 1000]
        finally:
            self.closed += 1

    @staticmethod
    def sound(text: str) -> np.ndarray:
        return (np.arange(1, 100 * len(text) + 1) % 1000 / 2000 + 0.1).astype(np.float32)


@pytest.fixture
def voice() -> RampVoice:
    return RampVoice()
