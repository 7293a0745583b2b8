"""Resident memory over 10,000 turns: answers, semantic cache, turn log, alerts, metrics and traces.

Run ``python bench/llm_memory.py``; it writes bench/results/llm_memory.md. Every second turn is an open
question that goes through the tiers, every other one a command of the log. What the assistant keeps of the
conversation itself is measured by ``bench/test_dialogue_turn.py``.
"""

from __future__ import annotations

import gc
import resource
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from threading import Event

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from test_llm_speed import Echo, a_turn  # noqa: E402

from carvoice.config import Config, LogConfig  # noqa: E402
from carvoice.llm import AnswerContext, TieredAnswerer  # noqa: E402
from carvoice.llm.cache import CacheTier, SemanticCache  # noqa: E402
from carvoice.llm.manual import Manual, ManualTier  # noqa: E402
from carvoice.resources import data_path  # noqa: E402
from carvoice.service.observe import build_observer  # noqa: E402

TURNS = 10_000
EVERY = 1_000
NOBODY = "http://127.0.0.1:9"  # a collector that is away: what waits for it must stay bounded


def resident_mb() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def main() -> None:
    lines = ["# Memory over 10,000 turns", "", "| turns | MB resident | answers kept |", "|---|---|---|"]
    cache = SemanticCache(max_entries=500)
    answerer = TieredAnswerer(
        [ManualTier(Manual(data_path("cars", "demo", "manual"))), CacheTier(cache), Echo()], learn=cache.learn
    )
    figures: list[float] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        log = LogConfig(folder=Path(folder), prometheus_port=19_464, otlp_endpoint=NOBODY)
        observe = build_observer(Config(log=log), stack)
        for turn in range(1, TURNS + 1):
            if turn % 2:
                list(answerer.answer(f"why does the engine number {turn} knock", AnswerContext(), Event()))
            observe(a_turn(turn))
            if turn % EVERY == 0:
                figures.append(resident_mb())
                lines.append(f"| {turn:,} | {figures[-1]:.1f} | {len(cache)} |")
    answerer.close()
    lines += ["", f"From turn 5,000 to 10,000: {figures[-1] - figures[4]:+.1f} MB."]
    text = "\n".join(lines) + "\n"
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "llm_memory.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
