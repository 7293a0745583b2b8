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
from carvoice.dialogue.events import Event, Heard, Input, State
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.protocols import Actuator, CarState, Gate, Planner, Speaker, Understander
from carvoice.dialogue.replies import Replies
from carvoice.dialogue.settings import DialogueSettings
from carvoice.dialogue.turn import TurnDraft
from carvoice.llm import looks_like_question
from carvoice.llm.answer import AnswerContext, Answerer
from carvoice.records import Hypothesis, Interpretation, Reply, Zone
from carvoice.trace import Clock

_log = logging.getLogger(__name__)

_LOUDER = 1.5
_LOUDEST, _SOFTEST = 2.0, 0.05
_PLAYBACK_S = 5.0  # a loudspeaker that has not finished a text by then, plus ...
_PLAYBACK_PER_CHARACTER_S = 0.2  # ... this for each character, is dead


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
        self._understander = understander
        self._replies = replies
        self._answerer = answerer
        self._speaker = speaker
        self._clock = clock
        self._car_clock = car_clock
        self._car_facts = car_facts
        self._start_answer = start_answer
        self._memory = Memory(self.settings.undo_steps, self.settings.exchanges)
        commander = Commander(
            planner, gate, actuator, state, replies=replies, emit=self._emit, clock=car_clock
        )
        self._conversation = Conversation(
            commander,
            replies,
            self._memory,
            acts=acts,
            settings=self.settings,
            is_question=is_question,
            can_answer=answerer is not None,
            now=now,
        )
        self._inbox: deque[Input] = deque()
        self.wake_up = threading.Condition()
        self._state = State.IDLE
        self._deadlines: dict[str, float] = {}
        self._turn: TurnDraft | None = None
        self._answer: AnswerRun | None = None
        self._answers = 0
        self._utterance = 0
        self._said_now = ""
        self._is_paused = False
        self._is_addressed = False  # the listening window was asked for, by the driver or by our question
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
        return min(self._deadlines.values(), default=None)

    def post(self, item: Input) -> None:
        """Hand in an input; from any thread, returns at once."""
        with self.wake_up:
            self._inbox.append(item)
            self.wake_up.notify_all()

    @property
    def has_pending(self) -> bool:
        """Whether inputs wait to be worked off."""
        return bool(self._inbox)

    def run_pending(self) -> None:
        """Work off all inputs and everything that has become due; always from the same thread."""
        while True:
            while self._inbox:
                self._guarded(self._handle, self._inbox.popleft())
            name = self._due()
            if name is None:
                return
            del self._deadlines[name]
            self._guarded(self._fire, name)

    def _guarded(self, work: Callable[[Any], None], item: object) -> None:
        """A fault in a room ends the turn with an apology, not the assistant."""
        try:
            work(item)
        except Exception:
            _log.exception("the dialogue failed at %r", item)
            self._stop_talking()
            self._conversation.drop()
            self._say(Reply(self._replies.system("error"), "failed"))

    def _due(self) -> str | None:
        now_s = self._clock()
        due = [(at_s, name) for name, at_s in self._deadlines.items() if at_s <= now_s]
        return min(due)[1] if due else None

    # ---- inputs ------------------------------------------------------------------------------------

    def _handle(self, item: Input) -> None:
        if isinstance(item, Heard):
            self._zone = item.zone
            if item.hypothesis.is_final:
                self._final(item)
            else:
                self._partial(item.hypothesis)
        elif isinstance(item, ev.Activated):
            self._activate()
        elif isinstance(item, ev.SpeechBegan):
            self._speech_began()
        elif isinstance(item, ev.SpeechEnded):
            self._speech_ended()
        elif isinstance(item, ev.PlaybackBegan):
            if self._turn is not None and item.utterance_id == self._utterance:
                self._turn.playback_began()
        elif isinstance(item, ev.PlaybackEnded):
            if item.utterance_id == self._utterance and self._state is State.SPEAKING:
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
        elif name == "resume":
            self._resume()
        elif name == "act":
            self._act_announced()
        elif name == "thinking":
            self._say_one_moment()
        elif name == "answer":
            self._answer_too_late()
        elif name == "playback":
            _log.error("utterance %d never ended; the loudspeaker seems dead", self._utterance)
            self._stop_talking()
            self._spoken()

    def _activate(self) -> None:
        """Wake phrase or button: whatever we say or think of saying stops, and we listen."""
        if self._state in (State.SPEAKING, State.THINKING):
            self._interrupt()
        self._listen(self.settings.listen_s, addressed=True)

    def _cancel_all(self) -> None:
        self._stop_talking()
        self._conversation.drop()
        self._end_turn(interrupted=True)
        self._enter_idle()

    def _speech_began(self) -> None:
        if self._state is State.IDLE and self.settings.open_microphone:
            self._listen(self.settings.listen_s, addressed=False)
        if self._state is State.LISTENING:
            self._deadlines.pop("listen", None)
            self._arm("speech", self.settings.speech_s)
        elif self._state is State.SPEAKING and self._speaker is not None and not self._is_paused:
            self._speaker.pause()
            self._is_paused = True
            self._deadlines.pop("playback", None)
            self._arm("resume", self.settings.false_interruption_s)

    def _speech_ended(self) -> None:
        if self._state is State.LISTENING and "speech" in self._deadlines:
            del self._deadlines["speech"]
            self._arm("listen", self.settings.listen_s)
        elif self._is_paused:
            self._arm("resume", self.settings.false_interruption_s)

    def _partial(self, hypothesis: Hypothesis) -> None:
        if self._state is State.IDLE and not self.settings.open_microphone:
            return
        if self._state is State.IDLE and hypothesis.text:
            self._listen(self.settings.listen_s, addressed=False)
        self._emit(ev.Partial(hypothesis))
        if self._state is State.SPEAKING and self._is_interruption(hypothesis.text):
            self._interrupt()
            self._listen(self.settings.listen_s, addressed=True)
            self._arm("speech", self.settings.speech_s)

    def _final(self, heard: Heard) -> None:
        text = heard.hypothesis.text
        if self._state is State.IDLE and not self.settings.open_microphone:
            return
        if not text:
            self._speech_ended()
            return
        if self._state is State.SPEAKING and not self._is_interruption(text):
            self._resume()
            return
        turn = TurnDraft(heard, self._car_clock)
        with turn.trace.span("understanding"):
            turn.interpretations = self._understander.parse(heard.hypothesis)
        is_busy = self._state in (State.SPEAKING, State.THINKING)
        if is_busy and not self._conversation.is_meant_for_us(turn.interpretations, text):
            self._resume()
            return
        if is_busy:
            self._interrupt()
        self._deadlines.pop("speech", None)
        self._turn = turn
        self._emit(ev.TurnBegan(turn.trace.trace_id, heard.hypothesis))
        self._enter(State.THINKING)
        self._emit(ev.Understood(turn.interpretations))
        response = self._conversation.respond(
            text, turn.interpretations, heard.zone, turn.trace, addressed=self._is_addressed
        )
        self._carry_on(response)

    # ---- replies -----------------------------------------------------------------------------------

    def _carry_on(self, response: Response) -> None:
        """Say what a response says, or go and find the answer it asks for."""
        if self._turn is not None:
            self._turn.take(response)
        if response.announced:
            self._arm("act", self.settings.cancel_window_s)
        elif not self._conversation.has_announced:
            self._deadlines.pop("act", None)
        if response.volume_steps and self._speaker is not None:
            gain = self._speaker.volume * _LOUDER**response.volume_steps
            self._speaker.volume = min(_LOUDEST, max(_SOFTEST, gain))
        if response.question:
            self._ask(response.question)
            return
        self._goes_idle = response.to_idle
        self._say(response.reply, keep_turn=True)

    def _say(self, reply: Reply, keep_turn: bool = False) -> None:
        if not keep_turn and self._turn is not None:
            self._turn.say(reply)
        if reply.text:
            self._memory.said(reply.text)
        if reply.text and self._speaker is not None:
            self._utterance = self._speaker.say(reply.text)
            self._speaking(reply)
            return
        self._emit(ev.Replied(reply, 0))
        self._spoken()

    def _speaking(self, reply: Reply) -> None:
        self._said_now = f"{self._said_now} {reply.text}" if self._answer is not None else reply.text
        self._emit(ev.Replied(reply, self._utterance))
        self._arm("playback", _PLAYBACK_S + _PLAYBACK_PER_CHARACTER_S * len(self._said_now))
        self._enter(State.SPEAKING)

    def _spoken(self) -> None:
        """The reply is over: wait for the answer to our question, for more, or for nothing."""
        self._deadlines.pop("playback", None)
        self._deadlines.pop("resume", None)
        self._is_paused = False
        self._said_now = ""
        was_addressed, had_words = self._is_addressed, self._turn is not None and bool(self._turn.reply.text)
        self._end_turn()
        if self._conversation.expects:
            self._listen(self.settings.confirm_s, addressed=True)
        elif self._goes_idle or (self._settings_close() and not self._conversation.has_announced):
            self._enter_idle()
        elif had_words or self._conversation.has_announced:
            self._listen(max(self.settings.follow_up_s, self.settings.cancel_window_s), addressed=False)
        else:
            self._stay_listening(was_addressed)

    def _settings_close(self) -> bool:
        return self.settings.follow_up_s <= 0

    def _stay_listening(self, addressed: bool) -> None:
        """Silence was our reply: the window stays as long as it would have."""
        self._is_addressed = addressed
        if "listen" in self._deadlines:
            self._enter(State.LISTENING)
        else:
            self._listen(self.settings.follow_up_s, addressed=False)

    def _end_turn(self, interrupted: bool = False) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.is_interrupted = interrupted
            self._emit(ev.TurnEnded(turn.finish()))

    # ---- interruptions -----------------------------------------------------------------------------

    def _is_interruption(self, text: str) -> bool:
        """Words that are neither a listener's noise nor our own reply leaking into the microphone."""
        words = text.lower().strip()
        if not words or words in self.settings.back_channels:
            return False
        return f" {words} " not in f" {_bare(self._said_now)} "

    def _interrupt(self) -> None:
        """The driver has the floor: stop speaking, stop answering, end the turn."""
        if self._state is State.SPEAKING:
            self._emit(ev.Interrupted(self._utterance, False))
        self._stop_talking()
        self._end_turn(interrupted=True)

    def _resume(self) -> None:
        """It was nothing: the reply goes on."""
        self._deadlines.pop("resume", None)
        if self._is_paused and self._speaker is not None:
            self._is_paused = False
            self._speaker.resume()
            self._arm("playback", _PLAYBACK_S + _PLAYBACK_PER_CHARACTER_S * len(self._said_now))
            self._emit(ev.Interrupted(self._utterance, True))

    def _stop_talking(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None
        if self._speaker is not None and self._state in (State.SPEAKING, State.THINKING):
            self._speaker.cancel()
        self._utterance = 0
        self._is_paused = False
        self._said_now = ""
        for name in ("playback", "resume", "thinking", "answer"):
            self._deadlines.pop(name, None)

    # ---- open questions ----------------------------------------------------------------------------

    def _ask(self, question: str) -> None:
        assert self._answerer is not None
        self._answers += 1
        context = AnswerContext(car_state=self._car_facts(), history=self._memory.exchanges)
        self._answer = AnswerRun(self._answers, self._answerer, question, context, self.post)
        self._utterance = 0
        if self._turn is not None:
            self._turn.tier = "llm"
        self._arm("answer", self.settings.answer_s)
        if self.settings.thinking_s > 0:
            self._arm("thinking", self.settings.thinking_s)
        self._start_answer(self._answer)

    def _answer_part(self, part: ev.AnswerPart) -> None:
        answer = self._answer
        if answer is None or part.answer_id != answer.answer_id:
            return
        self._deadlines.pop("thinking", None)
        answer.sentences.append(part.text)
        reply = Reply(part.text, "answer")
        if self._turn is not None:
            self._turn.say(reply)
        if self._speaker is None:
            self._emit(ev.Replied(reply, 0))
            return
        if not self._utterance:
            self._utterance = self._speaker.open()
        self._speaker.append(self._utterance, part.text + " ")
        self._speaking(reply)

    def _answer_ended(self, end: ev.AnswerEnded) -> None:
        answer = self._answer
        if answer is None or end.answer_id != answer.answer_id:
            return
        for name in ("answer", "thinking"):
            self._deadlines.pop(name, None)
        text = " ".join(answer.sentences)
        if self._turn is not None:
            self._turn.answer, self._turn.tier = end.record, end.record.tier
        if text:
            self._memory.said(text)
        if end.record.outcome == "answered":
            self._memory.answered(answer.question, text)
        response = self._closing(end.proposals, bool(text))
        if self._turn is not None:
            self._turn.take(response)
        self._goes_idle = response.to_idle
        if self._utterance and self._speaker is not None:
            self._speaker.append(self._utterance, response.reply.text)
            if response.reply.text:
                self._speaking(response.reply)
            self._speaker.finish(self._utterance)
            self._answer = None
        else:
            self._answer = None
            self._say(response.reply, keep_turn=True)

    def _closing(self, proposals: tuple[Interpretation, ...], has_text: bool) -> Response:
        """What follows a streamed answer: the model's proposal as a question, an apology, or nothing."""
        if proposals and self._turn is not None:
            return self._conversation.propose(proposals, self._zone, self._turn.trace)
        if not has_text:
            return Response(Reply(self._replies.system("language_model_failed"), "failed"))
        return Response()

    def _say_one_moment(self) -> None:
        """The answer takes long; say that we are at it, in the same utterance."""
        text = self._replies.system("thinking")
        if self._answer is None or self._speaker is None or not text:
            return
        self._utterance = self._speaker.open()
        self._speaker.append(self._utterance, text + "\n")
        self._speaking(Reply(text, "thinking"))

    def _answer_too_late(self) -> None:
        if self._answer is None:
            return
        self._answer.cancel()
        self._answer_ended(ev.AnswerEnded(self._answer.answer_id, _too_late(self._answer)))

    # ---- windows of time ---------------------------------------------------------------------------

    def _act_announced(self) -> None:
        if self._state in (State.THINKING, State.SPEAKING) and self._conversation.has_announced:
            # Let the announcement be heard to its end; the driver must be able to say no to it.
            self._arm("act", 0.1)
            return
        if "speech" in self._deadlines:  # someone is speaking: it may be a "no"
            self._arm("act", 0.1)
            return
        self._begin_own_turn()
        assert self._turn is not None
        self._enter(State.THINKING)
        self._carry_on(self._conversation.act_announced(self._turn.trace))

    def _begin_own_turn(self) -> None:
        """A turn that nobody's words started: an announced command, a question that timed out."""
        heard = Heard(Hypothesis("", is_final=True, source="dialogue"), self._zone)
        self._turn = TurnDraft(heard, self._car_clock)
        self._emit(ev.TurnBegan(self._turn.trace.trace_id, heard.hypothesis))

    def _window_closed(self) -> None:
        if self._state is not State.LISTENING:
            return
        self._deadlines.pop("speech", None)
        self._deadlines.pop("listen", None)
        if self._conversation.expects:
            self._begin_own_turn()
            self._enter(State.THINKING)
            self._carry_on(self._conversation.time_out())
        elif self._conversation.has_announced:
            self._listen(self.settings.cancel_window_s, addressed=False)
        else:
            self._enter_idle()

    def _listen(self, seconds: float, *, addressed: bool) -> None:
        self._is_addressed = addressed
        self._deadlines.pop("speech", None)
        self._arm("listen", seconds)
        self._enter(State.LISTENING)

    def _enter_idle(self) -> None:
        self._is_addressed = False
        for name in ("listen", "speech"):
            self._deadlines.pop(name, None)
        if not self._conversation.has_announced:
            self._deadlines.pop("act", None)
        self._enter(State.IDLE)

    def _arm(self, name: str, seconds: float) -> None:
        self._deadlines[name] = self._clock() + seconds

    def _enter(self, state: State) -> None:
        if state is not self._state:
            previous, self._state = self._state, state
            self._emit(ev.StateChanged(state, previous, self._clock()))

    def _emit(self, event: Event) -> None:
        self.on_event(event)


def _bare(text: str) -> str:
    """Words only, in lower case, separated by single spaces."""
    kept = (character if character.isalnum() or character == "'" else " " for character in text.lower())
    return " ".join("".join(kept).split())


def _too_late(answer: AnswerRun) -> Any:
    """The record of an answer that was broken off by us."""
    from carvoice.records import AnswerRecord

    return AnswerRecord(outcome="answered" if answer.sentences else "failed", tier="none")
