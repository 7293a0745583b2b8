"""A small car and a virtual clock around a real dialogue with the shipped replies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event as Flag

import pytest

from carvoice.dialogue import (
    Acted,
    Activated,
    Dialogue,
    DialogueSettings,
    Heard,
    PlaybackBegan,
    PlaybackEnded,
    Replied,
    Replies,
    StateChanged,
    TurnEnded,
    load_acts,
    load_adjustments,
)
from carvoice.errors import CarError
from carvoice.llm.answer import AnswerContext
from carvoice.records import (
    Action,
    ActionKind,
    Actuation,
    AnswerRecord,
    Decision,
    Evidence,
    Hypothesis,
    Interpretation,
    Slot,
    Verdict,
    Zone,
)

GRAMMARS = Path(__file__).parents[2] / "grammars"
REPLIES = Replies.load(GRAMMARS / "en" / "replies.yaml")
ACTS = load_acts(GRAMMARS / "actions.yaml")
ADJUSTMENTS = load_adjustments(GRAMMARS / "actions.yaml")
REJECTED = Interpretation("", confidence=0.0, rejected="out of domain")


def reading(intent: str, confidence: float = 1.0, **slots) -> Interpretation:
    return Interpretation(intent, {name: Slot(value) for name, value in slots.items()}, confidence)


SENTENCES = {
    "set the temperature to twenty one": [reading("ClimateSetTemperature", temperature=21)],
    "set the temperature to twenty": [
        replace(reading("ClimateSetTemperature"), slots={"temperature": Slot(20, "twenty", start=23, end=29)})
    ],
    "set the temperature to two hundred": [
        Interpretation("", {"min": Slot(16), "max": Slot(28)}, 0.0, rejected="out of range")
    ],
    "make it warmer": [reading("ClimateAdjustTemperature", direction="up")],
    "open the driver window": [reading("WindowOpen", zone="driver")],
    "set the temperature to fifty": [
        Interpretation("", {"min": Slot(14), "max": Slot(32)}, 0.0, rejected="out of range")
    ],
    "open the trunk": [reading("TrunkOpen")],
    "open the door": [reading("DoorOpen", zone="driver")],
    "call anna": [reading("PhoneCall", contact="anna")],
    "how warm is it outside": [reading("ClimateGetOutside")],
    "are the doors open": [reading("DoorGetOpen", zone="all")],
    "fold the moon": [reading("MirrorFold", state="folded")],
    "open the driver window and call anna": [
        reading("WindowOpen", zone="driver"),
        reading("PhoneCall", contact="anna"),
    ],
    "open the trunk and open the driver window": [reading("TrunkOpen"), reading("WindowOpen", zone="driver")],
    "open the driver window and open the door": [
        reading("WindowOpen", zone="driver"),
        reading("DoorOpen", zone="driver"),
    ],
    "open the sun thing": [reading("SunroofOpen", 0.45)],
    "open it": [
        replace(
            reading("SunroofOpen", 0.7), alternatives=(reading("TrunkOpen", 0.65), reading("HoodOpen", 0.2))
        )
    ],
    "yes": [reading("SystemYes")],
    "no": [reading("SystemNo")],
    "cancel": [reading("SystemCancel")],
    "stop": [reading("SystemCancel", 0.95)],
    "shop": [reading("SystemCancel", 0.78)],
    "be quiet": [reading("SystemStopTalking")],
    "stop listening": [reading("SystemStopListening")],
    "say that again": [reading("SystemRepeat")],
    "help": [reading("SystemHelp")],
    "undo": [reading("SystemUndo")],
    "thanks": [reading("SystemThanks")],
    "speak up": [reading("SystemVoiceVolume", direction="up")],
    "more": [reading("ContextMore")],
    "less": [reading("ContextLess")],
    "the other one": [reading("ContextZone", zone="other")],
    "no the other one": [reading("ContextZone", zone="other", instead=True)],
    "a bit more": [reading("ContextMore", size="little")],
    "close the driver window": [reading("WindowClose", zone="driver")],
    "open that thing": [
        replace(REJECTED, rejected="low confidence", alternatives=(reading("SunroofOpen", 0.5),))
    ],
    "no make it twenty three": [reading("ContextValue", value=23)],
    "what time is it": [reading("QueryTime")],
}

_CLIMATE = "Vehicle.Cabin.HVAC.Station.Row1.Driver.Temperature"


@dataclass(frozen=True)
class Reading:
    value: object
    age_s: float = 0.0


class World:
    """Understander, planner, gate, actuator, state, speaker and answerer in one, all counting."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.values = {
            _CLIMATE: 20.0,
            "Window.driver": 0,
            "Window.passenger": 0,
            "Sunroof": 0,
            "Trunk": False,
            "Hood": False,
            "Outside": 7.5,
            "Door.Row1.DriverSide": False,
            "Door.Row1.PassengerSide": True,
            "Phone": 0,
        }
        self.evidence = Evidence.ACTUATED
        self.performed: list[tuple[str, object, bool]] = []
        self.is_broken = False
        self.expected: list[str] = []

    # understander
    def parse(self, heard, context=None) -> tuple[Interpretation, ...]:
        if self.is_broken:
            raise RuntimeError("a bug")
        text = heard if isinstance(heard, str) else heard.text
        return tuple(replace(part, text=text) for part in SENTENCES.get(text, [replace(REJECTED, text=text)]))

    def expect(self, text):
        self.expected.append(text)

    def completions(self, text):
        return tuple(
            replace(parts[0], text=sentence)
            for sentence, parts in SENTENCES.items()
            if sentence.startswith(f"{text} ") and len(parts) == 1
        )

    # planner
    def plan(self, interpretation, state, zone=Zone.UNKNOWN, source="grammar") -> tuple[Action, ...]:
        slots = interpretation.values

        def act(path: str, value, kind=ActionKind.SET) -> Action:
            return Action(kind, path, value, zone, source, interpretation.intent)

        intent = interpretation.intent
        if intent == "ClimateSetTemperature":
            return (act(_CLIMATE, float(slots["temperature"])),)
        if intent == "ClimateAdjustTemperature":
            step = 1 if slots["direction"] == "up" else -1
            return (act(_CLIMATE, self.values[_CLIMATE] + step),)
        if intent in ("WindowOpen", "WindowClose"):
            return (act(f"Window.{slots['zone']}", 100 if intent == "WindowOpen" else 0),)
        if intent == "WindowAdjust":
            path = f"Window.{slots['zone']}"
            step = 20 if slots["direction"] == "open" else -20
            return (act(path, min(100, max(0, self.values[path] + step))),)
        if intent == "DoorOpen":
            return (act("Door.Row1.DriverSide", True),)
        if intent == "PhoneCall":
            return (act("Phone", 3),)
        if intent == "ClimateGetOutside":
            return (act("Outside", None, ActionKind.GET),)
        if intent == "DoorGetOpen":
            return tuple(
                act(path, None, ActionKind.GET)
                for path in ("Door.Row1.DriverSide", "Door.Row1.PassengerSide")
            )
        paths = {"SunroofOpen": ("Sunroof", 100), "TrunkOpen": ("Trunk", True), "HoodOpen": ("Hood", True)}
        if intent in paths:
            return (act(*paths[intent]),)
        raise CarError(f"demo.toml: this car has no {intent}")

    # gate
    def check(self, action, state, now_s, confirmed=False) -> Verdict:
        if action.path.startswith("Door") and action.kind is ActionKind.SET:
            return Verdict(Decision.DENY, "door-moving", "The car is moving.")
        if action.path in ("Trunk", "Hood") and not confirmed:
            return Verdict(Decision.CONFIRM, "trunk-confirm")
        return Verdict(Decision.ALLOW, "allowed")

    # actuator
    def perform_all(self, actions, confirmed=False, trace_id=""):
        return (self.perform(action, confirmed, trace_id) for action in actions)

    def perform(self, action, confirmed=False, trace_id="") -> Actuation:
        assert self.check(action, self, 0, confirmed).decision is Decision.ALLOW
        if action.kind is ActionKind.GET:
            return Actuation(action, Evidence.ACTUATED, value=self.values[action.path])
        self.performed.append((action.path, action.value, confirmed))
        if self.evidence is Evidence.ACTUATED:
            self.values[action.path] = action.value
        return Actuation(action, self.evidence, value=self.values[action.path])

    # state
    def get(self, path):
        return Reading(self.values[path]) if path in self.values else None


