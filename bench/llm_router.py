"""What the router costs, and how long the driver waits when an endpoint is dead, slow or lies.

Run ``python bench/llm_router.py``, where other work runs under ``chrt -r 10``; it writes
bench/results/llm_router.md. Servers are local, so that only our
own part is measured. ``--litellm PYTHON`` names an interpreter with LiteLLM, for its start-up beside ours.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "llm"))

from chat_server import (  # noqa: E402
    Behaviour,
    ChatServer,
    captive_portal,
    cut_after,
    hangs,
    says,
    silent,
    status,
)

from carvoice.llm import AnswerContext  # noqa: E402
from carvoice.llm.answer import Draft  # noqa: E402
from carvoice.llm.remote import Deployment, Limits, client_for  # noqa: E402
from carvoice.llm.router import Router, RouterSettings  # noqa: E402

LIMITS = Limits()


def percentile_row(name: str, values_ms: list[float]) -> str:
    p50, p95, p99 = np.percentile(values_ms, (50, 95, 99))
    return f"| {name} | {p50:.2f} | {p95:.2f} | {p99:.2f} |"


def first_ms(router: Router) -> tuple[float, float]:
    """Milliseconds to the first token and to the first whole sentence."""
    started_s = time.monotonic()
    draft = Draft()
    pieces = router.answer("what is rain", AnswerContext(), Event(), draft)
    next(pieces)
    sentence_s = time.monotonic()
    for _ in pieces:
        pass
    assert draft.first_token_s is not None
    return (draft.first_token_s - started_s) * 1e3, (sentence_s - started_s) * 1e3


def server_elsewhere() -> tuple[subprocess.Popen[str], str]:
    """A quick server in another process, and its base URL: ours must not wait for its share of Python."""
    code = (
        f"import sys; sys.path.insert(0, {str(HERE.parent / 'tests' / 'llm')!r}); import chat_server as c; "
        "s = c.ChatServer(c.says('Water. ', 'It falls.')); print(s.base_url, flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


class Stopwatch:
    """Notes when the client is called and when it hands out the first text, in :attr:`marks_s`."""

    def __init__(self) -> None:
        self.marks_s: list[float] = []

    def attach(self, deployment: Deployment) -> None:
        completions = client_for(deployment, LIMITS).chat.completions
        create = completions.create

        def timed(**request: Any) -> Any:
            self.marks_s = [time.monotonic()]
            return TimedStream(create(**request), self)

        completions.create = timed


class TimedStream:
    def __init__(self, stream: Any, watch: Stopwatch) -> None:
        self.response = stream.response
        self._stream = stream
        self._watch = watch

    def __iter__(self) -> Iterator[Any]:
        for chunk in self._stream:
            if len(self._watch.marks_s) == 1 and chunk.choices and chunk.choices[0].delta.content:
                self._watch.marks_s.append(time.monotonic())
            yield chunk

    def close(self) -> None:
        self._stream.close()


def overhead(rounds: int = 600) -> list[str]:
    """What is ours of the time to the first token: all but what passes inside of the client."""
    process, url = server_elsewhere()
    deployments = [Deployment("talk", f"m{n}", url) for n in range(8)]
    for deployment in deployments:
        client_for(deployment, LIMITS)
    router = Router(deployments, "You are a car.", RouterSettings(limits=LIMITS))
    watch = Stopwatch()
    for deployment in deployments:  # each unknown one is tried once: open its connection
        watch.attach(deployment)
        first_ms(router)
    client, before, after, both, decided = [], [], [], [], []
    for _ in range(rounds):
        started_s = time.monotonic()
        draft = Draft()
        pieces = router.answer("what is rain", AnswerContext(), Event(), draft)
        next(pieces)
        assert draft.first_token_s is not None
        called_s, handed_out_s = watch.marks_s
        before.append((called_s - started_s) * 1e3)
        client.append((handed_out_s - called_s) * 1e3)
        after.append((draft.first_token_s - handed_out_s) * 1e3)
        both.append(before[-1] + after[-1])
        for _ in pieces:
            pass
        started_s = time.perf_counter()
        router.order()
        decided.append((time.perf_counter() - started_s) * 1e3)
    router.close()
    process.communicate()
    return [
        f"Time to the first token, 8 deployments, {rounds} answers, milliseconds:",
        "",
        "| | p50 | p95 | p99 |",
        "|---|---|---|---|",
        percentile_row("inside the `openai` client, with connection and server", client),
        percentile_row("ours before: choice, prompt, a thread", before),
        percentile_row("ours after: from thread to thread", after),
        percentile_row("**ours together**", both),
        percentile_row("choice of the deployment alone", decided),
    ]


def failover(name: str, behaviour: Behaviour | str, rounds: int, was_well: bool = False) -> str:
    """Time to the first sentence when the first choice is bad, each time with a fresh router."""
    times = []
    good = ChatServer(says("Water."))
    for _ in range(rounds):
        bad = behaviour if isinstance(behaviour, str) else ChatServer(behaviour)
        url = bad if isinstance(bad, str) else bad.base_url
        router = Router(
            [Deployment("talk", "bad", url), Deployment("spare", "good", good.base_url)],
            "You are a car.",
            RouterSettings(fallbacks={"talk": ("spare",)}, limits=LIMITS),
        )
        for deployment in router.order():
            client_for(deployment, LIMITS)
        if was_well and isinstance(bad, ChatServer):
            bad.behaviour = says("Water.")
            first_ms(router)
            bad.behaviour = behaviour
        times.append(first_ms(router)[1])
        router.close()
        if isinstance(bad, ChatServer):
            bad.hung_up.set()
            bad.close()
    good.close()
    return percentile_row(name, times)


def litellm_overhead(python: str, rounds: int = 200) -> list[str]:
    """Time to the first text through LiteLLM's Router and through the bare client, by turns."""
    process, url = server_elsewhere()
    result = subprocess.run(
        [python, str(HERE / "llm_litellm.py"), url, str(rounds)], capture_output=True, text=True, check=True
    )
    process.communicate()
    times = json.loads(result.stdout.splitlines()[-1])
    added = np.subtract(times["router"], times["bare"])
    return [
        "LiteLLM's Router with the same server and number of deployments, milliseconds to the first text:",
        "",
        "| | p50 | p95 | p99 |",
        "|---|---|---|---|",
        percentile_row("bare `openai` client", times["bare"]),
        percentile_row("through LiteLLM's Router", times["router"]),
        percentile_row("**added**, answer by answer", list(added)),
        "",
    ]


