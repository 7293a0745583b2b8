"""Playback that can be stopped at once.

The player makes sound ahead in a thread of its own and hands it out in small blocks. Who takes them sets
the pace:

* ``Player(voice, sink)`` plays by itself: a thread writes to the sink, never more than ``lead_s`` ahead of
  the clock, so that at most that much is still heard after a cancel.
* ``Player(voice)`` is pulled: whoever has a clock of its own (a duplex audio callback, a simulation that
  runs on the samples of a WAV file) calls :meth:`Player.pull` for each block.

Both ways :attr:`Player.far_end` knows every sample that was played, and when.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from carvoice.records import SAMPLE_RATE_HZ, FloatArray
from carvoice.trace import Clock
from carvoice.tts.farend import FarEndTap
from carvoice.tts.utterance import OVER, PlaybackEvent, PlaybackState, Utterance
from carvoice.tts.voice import Voice
from carvoice.tts.volume import FADE_SAMPLES, Loudness, checked_gain

_log = logging.getLogger(__name__)

_BLOCK = SAMPLE_RATE_HZ // 100
_AHEAD = 20 * SAMPLE_RATE_HZ  # sound made before it is needed


class Sink(Protocol):
    """A loudspeaker or a file."""

    def write(self, samples: FloatArray) -> object:
        """Take float32 mono 16 kHz samples; may wait until there is room."""
        ...

    def close(self) -> None:
        """Release the device."""
        ...


class Player:
    """Speaks texts one after the other. All methods may be called from any thread.

    Args:
        voice: makes the sound.
        sink: where it plays; None to be pulled.
        on_event: told when an utterance starts and ends, from the thread that plays (or cancels); keep it
            short, it must not call back into the player.
        clock: seconds; the stream clock if the far end is to line up with the microphone's blocks.
        lead_s: how far ahead of the clock the sink is fed.
        latency_s: the device's own delay, added to the times in :attr:`far_end`.
    """

    def __init__(
        self,
        voice: Voice,
        sink: Sink | None = None,
        *,
        on_event: Callable[[PlaybackEvent], None] = lambda event: None,
        clock: Clock = time.monotonic,
        lead_s: float = 0.04,
        latency_s: float = 0.0,
    ) -> None:
        self._voice = voice
        self._sink = sink
        self.on_event = on_event
        self._clock = clock
        self._lead_s = lead_s
        self._latency_s = latency_s
        self.far_end = FarEndTap()
        self._changed = threading.Condition()
        self._queue: deque[Utterance] = deque()
        self._next_id = 1
        self._next_sample_s = 0.0
        self._is_paused = False
        self._fading: FloatArray | None = None
        self._loudness = Loudness()
        self._is_closed = False
        self._threads = [threading.Thread(target=self._synthesize, name="tts", daemon=True)]
        if sink is not None:
            self._threads.append(threading.Thread(target=self._play, name="playback", daemon=True))
        for thread in self._threads:
            thread.start()

    # ---- what to say -----------------------------------------------------------------------------

    def say(self, text: str) -> int:
        """Speak after what is already queued; returns the utterance's id."""
        utterance_id = self.open()
        self.append(utterance_id, text)
        self.finish(utterance_id)
        return utterance_id

    def open(self) -> int:
        """Begin an utterance whose text comes in parts."""
        with self._changed:
            utterance = Utterance(self._next_id)
            self._next_id += 1
            self._queue.append(utterance)
            return utterance.id

    def append(self, utterance_id: int, text: str) -> None:
        """Add text to an open utterance; each sentence is spoken as soon as it is whole."""
        with self._changed:
            if (utterance := self._find(utterance_id)) is not None:
                utterance.pieces.extend(utterance.chunker.feed(text))
                self._changed.notify_all()

    def finish(self, utterance_id: int) -> None:
        """No more text will come for this utterance."""
        with self._changed:
            if (utterance := self._find(utterance_id)) is not None:
                utterance.pieces.extend(utterance.chunker.flush())
                utterance.complete = True
                self._changed.notify_all()

    def cancel(self) -> None:
        """Stop speaking and forget all that was to be said; nothing new is heard after 5 ms + lead."""
        with self._changed:
            self._start_fade()
            dropped, events = list(self._queue), []
            for utterance in dropped:
                utterance.state = PlaybackState.CANCELLED
                events.append(self._event(utterance))
            self._queue.clear()
            self._is_paused = self._loudness.is_ducked = False
            self._changed.notify_all()
        for event in events:
            self.on_event(event)

    def duck(self, on: bool) -> None:
        """Go on 20 dB softer, or as before; :meth:`cancel` and :meth:`resume` end it too."""
        with self._changed:
            self._loudness.is_ducked = on

    def pause(self) -> None:
        """Fall silent at once, keeping the place."""
        with self._changed:
            if not self._is_paused:
                self._start_fade()
                self._is_paused = True

    def resume(self) -> None:
        """Go on after a pause, from about a word before."""
        with self._changed:
            if self._is_paused and self._queue:
                self._queue[0].rewind()
            self._is_paused = self._loudness.is_ducked = False
            self._fading = None
            self._changed.notify_all()

    # ---- how it sounds, and where it is ------------------------------------------------------------

    @property
    def volume(self) -> float:
        """The driver's wish, a linear gain; changes are ramped over 5 ms."""
        return self._loudness.volume

    @volume.setter
    def volume(self, gain: float) -> None:
        self._loudness.volume = checked_gain(gain)

    @property
    def surroundings(self) -> float:
        """What speed and noise ask for beside the volume, linear; see :func:`carvoice.tts.speaking_gain`."""
        return self._loudness.surroundings

    @surroundings.setter
    def surroundings(self, gain: float) -> None:
        self._loudness.surroundings = checked_gain(gain)

    @property
    def is_speaking(self) -> bool:
        """Whether anything is being said or waits to be said (also while paused)."""
        return bool(self._queue)

    @property
    def progress_s(self) -> float:
        """Seconds of the present utterance that were played."""
        with self._changed:
            return self._queue[0].played / SAMPLE_RATE_HZ if self._queue else 0.0

    def wait_ready(self, length: int, timeout_s: float) -> bool:
        """Wait until ``length`` samples can be pulled without a gap, or all that is to be said is ready.

        For simulations that run faster than real time and must not outrun the voice.
        """
        with self._changed:
            return self._changed.wait_for(lambda: self._is_ready(length), timeout_s)

    def _is_ready(self, length: int) -> bool:
        if self._is_paused:
            return True
        for utterance in self._queue:
            length -= utterance.made - utterance.played
            if length <= 0:
                return True
            if not utterance.rendered:
                return not utterance.pieces and not utterance.complete and not utterance.is_rendering
        return True

    def pull(self, length: int, at_s: float | None = None) -> FloatArray:
        """The next samples to play, silence included: float32, shape (length,).

        Args:
            length: number of samples.
            at_s: time at which the first of them plays; by default right after the last ones.
        """
        events: list[PlaybackEvent] = []
        with self._changed:
            if at_s is not None:
                self._next_sample_s = at_s
            sound = np.zeros(length, np.float32)
            filled = 0
            if self._fading is not None:
                part = self._fading[:length]
                sound[: len(part)] = part
                filled = len(part) if self._is_paused or not self._queue else 0
                self._fading = None
            while filled < length and self._queue and not self._is_paused:
                utterance = self._queue[0]
                part = utterance.take(length - filled)
                if len(part):
                    if utterance.state is PlaybackState.WAITING:
                        utterance.state = PlaybackState.PLAYING
                        events.append(self._event(utterance, filled))
                    sound[filled : filled + len(part)] += part
                    filled += len(part)
                    utterance.forget()
                elif utterance.rendered:
                    if utterance.state is not PlaybackState.FAILED:
                        utterance.state = PlaybackState.FINISHED
                    events.append(self._event(utterance, filled))
                    self._queue.popleft()
                else:
                    break  # synthesis is behind
            self._loudness.apply(sound)
            self.far_end.write(sound, self._next_sample_s + self._latency_s)
            self._next_sample_s += length / SAMPLE_RATE_HZ
            self._changed.notify_all()
        for event in events:
            self.on_event(event)
        return sound

    def close(self) -> None:
        """Stop, end the threads and close the sink."""
        self.cancel()
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()
        if self._sink is not None:
            self._sink.close()

    def __enter__(self) -> Player:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # ---- inside ----------------------------------------------------------------------------------

    def _find(self, utterance_id: int) -> Utterance | None:
        return next((utterance for utterance in self._queue if utterance.id == utterance_id), None)

    def _event(self, utterance: Utterance, offset: int = 0) -> PlaybackEvent:
        return PlaybackEvent(
            utterance.id,
            utterance.state,
            self._next_sample_s + offset / SAMPLE_RATE_HZ + self._latency_s,
            utterance.played / SAMPLE_RATE_HZ,
            utterance.detail,
        )

    def _start_fade(self) -> None:
        if self._queue and not self._is_paused and self._queue[0].state is PlaybackState.PLAYING:
            tail = self._queue[0].at(self._queue[0].played, FADE_SAMPLES)
            self._fading = tail * np.linspace(1.0, 0.0, len(tail), dtype=np.float32)

    def _synthesize(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._work() is not None)
                if self._is_closed:
                    return
                utterance = self._work()
                assert utterance is not None
                if not utterance.pieces:
                    utterance.rendered = True
                    self._changed.notify_all()
                    continue
                piece = utterance.pieces.popleft()
                utterance.is_rendering = True
            self._render(utterance, piece)

    def _work(self) -> Utterance | None:
        """The first utterance that has text to make sound of, or that has had its last."""
        for utterance in self._queue:
            if not utterance.rendered and (utterance.pieces or utterance.complete):
                return utterance
        return None

    def _render(self, utterance: Utterance, piece: str) -> None:
        sounds = self._voice.synthesize(piece)
        try:
            for sound in sounds:
                with self._changed:
                    utterance.chunks.append(sound)
                    utterance.made += len(sound)
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._can_go_on(utterance))
                    if self._is_closed or utterance.state in OVER:
                        return
        except Exception as error:  # whatever a voice does, the player goes on
            with self._changed:
                if utterance.state is not PlaybackState.CANCELLED:
                    utterance.state, utterance.detail = PlaybackState.FAILED, str(error)
                utterance.pieces.clear()
                utterance.rendered = True
                self._changed.notify_all()
        finally:
            close = getattr(sounds, "close", None)
            if close is not None:
                close()
            with self._changed:
                utterance.is_rendering = False
                self._changed.notify_all()

    def _can_go_on(self, utterance: Utterance) -> bool:
        is_stopped = self._is_closed or utterance.state in OVER
        return is_stopped or utterance.made - utterance.played < _AHEAD

    def _play(self) -> None:
        assert self._sink is not None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed or self._can_play())
                if self._is_closed and self._fading is None:
                    return
                now_s = self._clock()
                ahead_s = self._next_sample_s - now_s
                if ahead_s > self._lead_s:
                    self._changed.wait(ahead_s - self._lead_s)
                    continue
                at_s = max(now_s, self._next_sample_s)
            sound = self.pull(_BLOCK, at_s)
            try:
                self._sink.write(sound)
            except Exception as error:  # pulled out: this is lost, the next utterance tries again
                _log.error("the loudspeaker failed: %s", error)
                self._fail(str(error))

    def _fail(self, detail: str) -> None:
        """Nothing of what is queued can be heard."""
        with self._changed:
            events = []
            for utterance in self._queue:
                utterance.state, utterance.detail = PlaybackState.FAILED, detail
                events.append(self._event(utterance))
            self._queue.clear()
            self._fading = None
            self._is_paused = self._loudness.is_ducked = False
            self._changed.notify_all()
        for event in events:
            self.on_event(event)

    def _can_play(self) -> bool:
        if self._fading is not None:
            return True
        if self._is_paused or not self._queue:
            return False
        head = self._queue[0]
        return head.rendered or head.made > head.played
