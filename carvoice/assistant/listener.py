"""From microphone blocks to what was heard: front end, speech gate, recognizer, endpoint."""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from carvoice.asr.endpoint import Endpoint, Endpointer, EndReason
from carvoice.asr.recognizer import RecognizerStream
from carvoice.asr.talk import TalkBefore
from carvoice.assistant.noise import NoiseLevel
from carvoice.assistant.onset import SpeechOnset
from carvoice.audio import FrontEnd, FrontEndOutput
from carvoice.dialogue.events import (
    Activated,
    Heard,
    Input,
    PartFailed,
    SpeechBegan,
    SpeechEnded,
    SpeechSuspected,
)
from carvoice.records import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    AudioBlock,
    FloatArray,
    Hypothesis,
    PrefixState,
    Span,
    Zone,
)
from carvoice.trace import Clock

if TYPE_CHECKING:
    from carvoice.asr.wake import Wake, WakeStream

_log = logging.getLogger(__name__)

_PRE_ROLL_FRAMES = 40
_PRESSED_FRAMES = 30  # somebody who presses the button while speaking began to speak to us about then
_MEMORY_FRAMES = 120
_FRAMES_KEPT = 200
_SURE_WORD = 0.1
_ASKED = (EndReason.COMPLETE, EndReason.PAUSE)  # the endpointer had a preview made in this very pause
_ZONES = dict(enumerate((Zone.DRIVER, Zone.PASSENGER, Zone.REAR_LEFT, Zone.REAR_RIGHT)))


class PrefixParser(Protocol):
    """Says what a word prefix is to the grammar (:class:`carvoice.nlu.Understander`)."""

    def prefix(self, text: str) -> PrefixState:
        """Dead, viable, complete or final."""
        ...


