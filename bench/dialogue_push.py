"""From the talk button to "listening": writes bench/results/dialogue_push.md.

The button is pressed in every way there is; timed is from just before the press to the state change, as seen
by whoever subscribed to the dialogue's events (for the API: to the message on the WebSocket). In half of the
presses the assistant is speaking, so that the press also has to silence it. Nothing is gained by warming up:
the microphone is always open, and what was said 300 ms before the press is still in its memory.

Run: ``python bench/dialogue_push.py [--presses 100]``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import numpy as np
from aiohttp import web

from carvoice.assistant import Assistant
from carvoice.assistant.button import TalkButton
from carvoice.assistant.controls import KEY_VOICECOMMAND, KeyReader, watch_signal
from carvoice.assistant.loudspeaker import Loudspeaker
from carvoice.audio.devices import NullSink
from carvoice.config import Config, VehicleConfig
from carvoice.dialogue.events import Cancelled, Event, Heard, State, StateChanged
from carvoice.records import Hypothesis
from carvoice.service.api import Api
from carvoice.service.health import Health
from carvoice.service.hub import EventHub

RESULT = Path(__file__).parent / "results" / "dialogue_push.md"
TARGET_MS = 250.0
SWITCHES = 272  # SWM_SwitchStat of the demo car


class Bench:
    """An assistant whose state changes are timed."""

    def __init__(self) -> None:
        self.listening = threading.Event()
        self.heard_s = 0.0
        self.also: Callable[[Event], object] = lambda event: None
        self.assistant = Assistant(
            Config(vehicle=VehicleConfig(channel="push-bench")), on_event=self._event, loudspeaker=NullSink()
        )
        self.assistant.vehicle.wait_until_known()
        self.button = TalkButton(self.assistant.post, None)

    def _event(self, event: Event) -> None:
        if isinstance(event, StateChanged) and event.state is State.LISTENING:
            self.heard_s = time.monotonic()
            self.listening.set()
        self.also(event)

    def prepare(self, speaking: bool) -> None:
        """Idle, or in the middle of a reply."""
        self.button.release()
        self.assistant.post(Cancelled())
        if speaking:
            self.assistant.post(Heard(Hypothesis("help", is_final=True, source="text")))
        wanted = State.SPEAKING if speaking else State.IDLE
        until_s = time.monotonic() + 10
        while self.assistant.dialogue.state is not wanted and time.monotonic() < until_s:
            time.sleep(0.002)
        self.listening.clear()

    def times_ms(self, press: Callable[[], float], presses: int) -> list[float]:
        """Milliseconds of each press; ``press`` returns when it was."""
        took = []
        for number in range(presses):
            self.prepare(speaking=bool(number % 2))
            started_s = press()
            assert self.listening.wait(10)
            took.append((self.heard_s - started_s) * 1e3)
        return took


def by_signal(bench: Bench, presses: int) -> list[float]:
    """A frame of the steering wheel's switches, from another node of the bus."""
    import can

    state = bench.assistant.vehicle.state
    path = bench.assistant.config.dialogue.talk_signal
    watch_signal(bench.button, state, path)
    down = can.Message(arbitration_id=SWITCHES, data=[1, *[0] * 7], is_extended_id=False)
    with can.Bus("push-bench", interface="virtual") as wheel:

        def press() -> float:
            state.wait(lambda: not state.get(path).value, 10)  # the simulated switch says that it is up
            started_s = time.monotonic()
            wheel.send(down)
            return started_s

        took = bench.times_ms(press, presses)
    state.watch(path, lambda value: None)
    return took


def by_key(bench: Bench, presses: int) -> list[float]:
    """A key event as the kernel gives it, through a pipe in the device's place."""
    with tempfile.TemporaryDirectory() as folder:
        device = Path(folder) / "event0"
        os.mkfifo(device)
        reader = KeyReader(bench.button, device)
        with device.open("wb", buffering=0) as keys:
            event = struct.pack("@llHHi", 0, 0, 1, KEY_VOICECOMMAND, 1)

            def press() -> float:
                started_s = time.monotonic()
                keys.write(event)
                return started_s

            took = bench.times_ms(press, presses)
        reader.close()
    return took


async def by_api(bench: Bench, presses: int) -> tuple[list[float], list[float]]:
    """POST on the Unix socket, a connection each, to the event on another's WebSocket; and on that itself."""
    hub = EventHub(asyncio.get_running_loop())
    bench.also = hub.publish
    health = Health(bench.assistant, None, None, Loudspeaker(NullSink))
    api = Api(bench.assistant, bench.button, health, hub)
    posted, sent = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/carvoice.sock"
        runner = web.AppRunner(api.application(), access_log=None)
        await runner.setup()
        await web.UnixSite(runner, path).start()
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as watcher,
            watcher.ws_connect("http://car/events") as events,
        ):
            for number in range(2 * presses):
                await asyncio.to_thread(bench.prepare, bool(number // 2 % 2))
                while True:  # what happened before
                    try:
                        await events.receive_json(timeout=0.05)
                    except asyncio.TimeoutError:
                        break
                started_s = time.monotonic()
                if number % 2:
                    await events.send_json({"do": "press"})
                else:
                    connector = aiohttp.UnixConnector(path)
                    async with aiohttp.ClientSession(connector=connector) as client:
                        await client.post("http://car/talk/press")
                while (await events.receive_json(timeout=10)).get("state") != "listening":
                    pass
                (sent if number % 2 else posted).append((time.monotonic() - started_s) * 1e3)
        await runner.cleanup()
    bench.also = lambda event: None
    return posted, sent


def main() -> None:
    parser = argparse.ArgumentParser(description="From the talk button to listening.")
    parser.add_argument("--presses", type=int, default=100)
    presses = parser.parse_args().presses
    bench = Bench()
    rows = {
        "CAN signal (steering wheel)": by_signal(bench, presses),
        "key (input device)": by_key(bench, presses),
    }
    posted, sent = asyncio.run(by_api(bench, presses))
    rows |= {"API, POST /talk/press": posted, "API, WebSocket": sent}
    bench.assistant.close()
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    lines = [
        "# From the talk button to listening",
        "",
        f"Milliseconds; {presses} presses each, half of them during a reply. Target: {TARGET_MS:g} ms.",
        f"Made by `python bench/dialogue_push.py` with {load:.1f} runnable processes per core.",
        "",
        "| by | p50 | p95 | max | within 250 ms |",
        "|---|---|---|---|---|",
    ]
    for name, took in rows.items():
        p50, p95 = np.percentile(took, (50, 95))
        within = sum(value <= TARGET_MS for value in took) / len(took)
        lines.append(f"| {name} | {p50:.2f} | {p95:.2f} | {max(took):.2f} | {within:.0%} |")
        print(lines[-1], flush=True)
    RESULT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
