"""Score recordings: what share is understood, at which noise, and whether confidence means anything.

A folder of recordings holds sound files and ``labels.json``::

    {"0001.flac": {"intent": "HassTurnOn", "slots": {"name": "radio"}, "text": "turn on the radio"}, ...}

A recording with no intent is one that must be rejected. ``text`` is optional; with it the word error
rate is given too. Recordings are spread over processes; each builds its own recognizer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import soundfile
from rapidfuzz.distance import Levenshtein

from carvoice.errors import AudioError, ConfigError
from carvoice.records import SAMPLE_RATE_HZ, FloatArray, Hypothesis

_CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10
_ACTIVE_BELOW_PEAK = 10 ** (-25 / 10)

Understood: TypeAlias = tuple[str, Mapping[str, Any]]
"""Intent ("" when rejected) and slot values."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A sound file and what it means; intent "" when it is no command."""

    path: Path
    intent: str
    slots: Mapping[str, Any]
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """Noise added to the recordings.

    Attributes:
        name: for the report.
        noise: makes n samples of noise of any level from a random generator; None for clean.
        snr_db: level of the active speech above the noise.
    """

    name: str
    noise: Callable[[int, np.random.Generator], FloatArray] | None = None
    snr_db: float = 0.0

    def apply(self, sound: FloatArray, seed: Sequence[int]) -> FloatArray:
        """The recording in this noise; the same seed gives the same noise."""
        if self.noise is None:
            return sound
        noise = self.noise(len(sound), np.random.default_rng(seed))
        gain = np.sqrt(active_power(sound) / (np.mean(np.square(noise)) + 1e-12)) * 10 ** (-self.snr_db / 20)
        return np.asarray(sound + gain * noise, np.float32)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording in one condition.

    Attributes:
        verdict: "right" (intent and every labelled slot), "wrong" (another command), "rejected".
        exact: right, and no slot too many.
        confidence: what the recognizer gave, None if it gives none.
        sound_s, compute_s: length of the sound, processor time spent on it.
        final_ms: wall time of the last step, after all sound was taken.
    """

    file: str
    condition: str
    heard: str
    said: str | None
    verdict: str
    exact: bool
    command: bool
    confidence: float | None
    sound_s: float
    compute_s: float
    final_ms: float


class Ear(Protocol):
    """Recognizer and understanding, built in each process."""

    def hear(self, sound: FloatArray, chunk_samples: int) -> tuple[Hypothesis, Understood, float]:
        """Recognize a whole recording; returns also the milliseconds the last step took."""


def load_recordings(folder: Path) -> list[Recording]:
    """Read ``labels.json`` of a folder.

    Raises:
        ConfigError: it is missing or malformed, or names a file that is not there.
    """
    labels = folder / "labels.json"
    try:
        entries = json.loads(labels.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{labels}: cannot be read ({error})") from None
    recordings = []
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise ConfigError(f"{labels}: entry of {name!r} must be an object with intent, slots, text")
        if not (folder / name).is_file():
            raise ConfigError(f"{labels}: names {name!r}, which is not in {folder}")
        recordings.append(
            Recording(folder / name, entry.get("intent") or "", entry.get("slots", {}), entry.get("text"))
        )
    return recordings


def active_power(sound: FloatArray) -> float:
    """Mean power of the 20 ms frames within 25 dB of the loudest: the level of speech, not of pauses."""
    frames = sound[: len(sound) // 320 * 320].reshape(-1, 320)
    if not len(frames):
        return 0.0
    power = np.mean(np.square(frames), axis=1)
    return float(np.mean(power[power >= power.max() * _ACTIVE_BELOW_PEAK]))


def read_sound(path: Path) -> FloatArray:
    """A 16 kHz recording as float32 mono.

    Raises:
        AudioError: it cannot be read or has another rate.
    """
    try:
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: cannot be read ({error})") from None
    if rate_hz != SAMPLE_RATE_HZ:
        raise AudioError(f"{path}: {rate_hz} Hz; recordings for evaluation must have {SAMPLE_RATE_HZ} Hz")
    return np.ascontiguousarray(sound.mean(axis=1), np.float32)


def evaluate(
    recordings: Sequence[Recording],
    build_ear: Callable[[], Ear],
    conditions: Sequence[Condition],
    *,
    processes: int = 1,
    executor: Executor | None = None,
) -> Iterator[Outcome]:
    """Hear every recording in every condition; outcomes come as they are ready.

    Args:
        recordings: what to hear.
        build_ear: makes recognizer and understanding; picklable when there are several processes.
        conditions: noises.
        processes: how many to start; 1 stays in this one.
        executor: used instead of own processes, e.g. a Dask client's executor for a fleet's recordings.
    """
    if executor is None and processes <= 1:
        ear = build_ear()
        for number, recording in enumerate(recordings):
            yield from _hear_all(ear, recording, conditions, number)
        return
    own = ProcessPoolExecutor(processes) if executor is None else None
    pool = executor or own
    assert pool is not None
    try:
        jobs = [pool.submit(_job, build_ear, item, conditions, n) for n, item in enumerate(recordings)]
        for job in jobs:
            yield from job.result()
    finally:
        if own is not None:
            own.shutdown(cancel_futures=True)


_ears: dict[str, Ear] = {}  # one per worker process and recipe


def _job(
    build_ear: Callable[[], Ear], recording: Recording, conditions: Sequence[Condition], number: int
) -> list[Outcome]:
    key = repr(build_ear)
    if key not in _ears:
        _ears[key] = build_ear()
    return list(_hear_all(_ears[key], recording, conditions, number))


def _hear_all(
    ear: Ear, recording: Recording, conditions: Sequence[Condition], number: int
) -> Iterator[Outcome]:
    clean = read_sound(recording.path)
    for index, condition in enumerate(conditions):
        sound = condition.apply(clean, (number, index))
        start_s = time.process_time()
        hypothesis, (intent, slots), final_ms = ear.hear(sound, _CHUNK_SAMPLES)
        compute_s = time.process_time() - start_s
        verdict, exact = judge(recording, intent, slots)
        yield Outcome(
            file=recording.path.name,
            condition=condition.name,
            heard=hypothesis.text,
            said=recording.text,
            verdict=verdict,
            exact=exact,
            command=bool(recording.intent),
            confidence=hypothesis.confidence,
            sound_s=len(sound) / SAMPLE_RATE_HZ,
            compute_s=compute_s,
            final_ms=final_ms,
        )


def judge(recording: Recording, intent: str, slots: Mapping[str, Any]) -> tuple[str, bool]:
    """("right" | "wrong" | "rejected", exact); rejecting what is no command is right."""
    if not intent:
        return ("rejected", False) if recording.intent else ("right", True)
    same = {name: _words(slots.get(name)) == _words(value) for name, value in recording.slots.items()}
    if intent != recording.intent or not all(same.values()):
        return "wrong", False
    return "right", set(slots) == set(recording.slots)


def _words(value: object) -> str:
    """A slot's value as text; labels written by hand differ in spaces."""
    return " ".join(str(value).split())


