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
from carvoice.dialogue.answering import AnswerRun
from carvoice.dialogue.commands import Commander
from carvoice.dialogue.conversation import Conversation, Response
from carvoice.dialogue.deadlines import Deadlines
from carvoice.dialogue.events import Event, Heard, Input, State
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.protocols import Actuator, CarState, Gate, Planner, Speaker, Understander
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.settings import DialogueSettings
from carvoice.dialogue.speech import Speech
from carvoice.dialogue.turn import TurnDraft
from carvoice.llm import looks_like_question
from carvoice.llm.answer import AnswerContext, Answerer
from carvoice.records import AnswerRecord, Hypothesis, Interpretation, Reply, Zone
from carvoice.trace import Clock

_log = logging.getLogger(__name__)

_BUSY = (State.SPEAKING, State.THINKING)
_RETRY_ACT_S = 0.1


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
        answerer: for open questions; None says that there is none.
        speaker: says replies; None for text only.
        settings: patience and thresholds.
        on_event: told everything, in order, from the driving thread.
        clock: seconds for time-outs; the stream clock where audio runs faster than real time.
        car_clock: monotonic seconds, the gate's clock; also for spans.
        now: wall-clock time, for "what time is it".
        is_question: tells open questions from chatter.
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
        answerer: Answerer | None = None,
        speaker: Speaker | None = None,
        settings: DialogueSettings | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
        clock: Clock = time.monotonic,
        car_clock: Clock = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
        is_question: Callable[[str], bool] = looks_like_question,
        car_facts: Callable[[], Mapping[str, str]] = dict,
        start_answer: Callable[[AnswerRun], None] = AnswerRun.start,
    ) -> None:
        self.settings = settings or DialogueSettings()
        self.on_event = on_event
        self.wake_up = threading.Condition()
        self._understander = understander
        self._replies = replies
        self._answerer = answerer
        self._clock = clock
        self._car_clock = car_clock
        self._car_facts = car_facts
        self._start_answer = start_answer
        self._memory = Memory(self.settings.undo_steps, self.settings.exchanges)
        self._conversation = Conversation(
            Commander(planner, gate, actuator, state, replies=replies, emit=self._emit, clock=car_clock),
            replies,
            self._memory,
            acts=acts,
            settings=self.settings,
            is_question=is_question,
            can_answer=answerer is not None,
            now=now,
        )
        self._inbox: deque[Input] = deque()
        self._deadlines = Deadlines(clock)
        self._speech = Speech(speaker, clock)
        self._state = State.IDLE
        self._turn: TurnDraft | None = None
        self._answer: AnswerRun | None = None
        self._answers = 0
        self._is_addressed = False  # the window was opened by the driver, or by a question of ours
        self._goes_idle = False
        self._zone = Zone.UNKNOWN

    # ---- driving it --------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """What the assistant is doing."""
        return self._state

    @property
    def expects(self) -> str:
        """ "confirmation", "choice" or "": what the assistant waits to hear."""
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
            self._silence()
            self._conversation.drop()
            self._deadlines.drop("act")
            self._say(Reply(self._replies.system("error"), "failed"))

    def _handle(self, item: Input) -> None:
        if isinstance(item, Heard):
            self._heard(item)
        elif isinstance(item, ev.Activated):
            self._activate(item.zone)
        elif isinstance(item, ev.SpeechBegan):
            self._speech_began()
        elif isinstance(item, ev.SpeechEnded):
            self._speech_ended()
        elif isinstance(item, ev.PlaybackBegan):
            if self._turn is not None and item.utterance_id == self._speech.utterance_id:
                self._turn.playback_began()
            if item.utterance_id == self._speech.utterance_id:
                self._speech.began()
        elif isinstance(item, ev.PlaybackEnded):
            if item.utterance_id == self._speech.utterance_id and self._state is State.SPEAKING:
                self._spoken()
        elif isinstance(item, ev.AnswerPart):
            self._answer_part(item)
        elif isinstance(item, ev.AnswerEnded):
            self._answer_ended(item)
        else:
            self._cancel_all()

    def _fire(self, name: str) -> None:
        if name in ("listen", "speech"):
            self._window_closed()
        elif name in ("resume", "held"):
            self._resume()
        elif name == "act":
            self._act_announced()
        elif name == "thinking":
            self._say_one_moment()
        elif name == "answer":
            self._answer_too_late()
        elif name == "playback":
            _log.error("utterance %d never ended; the loudspeaker seems dead", self._speech.utterance_id)
            self._silence()
            self._spoken()

    # ---- hearing -----------------------------------------------------------------------------------

    def _activate(self, zone: Zone) -> None:
        """Wake phrase or button: whatever we say or think of saying stops, and we listen."""
        if self._state in _BUSY:
            self._interrupt()
        self._zone = zone
        self._listen(self.settings.listen_s, addressed=True)

    def _speech_began(self) -> None:
        if self._state is State.IDLE and self.settings.open_microphone:
            self._listen(self.settings.listen_s, addressed=False)
        if self._state is State.LISTENING:
            self._deadlines.drop("listen")
            self._deadlines.arm("speech", self.settings.speech_s)
        elif self._state is State.SPEAKING:
            self._hold()

    def _hold(self) -> None:
        """Fall silent for whoever speaks; whether the reply is over is decided by what they say.

        A recognizer hears words in music too, so that a reply which was held for nothing a few times
        stops only for a sentence that was understood.
        """
        if self._speech.false_holds < self.settings.false_interruptions and self._speech.hold():
            self._deadlines.drop("playback")
            self._deadlines.arm("held", self.settings.longest_hold_s)
        if self._speech.is_held:
            self._deadlines.arm("resume", self.settings.false_interruption_s)

    def _speech_ended(self) -> None:
        if self._state is State.LISTENING and "speech" in self._deadlines:
            self._deadlines.drop("speech")
            self._deadlines.arm("listen", self.settings.listen_s)
        elif self._speech.is_held:
            self._deadlines.arm("resume", self.settings.false_interruption_s)

    def _heard(self, heard: Heard) -> None:
        is_closed = self._state is State.IDLE and not self.settings.open_microphone
        if is_closed or self._is_other_talker(heard.zone):
            return
        text, is_final = heard.hypothesis.text, heard.hypothesis.is_final
        if not is_final:
            self._emit(ev.Partial(heard.hypothesis))
        if self._state is State.SPEAKING and not self._is_interruption(text):
            if is_final:
                self._resume()
        elif not text:
            if is_final:
                self._speech_ended()
        elif is_final:
            self._final(heard)
        elif self._state is State.SPEAKING:
            self._hold()
        elif self._state is State.IDLE:
            self._listen_to_speech()

    def _is_other_talker(self, zone: Zone) -> bool:
        """Somebody else than who opened the conversation, as far as both seats are known."""
        is_known = zone is not Zone.UNKNOWN and self._zone is not Zone.UNKNOWN
        return self._state is not State.IDLE and is_known and zone is not self._zone

    def _is_interruption(self, text: str) -> bool:
        """Words that are neither a listener's noise nor our own reply leaking into the microphone."""
        words = text.lower().strip()
        return bool(words) and words not in self.settings.back_channels and not self._speech.is_echo(words)

    def _final(self, heard: Heard) -> None:
        text = heard.hypothesis.text
        turn = TurnDraft(heard, self._car_clock)
        with turn.trace.span("understanding"):
            turn.interpretations = self._understander.parse(heard.hypothesis)
        if self._state in _BUSY:
            if not self._conversation.is_meant_for_us(turn.interpretations, text):
                self._resume()
                return
            self._interrupt()
        self._deadlines.drop("speech")
        if heard.zone is not Zone.UNKNOWN:
            self._zone = heard.zone
        self._begin_turn(turn)
        self._emit(ev.Understood(turn.interpretations))
        self._carry_on(
            self._conversation.respond(
                text, turn.interpretations, self._zone, turn.trace, addressed=self._is_addressed
            )
        )

    # ---- replying ----------------------------------------------------------------------------------

    def _carry_on(self, response: Response) -> None:
        """Say what a response says, or go and find the answer it asks for."""
        if self._turn is not None:
            self._turn.take(response)
        self._speech.change_volume(response.volume_steps)
        self._goes_idle = response.to_idle
        if response.question:
            self._ask(response.question)
        else:
            self._speak(response.reply)

    def _say(self, reply: Reply) -> None:
        """Say something that no response asked for."""
        if self._turn is not None:
            self._turn.say(reply)
        self._speak(reply)

    def _speak(self, reply: Reply) -> None:
        if not reply.text or not self._speech.is_possible:
            self._memory.said(reply.text)
            self._emit(ev.Replied(reply, 0))
            self._spoken()
            return
        self._speech.say(reply.text)
        self._speaking(reply)

    def _speaking(self, reply: Reply) -> None:
        self._memory.said(reply.text)
        self._emit(ev.Replied(reply, self._speech.utterance_id))
        self._watch_playback()
        self._enter(State.SPEAKING)

    def _watch_playback(self) -> None:
        """A loudspeaker that never ends is dead; one that waits for more of an answer is not."""
        if self._answer is None and not self._speech.is_held:
            self._deadlines.arm("playback", self._speech.longest_s)

    def _spoken(self) -> None:
        """The reply is over: wait for the answer to our question, for more, or for nothing."""
        self._deadlines.drop("playback", "resume", "held")
        self._speech.ended()
        was_silent = self._turn is not None and not self._turn.reply.text
        self._end_turn()
        settings = self.settings
        if self._conversation.expects:
            self._listen(settings.confirm_s, addressed=True)
        elif self._conversation.has_announced:
            if "act" not in self._deadlines:
                self._deadlines.arm("act", settings.cancel_window_s)
            self._listen(max(settings.follow_up_s, settings.cancel_window_s), addressed=True)
        elif self._goes_idle or settings.follow_up_s <= 0:
            self._enter_idle()
        elif was_silent and "listen" in self._deadlines:
            self._enter(State.LISTENING)  # silence was our reply: the window stays as it was
        else:
            self._listen(settings.follow_up_s, addressed=False)

    def _interrupt(self) -> None:
        """The driver has the floor: stop speaking, stop answering, end the turn."""
        if self._state is State.SPEAKING:
            self._emit(ev.Interrupted(self._speech.utterance_id, False))
        self._silence()
        self._end_turn(interrupted=True)

    def _resume(self) -> None:
        """It was nothing: the reply goes on."""
        self._deadlines.drop("resume", "held")
        if self._speech.go_on():
            self._watch_playback()
            self._emit(ev.Interrupted(self._speech.utterance_id, True))

    def _silence(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None
        self._speech.stop()
        self._deadlines.drop("playback", "resume", "held", "thinking", "answer")

    def _cancel_all(self) -> None:
        self._silence()
        self._conversation.drop()
        self._deadlines.drop("act")
        self._end_turn(interrupted=True)
        self._enter_idle()

    # ---- open questions ----------------------------------------------------------------------------

    def _ask(self, question: str) -> None:
        assert self._answerer is not None
        self._answers += 1
        context = AnswerContext(car_state=self._car_facts(), history=self._memory.exchanges)
        self._answer = AnswerRun(self._answers, self._answerer, question, context, self.post)
        if self._turn is not None:
            self._turn.tier = "llm"
        self._deadlines.arm("answer", self.settings.answer_s)
        if self.settings.thinking_s > 0:
            self._deadlines.arm("thinking", self.settings.thinking_s)
        self._start_answer(self._answer)

    def _say_part(self, reply: Reply) -> None:
        """Say one of several parts of an answer."""
        if self._turn is not None:
            self._turn.say(reply)
        if self._speech.is_possible:
            self._speech.add(reply.text)
            self._speaking(reply)
        else:
            self._emit(ev.Replied(reply, 0))

    def _say_one_moment(self) -> None:
        """The answer takes long: say that we are at it, in the same utterance."""
        text = self._replies.system("thinking")
        if self._answer is not None and text and self._speech.is_possible:
            self._speech.add(text)
            self._speaking(Reply(text, "thinking"))

    def _answer_part(self, part: ev.AnswerPart) -> None:
        if self._answer is None or part.answer_id != self._answer.answer_id:
            return
        self._deadlines.drop("thinking")
        self._answer.sentences.append(part.text)
        self._say_part(Reply(part.text, "answer"))

    def _answer_too_late(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            outcome = "answered" if self._answer.sentences else "failed"
            self._answer_ended(ev.AnswerEnded(self._answer.answer_id, AnswerRecord(outcome)))

    def _answer_ended(self, end: ev.AnswerEnded) -> None:
        answer = self._answer
        if answer is None or end.answer_id != answer.answer_id:
            return
        self._answer = None
        self._deadlines.drop("answer", "thinking")
        text = " ".join(answer.sentences)
        if self._turn is not None:
            self._turn.answer, self._turn.tier = end.record, end.record.tier
        if end.record.outcome == "answered" and text:
            self._memory.answered(answer.question, text)
        closing = self._closing(end.proposals, bool(text))
        if closing.text:
            self._say_part(closing)
        if text:
            self._memory.said(f"{text} {closing.text}".strip())
        if self._speech.complete():
            self._watch_playback()
        else:
            self._spoken()

    def _closing(self, proposals: tuple[Interpretation, ...], has_text: bool) -> Reply:
        """What follows a streamed answer: the model's proposal as a question, an apology, or nothing."""
        if proposals and self._turn is not None:
            response = self._conversation.propose(proposals, self._zone, self._turn.trace)
            self._turn.verdicts += response.verdicts
            return response.reply
        if not has_text:
            return Reply(self._replies.system("language_model_failed"), "failed")
        return Reply("", "silent")

    # ---- turns and windows of time -----------------------------------------------------------------

    def _begin_turn(self, turn: TurnDraft) -> None:
        self._turn = turn
        self._goes_idle = False
        self._emit(ev.TurnBegan(turn.trace.trace_id, turn.heard.hypothesis))
        self._enter(State.THINKING)

    def _begin_own_turn(self) -> TurnDraft:
        """A turn that nobody's words started: an announced command, a question that timed out."""
        heard = Heard(Hypothesis("", is_final=True, source="dialogue"), self._zone)
        turn = TurnDraft(heard, self._car_clock)
        self._begin_turn(turn)
        return turn

    def _end_turn(self, interrupted: bool = False) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.is_interrupted = interrupted
            self._emit(ev.TurnEnded(turn.finish()))

    def _act_announced(self) -> None:
        if not self._conversation.has_announced:
            return
        # The announcement is heard to its end, and whoever speaks now may be saying no.
        if self._state in _BUSY or "speech" in self._deadlines:
            self._deadlines.arm("act", _RETRY_ACT_S)
            return
        turn = self._begin_own_turn()
        self._carry_on(self._conversation.act_announced(turn.trace))

    def _window_closed(self) -> None:
        if self._state is not State.LISTENING:
            return
        self._deadlines.drop("listen", "speech")
        if self._conversation.expects:
            self._begin_own_turn()
            self._carry_on(self._conversation.time_out())
        elif self._conversation.has_announced:
            self._act_announced()
        else:
            self._enter_idle()

    def _listen(self, seconds: float, *, addressed: bool) -> None:
        self._is_addressed = addressed
        self._deadlines.drop("speech")
        self._deadlines.arm("listen", seconds)
        self._enter(State.LISTENING)

    def _listen_to_speech(self) -> None:
        """Somebody is speaking already: the window lasts as long as they do."""
        self._listen(self.settings.listen_s, addressed=False)
        self._deadlines.drop("listen")
        self._deadlines.arm("speech", self.settings.speech_s)

    def _enter_idle(self) -> None:
        self._is_addressed = False
        self._zone = Zone.UNKNOWN
        self._deadlines.drop("listen", "speech")
        self._enter(State.IDLE)

    def _enter(self, state: State) -> None:
        if state is not self._state:
            previous, self._state = self._state, state
            self._emit(ev.StateChanged(state, previous, self._clock()))

    def _emit(self, event: Event) -> None:
        self.on_event(event)