class Loudspeaker:
    """Plays 20 characters a second on the virtual clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dialogue: Dialogue | None = None
        self.volume = 1.0
        self.texts: dict[int, str] = {}
        self.queue: list[int] = []
        self.complete: set[int] = set()
        self.left_s: dict[int, float] = {}
        self.begun: set[int] = set()
        self.is_paused = False
        self.log: list[str] = []
        self.is_dead = False

    def say(self, text: str) -> int:
        utterance = self.open()
        self.append(utterance, text)
        self.finish(utterance)
        return utterance

    def open(self) -> int:
        utterance = len(self.texts) + 1
        self.texts[utterance] = ""
        self.left_s[utterance] = 0.0
        self.queue.append(utterance)
        return utterance

    def append(self, utterance: int, text: str) -> None:
        if utterance in self.queue:
            self.texts[utterance] += text
            self.left_s[utterance] += len(text) / 20

    def finish(self, utterance: int) -> None:
        self.complete.add(utterance)

    def cancel(self) -> None:
        self.log.append("cancel")
        for utterance in self.queue:
            self.dialogue.post(PlaybackEnded(utterance))
        self.queue.clear()
        self.is_paused = False

    def duck(self, on: bool) -> None:
        self.log.append("duck" if on else "unduck")

    def pause(self) -> None:
        self.log.append("pause")
        self.is_paused = True

    def resume(self) -> None:
        self.log.append("resume")
        self.is_paused = False

    def advance(self, seconds: float) -> None:
        while self.queue and not self.is_paused and not self.is_dead:
            head = self.queue[0]
            if head not in self.begun and self.left_s[head] > 0:
                self.begun.add(head)
                self.dialogue.post(PlaybackBegan(head))
            if self.left_s[head] > seconds:
                self.left_s[head] -= seconds
                return
            seconds -= self.left_s[head]
            self.left_s[head] = 0.0
            if head not in self.complete:
                return
            self.queue.pop(0)
            self.dialogue.post(PlaybackEnded(head))


class Stream:
    """An answer with its record."""

    def __init__(self, sentences: Sequence[str], record: AnswerRecord, proposals=()) -> None:
        self._sentences: Iterator[str] = iter(sentences)
        self.record = record
        self.proposals = tuple(proposals)

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        return next(self._sentences)


class Answers:
    """An answerer that knows what it is told to know."""

    def __init__(self) -> None:
        self.sentences = ["The light means low pressure.", "Check the tires."]
        self.proposals: list[Interpretation] = []
        self.outcome = "answered"
        self.asked: list[tuple[str, AnswerContext]] = []
        self.cancels: list[Flag] = []

    def answer(self, question, context, cancel) -> Stream:
        self.asked.append((question, context))
        self.cancels.append(cancel)
        return Stream(self.sentences, AnswerRecord(self.outcome, "local", "tiny"), self.proposals)

    def wait_ready(self, timeout_s) -> bool:
        return True

    def close(self) -> None:
        pass


class Scene:
    """Everything together, with words for tests."""

    def __init__(
        self,
        settings: DialogueSettings | None = None,
        *,
        with_speaker: bool = True,
        with_answers: bool = True,
    ) -> None:
        self.world = World()
        self.speaker = Loudspeaker(self.world) if with_speaker else None
        self.answers = Answers() if with_answers else None
        self.runs: list = []
        self.events: list = []
        self.dialogue = Dialogue(
            understander=self.world,
            planner=self.world,
            gate=self.world,
            actuator=self.world,
            state=self.world,
            replies=REPLIES,
            acts=ACTS,
            adjustments=ADJUSTMENTS,
            answerer=self.answers,
            speaker=self.speaker,
            settings=settings,
            on_event=self.events.append,
            clock=lambda: self.world.now_s,
            now=lambda: datetime(2026, 3, 1, 7, 5),
            start_answer=self.runs.append,
        )
        if self.speaker is not None:
            self.speaker.dialogue = self.dialogue

    def post(self, item) -> None:
        self.dialogue.post(item)
        self.dialogue.run_pending()

    def wait(self, seconds: float) -> None:
        """Let time pass in steps of 50 ms."""
        end_s = self.world.now_s + seconds
        while self.world.now_s < end_s - 1e-9:
            step = min(0.05, end_s - self.world.now_s)
            self.world.now_s += step
            if self.speaker is not None:
                self.speaker.advance(step)
            self.dialogue.run_pending()

    def wait_spoken(self) -> None:
        for _ in range(2000):
            if self.dialogue.state.value != "speaking":
                return
            self.wait(0.05)
        raise AssertionError("never ends")

    def hear(self, text: str, zone: Zone = Zone.UNKNOWN, partial: bool = False) -> None:
        self.post(Heard(Hypothesis(text, is_final=not partial), zone))

    def say(self, text: str, zone: Zone = Zone.UNKNOWN) -> str:
        """Press the button, speak, and listen to the whole reply; returns it."""
        if self.dialogue.state.value == "idle":
            self.post(Activated())
        before = len(self.replies)
        self.hear(text, zone)
        if self.speaker is not None:
            self.wait_spoken()
        return " ".join(reply for reply in self.replies[before:] if reply)

    def run_answer(self) -> None:
        """Let the pending answer be made to its end."""
        self.runs.pop(0).run()
        self.dialogue.run_pending()

    @property
    def replies(self) -> list[str]:
        return [event.reply.text for event in self.events if isinstance(event, Replied)]

    @property
    def states(self) -> list[str]:
        return [event.state.value for event in self.events if isinstance(event, StateChanged)]

    @property
    def turns(self) -> list:
        return [event.turn for event in self.events if isinstance(event, TurnEnded)]

    @property
    def acted(self) -> list:
        return [event.actuation for event in self.events if isinstance(event, Acted)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def make_scene():
    return Scene
