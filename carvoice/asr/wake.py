"""Hear a wake phrase with the embedded acoustic model; any phrase, no training.

Through the phones of the phrase runs a CTC Viterbi search whose paths may begin at any frame. A
path's score is its log ratio to the best labels of the same frames, per phone, as in
:mod:`carvoice.asr.alignment`: 0 means that the network would have written exactly this phrase. The
phrase is reported at the peak of a score above the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.features import FloatMatrix
from carvoice.asr.recognizer import checked
from carvoice.errors import ConfigError
from carvoice.grammar.lexicon import Lexicon
from carvoice.records import FloatArray

_NEVER = np.float32(-1e9)
_MOST_SPELLINGS = 24


@dataclass(frozen=True, slots=True)
class WakeSettings:
    """When a phrase counts as heard.

    Attributes:
        threshold: least score, log ratio per phone; nearer to 0 is stricter.
        max_phone_s: a phrase lasts at most this long per phone.
        settle_s: how long the score must not get better before the phrase is reported.
        rest_s: how long nothing is reported after it.
    """

    threshold: float = -1.3
    max_phone_s: float = 0.2
    settle_s: float = 0.12
    rest_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Wake:
    """A wake phrase heard: its text, its score (0 is perfect), and when it was said (stream clock)."""

    phrase: str
    score: float
    start_s: float
    end_s: float


class WakeSpotter:
    """Listens for phrases. Thread-safe; streams hold the state.

    Args:
        acoustic: the network.
        phrases: what to listen for, e.g. ``("hey car",)``.
        lexicon: says how the words sound.
        settings: thresholds.

    Raises:
        ConfigError: no phrases, or one with fewer than three phones, which would be heard everywhere.
    """

    def __init__(
        self,
        acoustic: AcousticModel,
        phrases: Iterable[str],
        lexicon: Lexicon,
        settings: WakeSettings | None = None,
    ) -> None:
        self.acoustic = acoustic
        self.settings = settings or WakeSettings()
        self.phrases = tuple(" ".join(phrase.lower().split()) for phrase in phrases)
        if not self.phrases or not all(self.phrases):
            raise ConfigError("wake phrases: name at least one phrase, such as 'hey car'")
        spelled = [(phrase, labels) for phrase in self.phrases for labels in self._spellings(phrase, lexicon)]
        # All spellings side by side, as label, blank, label, ...; each begins with a label.
        self.states = np.concatenate(
            [np.array([x for label in labels for x in (label, 0)][:-1]) for _, labels in spelled]
        )
        lengths = np.array([2 * len(labels) - 1 for _, labels in spelled])
        self.ends = np.cumsum(lengths) - 1
        self.begins = self.ends - lengths + 1
        self.owners = tuple(phrase for phrase, _ in spelled)
        self.phones = np.array([len(labels) for _, labels in spelled])
        inner = np.ones(len(self.states), bool)
        inner[self.begins] = False
        self.may_step = inner
        self.may_skip = inner.copy()
        self.may_skip[2:] &= (self.states[2:] != 0) & (self.states[2:] != self.states[:-2])
        self.may_skip[self.begins[self.begins + 1 < len(self.states)] + 1] = False
        frames_per_phone = self.settings.max_phone_s * 1000 / acoustic.frame_ms
        self.max_frames = np.repeat((self.phones * frames_per_phone).astype(np.int32), lengths)

    def _spellings(self, phrase: str, lexicon: Lexicon) -> list[tuple[int, ...]]:
        ways: list[tuple[int, ...]] = [()]
        for word in phrase.split():
            sounds = [
                tuple(self.acoustic.tokens[phone] for phone in said) for said in lexicon.pronunciations(word)
            ]
            ways = [way + sound for way in ways for sound in sounds][:_MOST_SPELLINGS]
        if min(map(len, ways)) < 3:
            raise ConfigError(f"wake phrase {phrase!r} is too short: it needs at least three phones")
        return list(dict.fromkeys(ways))

    def create_stream(self) -> WakeStream:
        """A stream at the beginning of the sound."""
        return WakeStream(self)


class WakeStream:
    """Takes sound, gives wake phrases. One thread at a time."""

    def __init__(self, spotter: WakeSpotter) -> None:
        self._spotter = spotter
        self.reset()

    def reset(self, start_s: float = 0.0) -> None:
        """Forget everything; the next sample is at ``start_s`` on the stream clock."""
        self._start_s = start_s
        self._acoustic = self._spotter.acoustic.create_stream()
        self._frame = 0
        self._scores = np.full(len(self._spotter.states), _NEVER, np.float32)
        self._since: NDArray[np.int32] = np.zeros(len(self._scores), np.int32)
        self._best: tuple[int, Wake] | None = None  # frame of the peak
        self._quiet_until = 0

    def accept(self, samples: FloatArray) -> list[Wake]:
        """Take sound, float32 (n,) in ±1, 16 kHz; returns the phrases that ended in it.

        Raises:
            AudioFormatError: wrong shape or dtype, or NaN or infinity in it.
        """
        return self.accept_rows(self._acoustic.accept(checked(samples)))

    def accept_rows(self, log_probs: FloatMatrix) -> list[Wake]:
        """The same for log-probabilities (frames, tokens) computed elsewhere."""
        found = []
        for row in log_probs:
            heard = self._step(row)
            if heard is not None:
                found.append(heard)
        return found

    def _step(self, row: NDArray[np.float32]) -> Wake | None:
        spotter = self._spotter
        ratio = (row - row.max())[spotter.states]
        scores, since = self._scores, self._since
        frame = self._frame

        best, origin = scores.copy(), since.copy()
        self._improve(best, origin, scores, since, spotter.may_step, 1)
        self._improve(best, origin, scores, since, spotter.may_skip, 2)
        fresh = best[spotter.begins] < 0.0  # a new path may begin at any frame, and has cost nothing yet
        best[spotter.begins] = np.where(fresh, 0.0, best[spotter.begins])
        origin[spotter.begins] = np.where(fresh, frame, origin[spotter.begins])
        best += ratio
        best[frame - origin >= spotter.max_frames] = _NEVER
        self._scores, self._since = best, origin
        self._frame += 1
        return self._decide(best[spotter.ends] / spotter.phones, origin[spotter.ends])

    @staticmethod
    def _improve(
        best: NDArray[np.float32],
        origin: NDArray[np.int32],
        scores: NDArray[np.float32],
        since: NDArray[np.int32],
        allowed: NDArray[np.bool_],
        distance: int,
    ) -> None:
        better = allowed[distance:] & (scores[:-distance] > best[distance:])
        best[distance:][better] = scores[:-distance][better]
        origin[distance:][better] = since[:-distance][better]

    def _decide(self, scores: NDArray[np.float32], since: NDArray[np.int32]) -> Wake | None:
        settings, frame = self._spotter.settings, self._frame - 1
        frame_s = self._spotter.acoustic.frame_ms / 1000
        if frame < self._quiet_until:
            return None
        top = int(scores.argmax())
        score = float(scores[top])
        if score >= settings.threshold and (self._best is None or score > self._best[1].score):
            wake = Wake(
                self._spotter.owners[top], score, self._time_s(int(since[top])), self._time_s(frame + 1)
            )
            self._best = (frame, wake)
            return None
        if self._best is None or (frame - self._best[0]) * frame_s < settings.settle_s:
            return None
        wake = self._best[1]
        self._best = None
        self._quiet_until = frame + int(settings.rest_s / frame_s)
        return wake

    def _time_s(self, frame: int) -> float:
        model = self._spotter.acoustic
        return self._start_s + max(0.0, frame * model.frame_ms / 1000 - model.look_ahead_ms / 1000)
