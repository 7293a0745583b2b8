"""How fast speech starts and stops: writes bench/results/tts.md and .json.

Three things are timed on the real player with the real espeak-ng voice, playing in real time into a sink
that blocks like a sound card:

* from a reply's text to its first sample in the sink: spoken for the first time, and from the cache;
* from an answer's first sentence to its first sample, while the rest is still being written;
* from the moment the talker is detected (``SpeechBegan`` posted to the dialogue) to the last sample that
  is not silent, device lead included.

Run: ``python bench/tts_speech.py [--repeat 40]``
"""

from __future__ import annotations

import argparse
import json
import platform
import threading
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from carvoice.dialogue import Dialogue, DialogueRunner, Heard, Replies, SpeechBegan, load_acts, playback_to
from carvoice.dialogue.events import Activated
from carvoice.records import Hypothesis, Interpretation
from carvoice.resources import data_path
from carvoice.tts import CachedVoice, EspeakVoice, Player

RESULTS = Path(__file__).parent / "results"
LEAD_S = 0.04


class SoundCard:
    """Buffers up to 100 ms like a sound card, and notes when which sample leaves the loudspeaker."""

    def __init__(self) -> None:
        self.written: list[tuple[float, np.ndarray]] = []
        self._next_s = 0.0
        self.first = threading.Event()

    def write(self, samples: np.ndarray) -> None:
        now_s = time.monotonic()
        plays_s = max(now_s, self._next_s)
        self.written.append((plays_s, samples))
        if np.any(samples):
            self.first.set()
        self._next_s = plays_s + len(samples) / 16000
        time.sleep(max(0.0, self._next_s - now_s - 0.1))

    def close(self) -> None:
        pass

    def arm(self) -> None:
        self.written.clear()
        self.first.clear()

    def first_s(self) -> float:
        """Time at which the first sample that is not zero plays."""
        return next(at_s for at_s, samples in self.written if np.any(samples))

    def audible_until_s(self) -> float:
        """Time at which the last sample that is not zero leaves the loudspeaker."""
        at_s, samples = [item for item in self.written if np.any(item[1])][-1]
        return at_s + (np.flatnonzero(samples)[-1] + 1) / 16000


class Nothing:
    """An understander that understands nothing; all other rooms are never reached."""

    def parse(self, heard, context=None):
        intent = "SystemHelp" if heard.text == "help" else ""
        return (Interpretation(intent, text=heard.text, rejected=None if intent else "out of domain"),)


def wait_quiet(player: Player) -> None:
    player.cancel()
    time.sleep(0.08)


def first_sample_ms(player: Player, card: SoundCard, text: str) -> float:
    wait_quiet(player)
    card.arm()
    start_s = time.monotonic()
    player.say(text)
    assert card.first.wait(5)
    return (card.first_s() - start_s) * 1e3


def stream_ms(player: Player, card: SoundCard, sentences: list[str]) -> float:
    wait_quiet(player)
    card.arm()
    utterance = player.open()
    start_s = time.monotonic()
    player.append(utterance, sentences[0] + " ")
    player.append(utterance, sentences[1])  # the second one is being written
    assert card.first.wait(5)
    return (card.first_s() - start_s) * 1e3


def barge_in_ms(dialogue: Dialogue, card: SoundCard, after_s: float) -> float:
    card.arm()
    dialogue.post(Activated())
    dialogue.post(Heard(Hypothesis("help", is_final=True)))
    assert card.first.wait(5)
    time.sleep(after_s)
    start_s = time.monotonic()
    dialogue.post(SpeechBegan())
    time.sleep(0.25)
    stopped_s = card.audible_until_s()
    dialogue.post(Heard(Hypothesis("stop it now")))
    time.sleep(0.02)
    return (stopped_s - start_s) * 1e3


def summary(values: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(values, (50, 95))
    return {
        "n": len(values),
        "p50": round(float(p50), 2),
        "p95": round(float(p95), 2),
        "max": round(max(values), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=40)
    repeat = parser.parse_args().repeat
    replies = Replies.load(data_path("grammars", "en", "replies.yaml"))
    fixed = replies.fixed()
    card = SoundCard()
    voice = EspeakVoice()
    rows: dict[str, dict[str, float]] = {}

    with Player(voice, card, lead_s=LEAD_S) as player:
        texts = [f"The temperature is set to {16 + index / 4:g} degrees." for index in range(repeat)]
        rows["reply to first sample, new text"] = summary([first_sample_ms(player, card, t) for t in texts])
        answer = ["The yellow light means that a tire has lost pressure.", "Check all of them, then press"]
        rows["first sentence of an answer to first sample"] = summary(
            [stream_ms(player, card, answer) for _ in range(repeat)]
        )

    card = SoundCard()
    cached = CachedVoice(voice)
    start_s = time.monotonic()
    cached.warm(fixed)
    warm_s = time.monotonic() - start_s
    with Player(cached, card, lead_s=LEAD_S) as player:
        texts = [fixed[index % len(fixed)] for index in range(repeat)]
        rows["reply to first sample, fixed reply (cached)"] = summary(
            [first_sample_ms(player, card, t) for t in texts]
        )

    card = SoundCard()
    with Player(cached, card, lead_s=LEAD_S) as player:
        dialogue = Dialogue(
            understander=Nothing(), planner=None, gate=None, actuator=None, state=None, replies=replies,
            acts=load_acts(data_path("grammars", "actions.yaml")), speaker=player, now=datetime.now,
        )  # fmt: skip
        player.on_event = playback_to(dialogue)
        with DialogueRunner(dialogue):
            times = [barge_in_ms(dialogue, card, 0.2 + index % 10 * 0.037) for index in range(repeat)]
    rows[f"speech detected to silence, {LEAD_S * 1e3:.0f} ms device lead"] = summary(times)

    RESULTS.mkdir(exist_ok=True)
    report = {"rows": rows, "cache": {"texts": len(fixed), "seconds": cached.cached_s, "warm_s": warm_s}}
    (RESULTS / "tts.json").write_text(json.dumps(report, indent=1) + "\n")
    lines = [
        "# Speech out: how fast it starts and stops",
        "",
        f"Milliseconds. espeak-ng, real time, {platform.machine()}, Python {platform.python_version()}.",
        "Made by `python bench/tts_speech.py`.",
        "",
        "| what | n | p50 | p95 | max | budget |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        budget = 100 if "silence" in name else 250
        lines.append(f"| {name} | {row['n']} | {row['p50']} | {row['p95']} | {row['max']} | {budget} |")
    lines += [
        "",
        f"Cache: {len(fixed)} fixed replies, {cached.cached_s:.0f} s of sound "
        f"({cached.cached_s * 64 / 1000:.1f} MB), rendered in {warm_s:.2f} s.",
        "",
    ]
    (RESULTS / "tts.md").write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
