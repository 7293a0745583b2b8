"""What the assistant is doing, and whom it listens to for how long."""

from __future__ import annotations

from collections.abc import Callable

from carvoice.dialogue.deadlines import Deadlines
from carvoice.dialogue.events import State
from carvoice.records import Zone

_WINDOWS = ("listen", "speech")


class Attention:
    """The state, and the window of time in which words are taken as meant for us.

    Its deadlines are "listen" (nobody speaks) and "speech" (somebody never stops).

    Args:
        deadlines: armed and dropped here.
        speech_s: longest stretch of speech without a result.
        on_change: told the new and the previous state.

    Attributes:
        state: what the assistant is doing.
        zone: where the talker sits whom we listen to; UNKNOWN for anybody.
        is_addressed: the window was opened by the driver, or by a question of ours.
    """

    def __init__(
        self, deadlines: Deadlines, speech_s: float, on_change: Callable[[State, State], None]
    ) -> None:
        self._deadlines = deadlines
        self._speech_s = speech_s
        self._on_change = on_change
        self.state = State.IDLE
        self.zone = Zone.UNKNOWN
        self.is_addressed = False

    @property
    def hears_speech(self) -> bool:
        """Whether somebody speaks in the window."""
        return "speech" in self._deadlines

    @property
    def is_open(self) -> bool:
        """Whether the window of a reply that was silence goes on."""
        return "listen" in self._deadlines

    def is_busy(self) -> bool:
        """Whether we think or speak."""
        return self.state in (State.SPEAKING, State.THINKING)

    def is_other_talker(self, zone: Zone) -> bool:
        """Somebody else than who opened the conversation, as far as both seats are known."""
        is_known = zone is not Zone.UNKNOWN and self.zone is not Zone.UNKNOWN
        return self.state is not State.IDLE and is_known and zone is not self.zone

    def take(self, zone: Zone) -> None:
        """The talker's seat, when it is known."""
        if zone is not Zone.UNKNOWN:
            self.zone = zone

    def listen(self, seconds: float, *, addressed: bool) -> None:
        """Open the window."""
        self.is_addressed = addressed
        self._deadlines.drop("speech")
        self._deadlines.arm("listen", seconds)
        self.enter(State.LISTENING)

    def speech_began(self) -> None:
        """The window lasts as long as they speak."""
        self._deadlines.drop("listen")
        self._deadlines.arm("speech", self._speech_s)

    def speech_ended(self, seconds: float) -> None:
        """They may speak again for so long."""
        if self.hears_speech:
            self._deadlines.drop("speech")
            self._deadlines.arm("listen", seconds)

    def speech_is_over(self) -> None:
        """Their words are here."""
        self._deadlines.drop("speech")

    def shut(self) -> None:
        """The window has passed."""
        self._deadlines.drop(*_WINDOWS)

    def rest(self) -> None:
        """Listen to nobody."""
        self.is_addressed = False
        self.zone = Zone.UNKNOWN
        self.shut()
        self.enter(State.IDLE)

    def enter(self, state: State) -> None:
        """Change the state; nothing happens if it is that one."""
        if state is not self.state:
            previous, self.state = self.state, state
            self._on_change(state, previous)