def start_up(python: str, code: str) -> str:
    times, memory = [], []
    measure = (
        f"import time, resource; t = time.process_time(); {code}; "
        "print(time.process_time() - t, resource.getrusage(0).ru_maxrss)"
    )
    for _ in range(5):
        result = subprocess.run([python, "-c", measure], capture_output=True, text=True, check=True)
        seconds, kilobytes = result.stdout.split()[-2:]
        times.append(float(seconds))
        memory.append(int(kilobytes) / 1024)
    return f"{min(times):.2f} s of CPU (best of 5), {min(memory):.0f} MB resident"


def main() -> None:
    logging.disable(logging.WARNING)  # every failure would be said
    parser = argparse.ArgumentParser()
    parser.add_argument("--litellm", default="", help="interpreter that has litellm")
    arguments = parser.parse_args()
    load, cores = os.getloadavg()[0], os.cpu_count()
    priority = "normal" if os.sched_getscheduler(0) == os.SCHED_OTHER else "real-time"
    machine = f"{cores} cores, load {load:.1f} from other work, {priority} priority."
    lines = ["# Remote models: the router", "", machine, ""]
    lines += [*overhead(), ""]
    lines += [
        "Failover, milliseconds to the first whole sentence when the first choice fails "
        f"(first-token limit {LIMITS.first_token_s:g} s, stall limit {LIMITS.stall_s:g} s):",
        "",
        "| first choice | p50 | p95 | p99 |",
        "|---|---|---|---|",
        failover("dead: port closed", "http://127.0.0.1:9/v1", 20),
        failover("dead: 503", status(503), 20),
        failover("busy: 429", status(429, retry_after="10"), 20),
        failover("lies: captive portal", captive_portal, 20),
        failover("lies: empty answer", says(), 20),
        failover("lies: rubbish", says("\x00\ufffd\ufffd"), 20),
        failover("breaks: cut in its first sentence", cut_after("Rain is "), 20),
        failover("slow: never answers", silent, 2),
        failover("slow: only keep-alive comments", hangs(), 2),
        failover("slow: answered quickly before", silent, 2, was_well=True),
        "",
        "A silent endpoint is not waited for: after 1 s, or after 1.5 times the slowest of its last ten "
        "first tokens (at least 0.4 s), the next one is asked beside it and the first to speak goes on; "
        "after `allowed_fails` it rests and costs nothing.",
        "",
    ]
    ours = start_up(sys.executable, "from carvoice.llm.router import Router; import openai")
    lines += ["Start-up (import):", "", f"- ours, with the `openai` client: {ours}"]
    if arguments.litellm:
        theirs = start_up(arguments.litellm, "from litellm import Router")
        site = subprocess.run(
            [arguments.litellm, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        size = sum(p.stat().st_size for p in Path(site).rglob("*") if p.is_file()) / 1e6
        lines.append(f"- LiteLLM's Router: {theirs}; {size:.0f} MB installed with what it needs")
        lines += ["", *litellm_overhead(arguments.litellm)]
    text = "\n".join(lines).rstrip() + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_router.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
