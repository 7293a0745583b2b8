"""What the router costs, and how long the driver waits when an endpoint is dead, slow or lies.

Run ``python bench/llm_router.py``, where other work runs under ``chrt -r 10``; it writes
bench/results/llm_router.md. Servers are local, so that only our
own part is measured. ``--litellm PYTHON`` names an interpreter with LiteLLM, for its start-up beside ours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

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


def overhead(rounds: int = 400) -> list[str]:
    """Time to the first sentence through the router and through the bare client, by turns."""
    server = ChatServer(says("Water. ", "It falls."))
    deployments = [Deployment("talk", f"m{n}", server.base_url) for n in range(8)]
    router = Router(deployments, "You are a car.", RouterSettings(limits=LIMITS))
    client = client_for(deployments[0], LIMITS)
    messages = [{"role": "system", "content": "You are a car."}, {"role": "user", "content": "what is rain"}]
    for _ in deployments:  # each unknown one is tried once: open its connection
        first_ms(router)
    bare, token, sentence, decided = [], [], [], []
    for _ in range(rounds):
        started_s = time.perf_counter()
        stream = client.chat.completions.create(
            model="m0", messages=messages, stream=True, stream_options={"include_usage": True}
        )
        chunks = iter(stream)
        while not (chunk := next(chunks)).choices or not chunk.choices[0].delta.content:
            pass
        bare.append((time.perf_counter() - started_s) * 1e3)
        for _ in chunks:
            pass
        token_ms, sentence_ms = first_ms(router)
        token.append(token_ms)
        sentence.append(sentence_ms)
        started_s = time.perf_counter()
        router.order()
        decided.append((time.perf_counter() - started_s) * 1e3)
    router.close()
    server.close()
    added = float(np.median(token) - np.median(bare))
    return [
        f"Overhead, 8 deployments, {rounds} answers each way, milliseconds to the first text:",
        "",
        "| | p50 | p95 | p99 |",
        "|---|---|---|---|",
        percentile_row("bare `openai` client, first token", bare),
        percentile_row("through the router, first token", token),
        percentile_row("through the router, first whole sentence", sentence),
        percentile_row("choice of the deployment alone", decided),
        "",
        f"Added at the median: {added:.2f} ms; most of it is the hand-over from the thread that reads.",
    ]


def failover(name: str, behaviour: Behaviour | str, rounds: int) -> str:
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
        times.append(first_ms(router)[1])
        router.close()
        if isinstance(bad, ChatServer):
            bad.hung_up.set()
            bad.close()
    good.close()
    return percentile_row(name, times)


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
        "",
        "A slow endpoint costs the first-token limit once; after `allowed_fails` it rests and costs nothing.",
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
    text = "\n".join(lines) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_router.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
