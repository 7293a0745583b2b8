"""Builds the rooms from the settings and connects them."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType

from carvoice.assistant import rooms
from carvoice.assistant.brain import build_answerer, told_of
from carvoice.assistant.ears import Ears
from carvoice.assistant.listener import Listener
from carvoice.assistant.phonebook import Names, read_names
from carvoice.assistant.recorder import Recorder
from carvoice.assistant.vehicle import build_vehicle, car_path
from carvoice.budget import with_stages
from carvoice.config import Config
from carvoice.dialogue import (
    Dialogue,
    DialogueRunner,
    DialogueSettings,
    Replies,
    load_acts,
    load_adjustments,
    playback_to,
)
from carvoice.dialogue.events import (
    Activated,
    Cancelled,
    Event,
    Heard,
    Input,
    Notice,
    Probe,
    Replied,
    State,
    TurnEnded,
)
from carvoice.errors import CarvoiceError, VoiceError
from carvoice.llm import Answerer
from carvoice.records import Hypothesis, Turn, Zone
from carvoice.resources import data_path
from carvoice.trace import Clock
from carvoice.tts import CachedVoice, Player, Sink, speaking_gain, speech_pieces

_TYPED_TURN_TIMEOUT_S = 60.0
_SPEED = "Vehicle.Speed"


class Assistant:
    """A running assistant. A context manager: leaving it ends every thread and closes the bus.

    Text goes in through :meth:`say`; sound through the :class:`Listener` of :meth:`listener`.

    Args:
        config: the settings.
        on_event: told everything that happens, from the dialogue's thread.
        loudspeaker: where replies are played; None when :attr:`player` is pulled by a virtual cabin.
        aloud: False for no voice at all.
        waits_for_bus: a bus that is not there is no error, but taken once it is.
        clock: seconds for the dialogue's time-outs; the stream's where sound is faster than real time.

    Attributes:
        ears: grammar and understander.
        vehicle: the car's side: bus, state, gate, actuator, simulated car.
        player: speaks the replies; None when there is no voice.
        dialogue: the conversation.
        recorder: remembers the sound of turns; None unless somebody asks for it before :meth:`listener`.

    Raises:
        CarvoiceError: a part cannot be built; its message names it. Nothing is left running.
    """

    def __init__(
        self,
        config: Config,
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        loudspeaker: Sink | None = None,
        aloud: bool = True,
        waits_for_bus: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        self.config = config
        self._on_event = on_event
        self._typed: dict[str, Future[Turn]] = {}  # by trace id
        self._typing = threading.Lock()
        self._listener: Listener | None = None
        self.recorder: Recorder | None = None
        with ExitStack() as stack:
            self.ears = Ears(config)
            self.vehicle = build_vehicle(config.vehicle, stack, waits_for_bus=waits_for_bus)
            for name, names in self.ears.names.items():
                self.vehicle.actions.add_to_table(name, names.stands_for)
            replies = Replies.load(rooms.grammar_folder(config.language) / "replies.yaml")
            manual = car_path(config.vehicle).parent / "manual"
            self.answerer: Answerer = build_answerer(
                config.llm,
                manual,
                replies,
                config.language,
                rooms.grammar_folder(config.language) if config.language.shipped else None,
            )
            stack.callback(self.answerer.close)
            voice = rooms.build_voice(config.tts, config.language.code) if aloud else None
            self.player: Player | None = None
            if voice is not None:
                cached = CachedVoice(voice)
                self.player = Player(cached, loudspeaker)
                self.player.volume = config.tts.volume
                stack.callback(self.player.close)
                stack.callback(_warmed(cached, replies.fixed()).set)
            vehicle = self.vehicle
            self.dialogue = Dialogue(
                understander=self.ears.understander,
                planner=vehicle.planner,
                gate=vehicle.gate,
                actuator=vehicle.actuator,
                state=vehicle.state,
                replies=replies,
                acts=load_acts(data_path("grammars", "actions.yaml")),
                adjustments=load_adjustments(data_path("grammars", "actions.yaml")),
                answerer=self.answerer,
                speaker=self.player,
                settings=self._dialogue_settings(),
                on_event=self._happened,
                clock=clock,
                car_facts=lambda: told_of(vehicle.state, vehicle.car),
            )
            if self.player is not None:
                self.player.on_event = playback_to(self.dialogue)
            stack.enter_context(DialogueRunner(self.dialogue, clock))
            self._stack = stack.pop_all()

    def _dialogue_settings(self) -> DialogueSettings:
        dialogue = self.config.dialogue
        return replace(
            DialogueSettings(),
            open_microphone=not self.config.asr.wake_phrase and not dialogue.push_to_talk,
            confirm_s=dialogue.confirm_timeout_s,
            follow_up_s=dialogue.follow_up_s,
            reject_aloud=dialogue.announce_rejected,
            ask_below=self.config.nlu.sure_confidence,
        )

    def listener(self) -> Listener:
        """The microphone's way in: front end, recognizer and endpoint, posting to the dialogue.

        Raises:
            ModelError: the speech model is missing or damaged.
        """
        self._listener = self.ears.listener(self.post)
        if self.recorder is not None:
            self._listener.on_block = self.recorder.hear
        return self._listener

    def post(self, item: Input) -> None:
        """Hand the dialogue an input; from any thread."""
        if isinstance(item, Cancelled):
            # the dialogue's own thread may be waiting for the car
            self.vehicle.actuator.cancel()
        self.dialogue.post(item)

    def say(self, text: str, zone: Zone = Zone.DRIVER, timeout_s: float = _TYPED_TURN_TIMEOUT_S) -> Turn:
        """Take a typed sentence as if it had been heard, and wait for its turn to end; from any thread.

        Raises:
            CarvoiceError: the turn did not end in time.
        """
        trace_id = uuid.uuid4().hex[:16]
        turn: Future[Turn] = Future()
        self._typed[trace_id] = turn
        started_s = time.monotonic()
        self.type_in(text, zone, trace_id)
        try:
            return turn.result(timeout_s)
        except FutureTimeout:
            waited_s = time.monotonic() - started_s
            raise CarvoiceError(f"no end of the turn after {waited_s:.0f} s for: {text}") from None
        finally:
            del self._typed[trace_id]

    def type_in(self, text: str, zone: Zone = Zone.DRIVER, trace_id: str = "") -> None:
        """Take a typed sentence as if it had been heard; what comes of it is seen in the events."""
        hypothesis = Hypothesis(text, is_final=True, stability=1.0, source="text")
        with self._typing:
            self.post(Activated("api", zone))  # typed words are meant for us, wake phrase or not
            self.post(Heard(hypothesis, zone, trace_id=trace_id))

    def replace_list(self, name: str, names: Names, *, wait: bool = False) -> None:
        """Give a list of the grammar other values (contacts, stations); from any thread.

        See :meth:`Ears.replace_list`, which it does; the car is told what the names stand for.

        Raises:
            GrammarError: there is no text list of this name.
        """
        self.vehicle.actions.add_to_table(name, names.stands_for)
        self.ears.replace_list(name, names, wait=wait)

    def reload_lists(self) -> None:
        """Read the files of ``language.lists`` again.

        Raises:
            ConfigError: one is missing or wrong; those before it have been taken.
        """
        for name, path in self.config.language.lists.items():
            self.replace_list(name, read_names(path))

    def notify(self, text: str) -> None:
        """Say a text of somebody else's once nobody has the floor; returns at once."""
        self.post(Notice(text=text))

    def is_alive(self, timeout_s: float) -> bool:
        """Whether the dialogue's thread comes to its next input within the time."""
        answered = threading.Event()
        self.post(Probe(answered.set))
        return answered.wait(timeout_s)

    @property
    def is_busy(self) -> bool:
        """Whether something is being worked on or said."""
        dialogue = self.dialogue
        speaking = self.player is not None and self.player.is_speaking
        return speaking or dialogue.has_pending or dialogue.state in (State.THINKING, State.SPEAKING)

    def tick(self) -> None:
        """The clock given to the constructor has moved on: look at the time-outs."""
        with self.dialogue.wake_up:
            self.dialogue.wake_up.notify_all()

    def close(self) -> None:
        """Stop the dialogue, the voice, the simulated car and the bus."""
        self.vehicle.actuator.cancel()
        self._stack.close()

    def __enter__(self) -> Assistant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _happened(self, event: Event) -> None:
        if isinstance(event, Replied) and self.player is not None:
            noise_db = self._listener.noise_db if self._listener is not None else None
            self.player.surroundings = speaking_gain(self._speed_kmh(), noise_db)
        if isinstance(event, TurnEnded):
            event = TurnEnded(with_stages(event.turn))
            if self.vehicle.log is not None:
                for actuation in event.turn.actuations:
                    self.vehicle.log.mark(actuation.frames)
            if (typed := self._typed.get(event.turn.trace_id)) is not None:
                typed.set_result(event.turn)
        self._on_event(event)

    def _speed_kmh(self) -> float:
        """0 when the car does not tell."""
        known = self.vehicle.state.get(_SPEED) if _SPEED in self.vehicle.car.nodes else None
        return known.value if known is not None and isinstance(known.value, (int, float)) else 0.0


def _warmed(voice: CachedVoice, texts: Sequence[str]) -> threading.Event:
    """Make the sound of what is said often, in the background; the event ends it."""
    stopped = threading.Event()

    def warm() -> None:
        for piece in (piece for text in texts for piece in speech_pieces(text)):
            if stopped.is_set():
                return
            try:
                voice.warm([piece])
            except VoiceError:  # told when it is to be said
                return

    threading.Thread(target=warm, name="warm-up", daemon=True).start()
    return stopped