class Listener:
    """Hears blocks, posts what a dialogue needs to know.

    :meth:`hear` is for one thread at a time, :meth:`hold` and :meth:`end_utterance` for any.

    The recognizer runs only while there is speech, from a little before it began: cabin noise costs
    nothing and cannot become words.

    Args:
        front_end: cancels echo, suppresses noise, tells speech from noise.
        stream: of the recognizer.
        endpointer: decides when a command is over.
        parser: what the words so far are to the grammar.
        post: takes the events, in order.
        wake: spots the wake phrase; None when there is none.
        clock: monotonic seconds, for the spans only; decisions rest on the stream clock.

    Attributes:
        on_block: told every block before anything is made of it.
        faults: how often the recognizer failed; each costs what was being said, and no more.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        stream: RecognizerStream,
        endpointer: Endpointer,
        parser: PrefixParser,
        post: Callable[[Input], None],
        wake: WakeStream | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._front_end = front_end
        self._stream = stream
        self._endpointer = endpointer
        self._parser = parser
        self._post = post
        self._wake = wake
        self._clock = clock
        self._onset = SpeechOnset()
        self._noise = NoiseLevel()
        self._pre_roll: deque[tuple[FloatArray, FloatArray]] = deque()
        self._pre_roll_n = 0
        self._position = 0
        self._in_speech = False
        self._trace_id = ""
        self._said = self._previewed = ""
        self._frame_ms: deque[float] = deque(maxlen=_FRAMES_KEPT)
        self._starts_anew = self._ends_now = False
        self._talk = TalkBefore()
        self._is_called = False
        self._has_told = False
        self.on_block: Callable[[AudioBlock], None] = lambda block: None
        self.faults = 0

    @property
    def now_s(self) -> float:
        """Stream time of the last sample that left the front end."""
        return self._position / SAMPLE_RATE_HZ

    @property
    def in_speech(self) -> bool:
        """Whether an utterance is being heard."""
        return self._in_speech

    @property
    def is_failing(self) -> bool:
        """Whether the recognizer's last try failed."""
        return self._has_told

    @property
    def noise_db(self) -> float | None:
        """Cabin noise at the microphone, dBFS, while nobody speaks; None before it is known."""
        return self._noise.level_db

    def hold(self, on: bool) -> None:
        """The talk button goes down (listen from now, through any pause), or up."""
        self._endpointer.is_held = on
        if on:
            self._starts_anew = True

    def end_utterance(self) -> None:
        """The talker says that this was all."""
        self._ends_now = True

    def hear(self, block: AudioBlock) -> None:
        """Take a block from the microphone."""
        self.on_block(block)
        started_s = self._clock()
        out = self._front_end.process(block.near, block.far)
        frames = len(out)
        if frames == 0:
            return
        self._frame_ms.append((self._clock() - started_s) * 1e3 / frames)
        self._position += len(out.asr)
        self._noise.update(out)
        self._remember(out.asr, out.speech)
        try:
            self._recognize(out)
        except Exception:
            _log.exception("the recognizer failed")
            self._lose_utterance()

    def _recognize(self, out: FrontEndOutput) -> None:
        sound, speech = out.asr, out.speech
        starts_anew, self._starts_anew = self._starts_anew, False
        ends_now, self._ends_now = self._ends_now, False
        wake = next(iter(self._wake.accept(sound)), None) if self._wake is not None else None
        if wake is not None:
            self._post(Activated("wake"))
        if wake is not None or starts_anew:
            self._is_called = True
        if not self._in_speech:
            if not self._onset.update(speech, over_reply=bool(out.far_active.any())):
                if self._onset.is_suspected:
                    self._post(SpeechSuspected())
                return
            sound, speech = self._begin()
        elif wake is not None:  # what follows in the same breath is the command
            sound, speech = self._restart(wake)
        elif starts_anew:
            sound, speech = self._open(_PRESSED_FRAMES)
        self._stream.accept(sound)
        self._report_partial()
        prefix_s = self._clock()
        endpoint = self._endpointer.update(speech, self._prefix)
        if endpoint is None and ends_now:
            endpoint = self._endpointer.end()
        if endpoint is not None:
            self._end(endpoint, _ZONES.get(int(out.zone[-1]), Zone.UNKNOWN), prefix_s)

    def _lose_utterance(self) -> None:
        """Say so once; then not again before something was recognized."""
        self.faults += 1
        self._onset.reset()
        if self._in_speech:
            self._in_speech = False
            self._post(SpeechEnded())
        if not self._has_told:
            self._has_told = True
            self._post(PartFailed("recognizer"))

    def _begin(self) -> tuple[FloatArray, FloatArray]:
        """Open an utterance with what was heard just before."""
        self._in_speech = True
        self._trace_id = uuid.uuid4().hex[:16]
        self._post(SpeechBegan())
        return self._open(_PRE_ROLL_FRAMES)

    def _open(self, frames: int) -> tuple[FloatArray, FloatArray]:
        """Set recognizer and endpointer to the last frames that were heard; returns these."""
        sound = np.concatenate([piece for piece, _ in self._pre_roll])[-frames * FRAME_SAMPLES :]
        speech = np.concatenate([probabilities for _, probabilities in self._pre_roll])[-frames:]
        start_s = self.now_s - len(sound) / SAMPLE_RATE_HZ
        self._stream.reset(start_s)
        self._endpointer.reset(start_s)
        self._said = self._previewed = ""
        return sound, speech

    def _restart(self, wake: Wake) -> tuple[FloatArray, FloatArray]:
        """Begin the utterance anew with what was heard after the wake phrase."""
        frames = max(1, round((self.now_s - wake.end_s) * SAMPLE_RATE_HZ / FRAME_SAMPLES))
        return self._open(frames)

    def _prefix(self) -> PrefixState:
        """What the words so far are, with all the sound decoded (not only what the model has let out).

        A last word that the sound hardly supports is the decoder's guess at what is still being said; a weak
        "the" before it is only slurred.
        """
        heard = self._stream.preview()
        if heard.text not in (self._previewed, self._said):  # known to whoever prepares for these words
            self._previewed = heard.text
            self._post(Heard(heard, trace_id=self._trace_id))
        score = heard.words[-1].score if heard.words else None
        is_guess = score is not None and score < _SURE_WORD
        return self._parser.prefix(heard.text) if heard.text and not is_guess else PrefixState.VIABLE

    def _report_partial(self) -> None:
        partial = self._stream.partial()
        if partial.text != self._said:
            self._said = partial.text
            self._post(Heard(partial, trace_id=self._trace_id))

    def _end(self, endpoint: Endpoint, zone: Zone, since_s: float) -> None:
        final = self._stream.finish(as_previewed=endpoint.reason in _ASKED)
        if endpoint.speech_end_s is not None:
            begin_s = self._endpointer.speech_start_s or 0.0
            final = self._talk.weigh(final, begin_s, endpoint.speech_end_s, is_called=self._is_called)
            self._is_called = False
        asr_ms = (self._clock() - since_s) * 1e3
        self._onset.reset()
        self._post(SpeechEnded())
        if endpoint.speech_end_s is not None:
            self._has_told = False
            self._post(self._heard(final, endpoint, endpoint.speech_end_s, zone, since_s, asr_ms))
        self._in_speech = False  # now only: who waits for quiet must find the words posted

    def _heard(
        self, final: Hypothesis, endpoint: Endpoint, end_s: float, zone: Zone, since_s: float, asr_ms: float
    ) -> Heard:
        waited_ms = (endpoint.decided_s - end_s) * 1e3
        spans = (
            Span("front_end", since_s, float(np.percentile(self._frame_ms, 95))),
            Span("endpoint", since_s - waited_ms / 1e3, waited_ms),
            Span("asr", since_s, asr_ms),
        )
        return Heard(replace(final, speech_end_s=end_s), zone, spans, self._trace_id)

    def _remember(self, sound: FloatArray, speech: FloatArray) -> None:
        self._pre_roll.append((sound, speech))
        self._pre_roll_n += len(speech)
        while self._pre_roll_n - len(self._pre_roll[0][1]) >= _MEMORY_FRAMES:
            self._pre_roll_n -= len(self._pre_roll.popleft()[1])
