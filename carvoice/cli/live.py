"""Shows an assistant at work: the transcript as it grows, each turn when it ends."""

from __future__ import annotations

import gc
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import typer
from rich.console import Console
from rich.live import Live

from carvoice.assistant import Assistant
from carvoice.assistant.button import TalkButton
from carvoice.assistant.capture import Capture
from carvoice.assistant.controls import connect
from carvoice.assistant.ears import Ears
from carvoice.assistant.listener import Listener
from carvoice.assistant.rooms import microphone_count, open_loudspeaker, open_microphone
from carvoice.audio.cabin import VirtualCabin
from carvoice.audio.devices import SpeakerSink, read_wav
from carvoice.cli.app import console
from carvoice.cli.keys import talk_keys
from carvoice.cli.view import partial_view, transcript_view, turn_view
from carvoice.config import AudioConfig, Config
from carvoice.dialogue.events import Event, Heard, Input, Partial, TurnEnded
from carvoice.records import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    AudioBlock,
    FloatArray,
    Hypothesis,
    Interpretation,
    Turn,
)
from carvoice.service.jsonlines import event_json
from carvoice.service.observe import Observer, build_observer

_TAIL_S = 1.0  # silence after a recording, in which the end of a command is decided


class Display(Protocol):
    """Shows events as they come; called from several threads, one at a time."""

    def title(self, text: str) -> None:
        """What the turns from now on are about."""

    def event(self, event: Event | Transcribed) -> None:
        """Show an event."""


class JsonDisplay:
    """One JSON line per event."""

    def __init__(self) -> None:
        self._title = ""

    def title(self, text: str) -> None:
        """Sent along with every event."""
        self._title = text

    def event(self, event: Event | Transcribed) -> None:
        """Print the event."""
        typer.echo(event_json(event, scene=self._title) if self._title else event_json(event))


class TerminalDisplay:
    """A live line for the partial transcript, a panel for each finished turn."""

    def __init__(self, live: Live, terminal: Console) -> None:
        self._live = live
        self._console = terminal
        self._title = ""

    def title(self, text: str) -> None:
        """Written on the panels."""
        self._title = text

    def event(self, event: Event | Transcribed) -> None:
        """Show partials and turns; other events are part of a turn."""
        if isinstance(event, Partial):
            self._live.update(partial_view(self._title, event.hypothesis), refresh=True)
        elif isinstance(event, TurnEnded):
            self._live.update("", refresh=True)
            self._console.print(turn_view(self._title, event.turn))
        elif isinstance(event, Transcribed):
            self._live.update("", refresh=True)
            self._console.print(transcript_view(self._title, event.hypothesis, event.interpretations))


@contextmanager
def display(json: bool, terminal: Console = console) -> Iterator[Display]:
    """The display for a run."""
    if json:
        yield JsonDisplay()
        return
    with Live(console=terminal, auto_refresh=False, transient=True) as live:
        yield TerminalDisplay(live, terminal)


@dataclass(frozen=True, slots=True)
class Transcribed:
    """A final transcript and what it would mean."""

    hypothesis: Hypothesis
    interpretations: tuple[Interpretation, ...]


class Errors:
    """Keeps the first error of the capture threads for the main thread to raise."""

    def __init__(self) -> None:
        self.happened = threading.Event()
        self._first: Exception | None = None

    def __call__(self, error: Exception) -> None:
        """Take an error."""
        self._first = self._first or error
        self.happened.set()

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._first is not None:
            raise self._first


