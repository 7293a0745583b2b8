"""The turn: idle, listening, thinking, speaking, driven by inputs and by time.

Everything that happens is posted as an input, from any thread; :meth:`Dialogue.run_pending` works the
inputs off in one thread and looks at the deadlines. Nothing here blocks but the actuator, which waits
for the car's status frame. :class:`~carvoice.dialogue.runner.DialogueRunner` is a thread that drives it;
tests and simulations call :meth:`Dialogue.run_pending` with a clock of their own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from carvoice.dialogue import events as ev
from carvoice.dialogue.acts import Adjustment
from carvoice.dialogue.answering import AnswerRun, Questions
from carvoice.dialogue.attention import Attention
from carvoice.dialogue.commands import Commander
from carvoice.dialogue.conversation import Conversation
from carvoice.dialogue.deadlines import Deadlines
from carvoice.dialogue.events import Event, Heard, Input, State
from carvoice.dialogue.floor import Floor
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.openquestion import OpenQuestion
from carvoice.dialogue.protocols import Actuator, CarState, Gate, Planner, Speaker, Understander
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.response import Response
from carvoice.dialogue.settings import DialogueSettings
from carvoice.dialogue.speech import Speech
from carvoice.dialogue.underway import Underway
from carvoice.llm import looks_like_question
from carvoice.llm.answer import Answerer
from carvoice.records import Reply, Zone
from carvoice.trace import Clock

_log = logging.getLogger(__name__)

_RETRY_ACT_S = 0.1
_RETRY_NOTICE_S = 0.5
_NOTICES = 4  # that wait; older ones are no news


class Dialogue:
    """The conversation.

    Args:
        understander: words to meaning.
        planner: meaning to actions.
        gate: the policy.
        actuator: acts.
        state: what the car said.
        replies: the sentences.
        acts: intents of the dialogue itself, e.g. ``{"SystemYes": "yes"}``; see
            :func:`carvoice.dialogue.load_acts`.
        adjustments: intent to the one that changes the same thing step by step; see
            :func:`carvoice.dialogue.load_adjustments`. None knows none.
        answerer: for open questions; None says that there is none.
        speaker: says replies; None for text only.
        settings: patience and thresholds.
        on_event: told everything, in order, from the driving thread.
        clock: seconds for time-outs; the stream clock where audio runs faster than real time.
        car_clock: monotonic seconds, the gate's clock; also for spans.
        now: wall-clock time, for "what time is it".
        is_question: tells open questions from chatter, given whether the talker activated us.
        car_facts: what a language model is told about the car with each question.
        start_answer: runs an answer; by default in a thread.
    """

    def __init__(
        self,
        *,
        understander: Understander,
        planner: Planner,
        gate: Gate,
        actuator: Actuator,
        state: CarState,
        replies: Replies,
        acts: Mapping[str, str],
        adjustments: Mapping[str, Adjustment] | None = None,
        answerer: Answerer | None = None,
        speaker: Speaker | None = None,
        settings: DialogueSettings | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
        clock: Clock = time.monotonic,
        car_clock: Clock = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        is_question: Callable[[str, bool], bool] = looks_like_question,
        car_facts: Callable[[], Mapping[str, str]] = dict,
        start_answer: Callable[[AnswerRun], None] = AnswerRun.start,
    ) -> None:
        self.settings = settings = settings or DialogueSettings()
        self.on_event = on_event
        self.wake_up = threading.Condition()
        self._understander = understander
        self._replies = replies
        self._inbox: deque[Input] = deque()
        self._deadlines = Deadlines(clock)
        self._attention = Attention(
            self._deadlines,
            settings.speech_s,
            lambda state, previous: self._underway.emit(ev.StateChanged(state, previous, clock())),
        )
        self._speech = Speech(
            speaker,
            self._deadlines,
            settings,
            lambda utterance_id: self._underway.emit(ev.Interrupted(utterance_id, True)),
            clock,
        )
        self._memory = Memory(settings.undo_steps, settings.exchanges, settings.exchange_s, clock)
        self._underway = Underway(self._speech, self._attention, self._memory, self._tell, car_clock)
        self._conversation = Conversation(
            understander,
            Commander(
                planner, gate, actuator, state, replies=replies, emit=self._underway.emit, clock=car_clock
            ),
            replies,
            self._memory,
            acts=acts,
            adjustments=adjustments or {},
            settings=settings,
            is_question=is_question,
            can_answer=answerer is not None,
            now=now,
        )
        self._question = OpenQuestion(
            Questions(answerer, self._deadlines, settings, self.post, start_answer),
            self._underway,
            self._speech,
            self._conversation,
            self._attention,
            self._memory,
            replies,
            car_facts,
        )
        self._floor = Floor(self._attention, self._speech, settings, self._underway.emit)
        self._notices: deque[ev.Notice] = deque(maxlen=_NOTICES)

    # ---- driving it --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the assistant is doing."""
        return self._attention.state

    @property
    def expects(self) -> str:
        """ "confirmation", "choice", "slot" or "": what the assistant waits to hear."""
        return self._conversation.expects

    @property
    def next_deadline_s(self) -> float | None:
        """When :meth:`run_pending` has to be called next if no input comes; None for never."""
        return self._deadlines.next_s

    @property
    def has_pending(self) -> bool:
        """Whether inputs wait to be worked off."""
        return bool(self._inbox)

    def post(self, item: Input) -> None:
        """Hand in an input; from any thread, returns at once."""
        with self.wake_up:
            self._inbox.append(item)
            self.wake_up.notify_all()

    def run_pending(self) -> None:
        """Work off all inputs and everything that has become due; always from the same thread."""
        while True:
            while self._inbox:
                self._guarded(self._handle, self._inbox.popleft())
            if (name := self._deadlines.take_due()) is None:
                return
            self._guarded(self._fire, name)

    def _guarded(self, work: Callable[[Any], None], item: object) -> None:
        """A fault in a room ends the turn with an apology, not the assistant."""
        try:
            work(item)
        except Exception:
            _log.exception("the dialogue failed at %r", item)
            try:
                self._apologize("error")
            except Exception:  # the voice is at fault: there is no way to say so
                _log.exception("the apology failed too")
                self._speech.ended()
                self._underway.end(interrupted=True)
                self._attention.rest()

    def _handle(self, item: Input) -> None:
        match item:
            case Heard():
                if self._floor.takes(item):
                    self._final(item)
                elif not item.hypothesis.is_final:
                    self._understander.expect(item.hypothesis.text)
            case ev.Activated():
                self._activate(item.zone)
            case ev.SpeechSuspected():
                self._floor.speech_suspected()
            case ev.SpeechBegan():
                self._floor.speech_began()
            case ev.SpeechEnded():
                self._floor.speech_ended()
            case ev.PlaybackBegan():
                self._underway.playback_began(item.utterance_id)
            case ev.PlaybackEnded():
                self._playback_ended(item.utterance_id)
            case ev.AnswerPart():
                self._question.take(item)
            case ev.AnswerEnded():
                if self._question.end(item):
                    self._spoken()
            case ev.PartFailed():
                self._apologize(f"{item.part}_lost")
            case ev.Notice():
                self._notices.append(item)
                self._give_notice()
            case ev.Cancelled():
                self._cancel_all()
            case ev.Probe():
                item.answer()

    def _fire(self, name: str) -> None:
        match name:
            case "listen" | "speech":
                self._window_closed()
            case "duck":
                self._speech.unduck()
            case "resume" | "held":
                self._speech.go_on()
            case "act":
                self._act_announced()
            case "notice":
                self._give_notice()
            case "thinking":
                self._question.say_one_moment()
            case "answer":
                if self._question.give_up():
                    self._spoken()
            case "playback":
                self._speech.given_up()
                self._spoken()

    # ---- 1. the floor is given to somebody ---------------------------------------------------------

    def _activate(self, zone: Zone) -> None:
        """Wake phrase or button: whatever we say or think of saying stops, and we listen."""
        if self._attention.is_busy():
            self._interrupt()
        self._attention.zone = zone
        self._attention.listen(self.settings.listen_s, addressed=True)

    # ---- 2. what they mean, and what is to be done -------------------------------------------------

    def _final(self, heard: Heard) -> None:
        turn = self._underway.draft(heard)
        with turn.trace.span("understanding"):
            turn.interpretations = self._understander.parse(heard.hypothesis)
        if self._attention.is_busy():
            if not self._conversation.is_meant_for_us(turn.interpretations, heard.hypothesis):
                self._speech.go_on()
                return
            self._interrupt()
        self._attention.speech_is_over()
        self._attention.take(heard.zone)
        self._underway.begin(turn)
        self._underway.emit(ev.Understood(turn.interpretations))
        attention = self._attention
        response = self._conversation.respond(
            heard.hypothesis,
            turn.interpretations,
            attention.zone,
            turn.trace,
            addressed=attention.is_addressed,
        )
        self._carry_on(response)

    # ---- 3. the reply ------------------------------------------------------------------------------

    def _carry_on(self, response: Response) -> None:
        """Say what a response says, or go and find the answer it asks for."""
        if self._underway.turn is not None:
            self._underway.turn.take(response)
        self._speech.change_volume(response.volume_steps)
        self._underway.goes_idle = response.to_idle
        if response.reply.kind == "announced":
            self._deadlines.drop("act")  # the cancel window begins when this has been said
        if response.question:
            self._question.ask(response.question)
        else:
            self._speak(response.reply)

    def _speak(self, reply: Reply) -> None:
        if not self._underway.speak(reply):
            self._spoken()

    def _playback_ended(self, utterance_id: int) -> None:
        if utterance_id == self._speech.utterance_id and self.state is State.SPEAKING:
            self._spoken()

    # ---- 4. the end of the turn, and what we listen for after it -----------------------------------

    def _spoken(self) -> None:
        """The reply is over: wait for the answer to our question, for more, or for nothing."""
        self._speech.ended()
        was_silent = self._underway.turn is not None and not self._underway.turn.reply.text
        self._underway.end()
        settings, attention = self.settings, self._attention
        if self._conversation.expects:
            attention.listen(settings.confirm_s, addressed=True)
        elif self._conversation.has_announced:
            if "act" not in self._deadlines:
                self._deadlines.arm("act", settings.cancel_window_s)
            attention.listen(max(settings.follow_up_s, settings.cancel_window_s), addressed=True)
        elif self._underway.goes_idle or settings.follow_up_s <= 0:
            attention.rest()
        elif was_silent and attention.is_open:
            attention.enter(State.LISTENING)  # silence was our reply: the window stays as it was
        else:
            attention.listen(settings.follow_up_s, addressed=False)

    def _window_closed(self) -> None:
        if self.state is not State.LISTENING:
            return
        self._attention.shut()
        if self._conversation.expects:
            self._underway.begin_own()
            self._carry_on(self._conversation.time_out())
        elif self._conversation.has_announced:
            self._act_announced()
        else:
            self._attention.rest()

    def _act_announced(self) -> None:
        """The cancel window has passed."""
        if not self._conversation.has_announced:
            return
        # The announcement is heard to its end, and whoever speaks now may be saying no.
        if self._attention.is_busy() or self._attention.hears_speech:
            self._deadlines.arm("act", _RETRY_ACT_S)
            return
        turn = self._underway.begin_own()
        self._carry_on(self._conversation.act_announced(turn.trace))

    def _give_notice(self) -> None:
        """Say what waits to be told, unless somebody speaks or may be about to."""
        if not self._notices:
            return
        attention = self._attention
        if attention.is_busy() or attention.hears_speech or attention.is_addressed:
            self._deadlines.arm("notice", _RETRY_NOTICE_S)
            return
        notice = self._notices.popleft()
        text = notice.text or self._replies.system(notice.key)
        self._underway.begin_own()
        self._carry_on(Response(Reply(text, "notice"), to_idle=True))
        if self._notices:
            self._deadlines.arm("notice", _RETRY_NOTICE_S)

    # ---- breaking off ------------------------------------------------------------------------------

    def _interrupt(self) -> None:
        """The driver has the floor: stop speaking, stop answering, end the turn."""
        if self.state is State.SPEAKING:
            self._underway.emit(ev.Interrupted(self._speech.utterance_id, False))
            self._speech.interrupted()
        self._silence()
        self._underway.end(interrupted=True)

    def _silence(self) -> None:
        self._question.cancel()
        self._speech.stop()

    def _cancel_all(self) -> None:
        self._silence()
        self._conversation.drop()
        self._deadlines.drop("act")
        self._underway.end(interrupted=True)
        self._attention.rest()

    def _apologize(self, key: str) -> None:
        """Something of ours is broken: one sentence about it ends the turn, and the next one works."""
        self._silence()
        self._conversation.drop()
        self._deadlines.drop("act")
        if self._underway.turn is not None and self._underway.turn.has_acted and key == "error":
            key = "error_midway"
        reply = Reply(self._replies.system(key) or self._replies.system("error"), "failed")
        if self._underway.turn is None:
            self._underway.begin_own()
        assert self._underway.turn is not None
        self._underway.turn.say(reply)
        self._speak(reply)

    def _tell(self, event: Event) -> None:
        self.on_event(event)
