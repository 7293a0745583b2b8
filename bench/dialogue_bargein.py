"""Talking over replies in a virtual cabin: writes bench/results/dialogue_bargein.md and .json.

Everything between the microphone and the decision is the real thing: front end with echo canceller, speech
gate, recognizer, endpoint, dialogue, player with the espeak-ng voice. The loudspeaker's sound comes back
into the microphone through a room response. Time is the stream's, so results do not depend on the machine.

* False interruptions: the assistant speaks, and noise of one kind runs, somebody coughs or says "uh-huh".
  Counted are the times it was softened by 20 dB, pauses (playback held, resumed a moment later) and lost
  replies (cancelled for words nobody said).
* Barge-in: a recorded driver starts to speak in the middle of a reply. Timed is from the first sample
  of speech to the sample from which the reply is 20 dB softer, and to the last sample played; counted is
  whether the command was understood. The recordings were made in moving cars and hold noise before the
  first word: speech begins where 30 ms are 10 dB above that noise.

Run: ``python bench/dialogue_bargein.py [--minutes 6] [--repeat 2]``; it needs the embedded speech model.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tomllib
from audio_scenes import cabin_noise, music
from scipy.signal import butter, lfilter

from carvoice.assistant.ears import Ears
from carvoice.audio.cabin import VirtualCabin
from carvoice.audio.devices import read_wav
from carvoice.config import Config
from carvoice.dialogue import (
    Dialogue,
    DialogueSettings,
    Heard,
    Interrupted,
    Replies,
    Understood,
    load_acts,
    playback_to,
)
from carvoice.dialogue.events import Activated, State
from carvoice.records import Hypothesis, Zone
from carvoice.resources import data_path
from carvoice.tts import CachedVoice, EspeakVoice, Player

RESULTS = Path(__file__).parent / "results"
BLOCK = 320
WARM_STEPS = 400  # 8 s
FLOOR = 4e-4  # a quiet cabin, and as much as the quiet clips have themselves
VOICES = ("en-us", "en-gb-x-rp", "en-gb-scotland", "en-us+f3", "en-us+m3", "en-gb-x-rp+f2")


def onset_of(sound: np.ndarray) -> float:
    """Seconds to the first word: 30 ms that are 10 dB above the noise of the clip's first 150 ms."""
    frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    floor_db = max(np.median(level_db[:15]), level_db.max() - 40)
    loud = level_db > floor_db + 10
    starts = np.flatnonzero(loud[:-2] & loud[1:-1] & loud[2:])
    return float(starts[0]) * 0.01