def telling(*listeners: Callable[[Event], object], observe: Observer) -> Callable[[Event], None]:
    """Tell every listener each event, and the observer each finished turn."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)
        if isinstance(event, TurnEnded):
            observe(event.turn)

    return tell


def run_microphone(settings: Config, json: bool) -> None:
    """Run on the microphone until interrupted.

    Raises:
        AudioError: there is no such device, or PyAudio is missing.
    """
    audio = settings.audio
    speaker = open_loudspeaker(audio)
    source = open_microphone(audio, speaker if isinstance(speaker, SpeakerSink) else None)
    errors = Errors()
    with ExitStack() as stack:
        shown = stack.enter_context(display(json))
        observe = build_observer(settings, stack)
        tell = telling(shown.event, observe=observe)
        assistant = stack.enter_context(Assistant(settings, on_event=tell, loudspeaker=speaker))
        observe.attach(assistant)
        gc.freeze()  # what was built stays: looking through it again would hold a turn up for tens of ms
        listener = assistant.listener()
        button = TalkButton(assistant.post, listener)
        connect(button, settings.dialogue, assistant.vehicle.state, stack)
        has_keys = stack.enter_context(talk_keys(button))
        capture = Capture(source, listener.hear, on_error=errors)
        capture.start()
        if not json:
            keys = " Space is the talk button, Esc stops everything." if has_keys else ""
            console.print(f"Listening.{keys} Press Ctrl-C to end.")
        try:
            errors.happened.wait()
            errors.check()
        finally:
            capture.stop()


def run_recordings(settings: Config, recordings: list[Path], json: bool, speed: float = 0.0) -> list[Turn]:
    """Play recordings to the assistant in a virtual cabin; returns its turns.

    Raises:
        AudioError: a recording cannot be read.
    """
    sounds = [(path.name, _recording(path, settings.audio)) for path in recordings]
    turns: list[Turn] = []
    with display(json) as shown, cabin_session(settings, shown.event, speed) as session:
        for name, sound in sounds:
            shown.title(name)
            turns += session.speak(sound)
    return turns


class CabinSession:
    """An assistant in a virtual cabin, with a driver who speaks when told."""

    def __init__(
        self,
        assistant: Assistant,
        listener: Listener,
        cabin: VirtualCabin,
        events: queue.Queue[Event],
        errors: Errors,
    ) -> None:
        self.assistant = assistant
        self._listener = listener
        self.cabin = cabin
        self.on_block: Callable[[AudioBlock], None] = lambda block: None
        self._events = events
        self._errors = errors

    def speak(self, sound: FloatArray, *, wait: bool = True, settle_s: float = 0.8) -> list[Turn]:
        """Let the driver say something, and wait until nothing more comes of it.

        Args:
            sound: float32 (n,) or (microphones, n), 16 kHz.
            wait: also for the reply to be spoken.
            settle_s: stream time after the speech in which a turn must have begun.

        Returns:
            The turns that ended meanwhile.
        """
        begin_s = self.cabin.now_s + sound.shape[-1] / SAMPLE_RATE_HZ
        self.cabin.speak(sound)
        turns: list[Turn] = []
        while True:
            self._errors.check()
            try:
                event = self._events.get(timeout=0.02)
            except queue.Empty:
                event = None
            if isinstance(event, TurnEnded):
                turns.append(event.turn)
            if event is None and self._is_quiet(begin_s + settle_s, wait):
                return turns

    def _is_quiet(self, after_s: float, wait: bool) -> bool:
        if self.cabin.driver_is_speaking or self._listener.now_s < after_s:
            return False
        if self._listener.in_speech:
            return False
        if self.assistant.is_busy:
            player = self.assistant.player
            return not wait and player is not None and player.progress_s > 0.3
        return True


@contextmanager
def cabin_session(
    settings: Config, on_event: Callable[[Event], None], speed: float
) -> Iterator[CabinSession]:
    """Run an assistant in a virtual cabin.

    Args:
        settings: the settings.
        on_event: told everything.
        speed: times real time; 0 for as fast as it goes.
    """
    events: queue.Queue[Event] = queue.Queue()
    errors = Errors()
    cabin = _cabin(settings.audio)

    with ExitStack() as stack:
        observe = build_observer(settings, stack)
        tell = telling(on_event, events.put, observe=observe)
        assistant = stack.enter_context(Assistant(settings, on_event=tell, clock=lambda: cabin.now_s))
        observe.attach(assistant)
        player = assistant.player
        listener = assistant.listener()

        session = CabinSession(assistant, listener, cabin, events, errors)

        def hear(block: AudioBlock) -> None:
            session.on_block(block)
            listener.hear(block)
            assistant.tick()

        if player is not None:

            def pull(count: int) -> FloatArray:
                player.wait_ready(count, timeout_s=1.0)
                return player.pull(count)

            cabin.loudspeaker = pull
        assistant.vehicle.wait_until_known()
        gc.freeze()  # as on the microphone
        capture = Capture(cabin, hear, speed=speed, on_error=errors)
        capture.start()
        try:
            yield session
        finally:
            capture.stop()


def transcribe(settings: Config, recordings: list[Path], json: bool) -> None:
    """Print what is heard and what it would mean, without acting on it.

    Raises:
        AudioError: a recording cannot be read, or there is no microphone.
    """
    ears = Ears(settings)
    with display(json) as shown:

        def post(item: Input) -> None:
            if isinstance(item, Heard) and not item.hypothesis.is_final:
                shown.event(Partial(item.hypothesis))
            elif isinstance(item, Heard):
                shown.event(Transcribed(item.hypothesis, ears.understander.parse(item.hypothesis)))

        listener = ears.listener(post)
        for path in recordings:
            shown.title(path.name)
            cabin = _cabin(settings.audio)
            cabin.speak(_recording(path, settings.audio))
            end_s = None
            while end_s is None or cabin.now_s < end_s or listener.in_speech:
                block = cabin.read()
                assert block is not None
                listener.hear(block)
                if end_s is None and not cabin.driver_is_speaking:
                    end_s = cabin.now_s + _TAIL_S
        if not recordings:
            errors = Errors()
            source = open_microphone(settings.audio)
            capture = Capture(source, listener.hear, on_error=errors)
            capture.start()
            try:
                errors.happened.wait()
                errors.check()
            finally:
                capture.stop()


def _cabin(audio: AudioConfig) -> VirtualCabin:
    return VirtualCabin(audio.block_ms * FRAME_SAMPLES // 10, microphones=microphone_count(audio))


def _recording(path: Path, audio: AudioConfig) -> FloatArray:
    """A recording with a channel for each microphone as it is, any other as if all heard the same."""
    channels = read_wav(path, keep_channels=True)
    return channels if len(channels) == microphone_count(audio) else channels.mean(axis=0)