@dataclass(frozen=True, slots=True)
class Row:
    """A condition's figures; shares are 0..1, None where there is nothing to count."""

    condition: str
    count: int
    right: float
    exact: float
    wrong: float
    rejected: float
    word_error_rate: float | None
    real_time_factor: float
    final_ms_p95: float


def summarize(outcomes: Sequence[Outcome]) -> list[Row]:
    """One row per condition, in the order of their first outcome."""
    rows = []
    for name in dict.fromkeys(outcome.condition for outcome in outcomes):
        some = [outcome for outcome in outcomes if outcome.condition == name]
        texts = [
            (outcome.said.split(), outcome.heard.split()) for outcome in some if outcome.said is not None
        ]
        words = sum(len(said) for said, _ in texts)
        errors = sum(Levenshtein.distance(said, heard) for said, heard in texts)
        count = len(some)
        rows.append(
            Row(
                condition=name,
                count=count,
                right=sum(outcome.verdict == "right" for outcome in some) / count,
                exact=sum(outcome.exact for outcome in some) / count,
                wrong=sum(outcome.verdict == "wrong" for outcome in some) / count,
                rejected=sum(outcome.verdict == "rejected" for outcome in some) / count,
                word_error_rate=errors / words if words else None,
                real_time_factor=sum(o.compute_s for o in some) / sum(o.sound_s for o in some),
                final_ms_p95=float(np.percentile([outcome.final_ms for outcome in some], 95)),
            )
        )
    return rows


def reliability(outcomes: Sequence[Outcome], bins: int = 10) -> list[tuple[float, float, int]]:
    """(mean confidence, share right, count) in bins of equal width, for a reliability curve."""
    pairs = [(o.confidence, o.verdict == "right") for o in outcomes if o.confidence is not None and o.command]
    curve = []
    for index in range(bins):
        inside = [
            (confidence, right)
            for confidence, right in pairs
            if index / bins <= confidence < (index + 1) / bins or (confidence == 1.0 and index == bins - 1)
        ]
        if inside:
            mean = sum(confidence for confidence, _ in inside) / len(inside)
            curve.append((mean, sum(right for _, right in inside) / len(inside), len(inside)))
    return curve