def coughs(seconds: float, seed: int) -> np.ndarray:
    """One to three coughs every five seconds: a burst of breath and a rasping end. Made here."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * 16000))
    for start_s in np.arange(1.0, seconds - 3.0, 5.0):
        at = start_s + rng.uniform(0, 1)
        for _ in range(rng.integers(1, 4)):
            t = np.arange(int(rng.uniform(0.2, 0.35) * 16000)) / 16000
            breath = lfilter(
                *butter(2, (rng.uniform(350, 600) / 8000, 0.45), "band"), rng.standard_normal(len(t))
            )
            rasp = np.sign(np.sin(2 * np.pi * rng.uniform(90, 220) * t)) * np.clip(t / 0.1, 0, 1)
            rasp = lfilter(*butter(1, (500 / 8000, 1800 / 8000), "band"), rasp)
            cough = (breath * np.exp(-t / 0.06) + 0.3 * rasp * np.exp(-t / 0.09)) * np.clip(t / 0.004, 0, 1)
            first = int(at * 16000)
            sound[first : first + len(t)] += cough / np.abs(cough).max()
            at += rng.uniform(0.3, 0.5)
    return sound


def back_channels(seconds: float, seed: int) -> np.ndarray:
    """Every five seconds somebody says "uh-huh", "mhm", "hm" or "wow", in one of six espeak-ng voices."""
    rng = np.random.default_rng(seed)
    voices = [EspeakVoice(name) for name in VOICES]
    sound = np.zeros(int(seconds * 16000))
    for start_s in np.arange(1.0, seconds - 3.0, 5.0):
        word = rng.choice(("uh huh", "mhm", "hmm", "oh", "wow", "aha"))
        spoken = np.concatenate(list(voices[rng.integers(len(voices))].synthesize(str(word))))
        first = int((start_s + rng.uniform(0, 1)) * 16000)
        sound[first : first + len(spoken)] += spoken / np.abs(spoken).max()
    return sound


FALSE_ONES = """Softening is by 20 dB: for 0.2 s, or, after a pause for nothing, for as long as somebody
seems to speak, at most 1.2 s and four times a minute. A pause for nothing is remembered for a minute, each
further one twice as long, up to eight minutes, unless somebody is understood in between: in noise that never
ends the pauses come after 0, 1, 3, 7, 15, 23, ... minutes, at most ten in an hour. The first one cannot be
spared: a voice is silenced for within 100 ms, and by then an "uh-huh" sounds like the beginning of an order.
Coughs and words are synthetic, 12 a minute."""


@dataclass
class Car:
    """Plans nothing, so that every command ends in silence; the words are what is measured."""

    def plan(self, interpretation, state, zone=Zone.UNKNOWN, source="grammar"):
        return ()


@dataclass
class Cabin:
    """A dialogue in a virtual cabin, one block at a time."""

    ears: Ears
    noise: np.ndarray | None
    volume: float = 0.8
    understood: list = field(default_factory=list)
    lost: int = 0

    def __post_init__(self) -> None:
        self.air = VirtualCabin(BLOCK, self.noise, seed=3)
        self.player = Player(CachedVoice(EspeakVoice()), clock=lambda: self.air.now_s)
        self.player.volume = self.volume
        self.air.loudspeaker = self._pull
        self.last_audible_s = self.last_loud_s = 0.0
        self.is_ducked = False
        self.pauses = self.ducks = 0
        duck = self.player.duck
        self.player.duck = lambda on: (
            duck(on),
            setattr(self, "ducks", self.ducks + on),
            setattr(self, "is_ducked", on),
        )
        hold = self.player.pause
        self.player.pause = lambda: (hold(), setattr(self, "pauses", self.pauses + 1))
        self.dialogue = Dialogue(
            understander=self.ears.understander, planner=Car(), gate=None, actuator=None, state=None,
            replies=Replies.load(data_path("grammars", "en", "replies.yaml")),
            acts=load_acts(data_path("grammars", "actions.yaml")),
            settings=replace(DialogueSettings(), ask_below=Config().nlu.sure_confidence),
            speaker=self.player, on_event=self._event, clock=lambda: self.air.now_s,
        )  # fmt: skip
        self.player.on_event = playback_to(self.dialogue)
        self.listener = self.ears.listener(self._post)

    def _pull(self, count: int) -> np.ndarray:
        assert self.player.wait_ready(count, 5.0)
        sound = self.player.pull(count)
        heard = np.flatnonzero(np.abs(sound) > 1e-4)
        if len(heard):
            self.last_audible_s = self.air.now_s + (heard[-1] + 1) / 16000
            if not self.is_ducked:
                self.last_loud_s = self.last_audible_s
        return sound

    def _post(self, item) -> None:
        self.dialogue.post(item)

    def _event(self, event) -> None:
        if isinstance(event, Understood):
            self.understood += [reading.intent for reading in event.interpretations]
        elif isinstance(event, Interrupted):
            self.lost += not event.is_false

    def step(self) -> None:
        block = self.air.read()
        self.listener.hear(block)
        self.dialogue.run_pending()

    def ask(self) -> None:
        """Make it say something long."""
        self.dialogue.post(Activated())
        self.dialogue.post(Heard(Hypothesis("help", is_final=True)))
        self.dialogue.run_pending()


def false_interruptions(ears: Ears, noise: np.ndarray | None, minutes: float) -> dict[str, float]:
    cabin = Cabin(ears, noise)
    spoken_s = 0.0
    warm_s = 2.0  # the echo canceller has heard the room before, as after the first reply of a drive
    while spoken_s < minutes * 60 + warm_s:
        if cabin.dialogue.state is not State.SPEAKING:
            cabin.ask()
        cabin.step()
        spoken_s += BLOCK / 16000
        if spoken_s <= warm_s:
            cabin.pauses = cabin.ducks = cabin.lost = 0
    cabin.player.close()
    per_hour = 60 / minutes
    return {
        "minutes": minutes,
        "ducks_per_hour": round(cabin.ducks * per_hour, 1),
        "pauses_per_hour": round(cabin.pauses * per_hour, 1),
        "lost_replies_per_hour": round(cabin.lost * per_hour, 1),
    }


def first_replies(ears: Ears, noise: np.ndarray, starts: int = 5) -> dict[str, int]:
    """Replies that play from the first moment on, when neither the room nor its noise is known."""
    held = 0
    for start in range(starts):
        cabin = Cabin(ears, np.roll(noise, 16000 * start))
        cabin.ask()
        for _ in range(6 * 50):
            cabin.step()
        held += cabin.pauses > 0
        cabin.player.close()
    return {"starts": starts, "held": held}


def barge_in(ears: Ears, clips: list[dict], noise: np.ndarray | None, repeat: int, gain_db: float) -> dict:
    stops: list[float] = []
    softer: list[float] = []
    right = 0
    total = held_before = 0
    for clip in clips * repeat:
        sound = read_wav(data_path("demo", clip["file"])) * 10 ** (gain_db / 20)
        want = [reading.intent for reading in ears.understander.parse(clip["text"])]
        cabin = Cabin(ears, noise)
        cabin.ask()
        for step in range(WARM_STEPS + 7 * total % 50):  # the echo path is learnt in the first replies
            if step % 50 == 0 and cabin.dialogue.state is not State.SPEAKING:
                cabin.ask()
            cabin.step()
        if cabin.dialogue.state is not State.SPEAKING:
            cabin.ask()
        onset_s = cabin.air.now_s + onset_of(sound)
        cabin.understood.clear()
        cabin.air.speak(sound)
        stopped_s = None
        early = False
        for _ in range(int((len(sound) / 16000 + 1.5) * 50)):
            cabin.step()
            early |= cabin.air.now_s <= onset_s and cabin.dialogue._speech.is_held
            if not early and stopped_s is None and cabin.dialogue._speech.is_held:
                stopped_s = cabin.air.now_s
                stops.append(max(0.0, cabin.last_audible_s - onset_s))
                softer.append(max(0.0, cabin.last_loud_s - onset_s))
        total += 1
        held_before += early
        right += cabin.understood[:1] == want[:1]
        cabin.player.close()
    p50, p95 = np.percentile(stops, (50, 95)) if stops else (float("nan"),) * 2
    soft50, soft95 = np.percentile(softer, (50, 95)) if stops else (float("nan"),) * 2
    return {
        "clips": total,
        "held_before": held_before,
        "noticed": len(stops),
        "soft_ms_p50": round(float(soft50) * 1e3),
        "soft_ms_p95": round(float(soft95) * 1e3),
        "stop_ms_p50": round(float(p50) * 1e3),
        "stop_ms_p95": round(float(p95) * 1e3),
        "understood": right,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Talk over replies in a virtual cabin.")
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    ears = Ears(Config())
    seconds = 60.0
    kinds = {
        "quiet": None,
        "driving, -45 dBFS": cabin_noise(seconds, 1, "drive") * 10 ** (-45 / 20),
        "driving, -35 dBFS": cabin_noise(seconds, 2, "drive") * 10 ** (-35 / 20),
        "wind, -35 dBFS": cabin_noise(seconds, 3, "wind") * 10 ** (-35 / 20),
        "rain, -40 dBFS": cabin_noise(seconds, 4, "rain") * 10 ** (-40 / 20),
        "music from a phone, -40 dBFS": music(seconds, 5) / np.sqrt(np.mean(music(seconds, 5) ** 2)) * 0.01,
    }
    drive = cabin_noise(seconds, 6, "drive") * 10 ** (-45 / 20)
    kinds["coughs in a driving car, peaks at -12 dBFS"] = drive + 0.25 * coughs(seconds, 7)
    kinds['"uh-huh" in a driving car, peaks at -12 dBFS'] = drive + 0.25 * back_channels(seconds, 8)
    kinds = {name: None if noise is None else noise.astype(np.float32) for name, noise in kinds.items()}
    report: dict[str, dict] = {"false": {}, "barge_in": {}}
    for name, noise in kinds.items():
        report["false"][name] = false_interruptions(ears, noise, options.minutes)
        print(name, report["false"][name], flush=True)
    rng = np.random.default_rng(9)
    light = {f"{20 * np.log10(level):.0f} dBFS": level for level in (FLOOR, 2e-3, 6e-3)}
    report["first"] = {
        name: first_replies(ears, (level * rng.standard_normal(int(seconds * 16000))).astype(np.float32))
        for name, level in light.items()
    }
    report["first"]["driving, -45 dBFS"] = first_replies(ears, kinds["driving, -45 dBFS"])
    print(report["first"], flush=True)
    clips = tomllib.loads(data_path("demo", "clips.toml").read_text())["clip"]
    # Clips with a cabin of their own would bring its noise along, and that is noticed before the first word.
    clips = [clip for clip in clips if clip["noise"] == "quiet"]
    clips = [clip for clip in clips if ears.understander.parse(clip["text"])[0].rejected is None]
    kinds["quiet"] = (FLOOR * rng.standard_normal(int(seconds * 16000))).astype(np.float32)
    for name, gain_db in (("as recorded", 0.0), ("6 dB softer", -6.0)):
        for where in ("quiet", "driving, -45 dBFS"):
            row = barge_in(ears, clips, kinds[where], options.repeat, gain_db)
            report["barge_in"][f"{name}, {where}"] = row
            print(name, where, row, flush=True)
    write(report)


def write(report: dict) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "dialogue_bargein.json").write_text(json.dumps(report, indent=1) + "\n")
    lines = ["# Talking over replies", "", "Made by `python bench/dialogue_bargein.py`.", ""]
    lines += [
        "| while it speaks and nobody else does | minutes | softened/h | paused/h | lost replies/h |",
        "|---|---|---|---|---|",
    ]
    for name, row in report["false"].items():
        cells = (row["minutes"], row["ducks_per_hour"], row["pauses_per_hour"], row["lost_replies_per_hour"])
        lines.append(f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |")
    lines += ["", FALSE_ONES, ""]
    lines += ["| the first reply, from the moment of the start on | starts | held |", "|---|---|---|"]
    lines += [
        f"| noise of {name} | {row['starts']} | {row['held']} |" for name, row in report["first"].items()
    ]
    lines += [
        "",
        "| a driver talks over the reply | clips | held before the first word | noticed "
        "| ms to -20 dB p50 | p95 | ms to silence p50 | p95 | understood |",
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for name, row in report["barge_in"].items():
        lines.append(f"| {name} | " + " | ".join(str(cell) for cell in row.values()) + " |")
    (RESULTS / "dialogue_bargein.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
