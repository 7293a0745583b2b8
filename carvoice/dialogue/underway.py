"""The turn that is being made, and what is said in it."""

from __future__ import annotations

from collections.abc import Callable

from carvoice.dialogue.attention import Attention
from carvoice.dialogue.events import Acted, Event, Heard, Replied, State, TurnBegan, TurnEnded
from carvoice.dialogue.memory import Memory
from carvoice.dialogue.speech import Speech
from carvoice.dialogue.turn import TurnDraft
from carvoice.records import Hypothesis, Reply
from carvoice.trace import Clock


class Underway:
    """Begins and ends turns, and speaks their replies.

    Args:
        speech: the reply in the loudspeaker.
        attention: the state, and whom we listen to.
        memory: what was said last.
        on_event: told everything.
        clock: monotonic seconds, for spans.

    Attributes:
        turn: the one that is being made; None between turns.
        goes_idle: no follow-up window after it.
    """

    def __init__(
        self,
        speech: Speech,
        attention: Attention,
        memory: Memory,
        on_event: Callable[[Event], None],
        clock: Clock,
    ) -> None:
        self._speech = speech
        self._attention = attention
        self._memory = memory
        self._on_event = on_event
        self._clock = clock
        self.turn: TurnDraft | None = None
        self.goes_idle = False

    def draft(self, heard: Heard) -> TurnDraft:
        """A turn that may begin."""
        return TurnDraft(heard, self._clock)

    def begin(self, turn: TurnDraft) -> None:
        """This is the turn now."""
        self.turn = turn
        self.goes_idle = False
        self.emit(TurnBegan(turn.trace.trace_id, turn.heard.hypothesis))
        self._attention.enter(State.THINKING)

    def begin_own(self) -> TurnDraft:
        """A turn that nobody's words started: an announced command, a question that timed out."""
        heard = Heard(Hypothesis("", is_final=True, source="dialogue"), self._attention.zone)
        turn = self.draft(heard)
        self.begin(turn)
        return turn

    def end(self, *, interrupted: bool = False) -> None:
        """The turn is over, if there was one."""
        turn, self.turn = self.turn, None
        if turn is not None:
            turn.is_interrupted = interrupted
            self.emit(TurnEnded(turn.finish()))

    def speak(self, reply: Reply) -> bool:
        """Say a whole reply; returns whether there is anything to hear."""
        if reply.text and self._speech.is_possible:
            self._speech.say(reply.text)
            self.speaks(reply)
            return True
        self._memory.said(reply.text)
        self.emit(Replied(reply, 0))
        return False

    def say_part(self, reply: Reply) -> None:
        """Say one of several parts of an answer."""
        if self.turn is not None:
            self.turn.say(reply)
        if self._speech.is_possible:
            self._speech.add(reply.text)
            self.speaks(reply)
        else:
            self.emit(Replied(reply, 0))

    def speaks(self, reply: Reply) -> None:
        """A reply is on its way to the loudspeaker."""
        self._memory.said(reply.text)
        self.emit(Replied(reply, self._speech.utterance_id))
        self._attention.enter(State.SPEAKING)

    def playback_began(self, utterance_id: int) -> None:
        """The first sample of an utterance plays."""
        if self._speech.began(utterance_id) and self.turn is not None:
            self.turn.playback_began()

    def emit(self, event: Event) -> None:
        """Tell an event."""
        if isinstance(event, Acted) and self.turn is not None:
            self.turn.has_acted = True
        self._on_event(event)
