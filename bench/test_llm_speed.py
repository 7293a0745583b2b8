"""What a question costs before any model is asked; fails when a step overruns its budget (median)."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from carvoice.llm import AnswerContext, TieredAnswerer, looks_like_question
from carvoice.llm.answer import Cancel, Draft
from carvoice.llm.cache import CacheTier, SemanticCache
from carvoice.llm.manual import Manual, ManualTier
from carvoice.llm.remote import Deployment
from carvoice.llm.router import Router
from carvoice.records import AnswerRecord, Hypothesis, Reply, Span, Turn
from carvoice.resources import data_path
from carvoice.turnlog import TurnLog

QUESTIONS = [
    line.split("\t")[1]
    for line in (Path(__file__).parent / "llm_data" / "questions.tsv").read_text().splitlines()
]


def within(benchmark, budget_ms: float) -> None:
    if benchmark.enabled:
        assert benchmark.stats["median"] * 1e3 < budget_ms


def test_gate(benchmark) -> None:
    benchmark(lambda: [looks_like_question(text) for text in QUESTIONS])
    within(benchmark, 0.1 * len(QUESTIONS))


def test_manual_search(benchmark) -> None:
    manual = Manual(data_path("cars", "demo", "manual"))
    benchmark(manual.search, "how much pressure should the rear tyres have with a full load")
    within(benchmark, 5.0)


def test_cache_look_up_among_2000(benchmark) -> None:
    cache = SemanticCache()
    for n in range(2000):
        cache.put(f"who invented the {n} machine", "Somebody.", "m")
    benchmark(cache.look_up, "who was the inventor of the steam machine")
    within(benchmark, 20.0)


def test_choice_of_a_deployment(benchmark) -> None:
    router = Router([Deployment("talk", f"m{n}", f"http://127.0.0.1:{9000 + n}/v1") for n in range(8)], "")
    benchmark(router.order)
    within(benchmark, 1.0)


def a_turn(n: int) -> Turn:
    return Turn(
        f"{n:016x}",
        Hypothesis("why is the sky blue"),
        reply=Reply("Because of scattering.", "answer"),
        spans=tuple(Span(name, float(n), 1.0) for name in ("asr", "understanding", "act", "reply")),
        answer=AnswerRecord("answered", "local", "tiny", ttft_ms=60.0, total_ms=300.0, tokens=12),
    )


def test_queueing_a_turn_for_the_log(benchmark, tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    turn = a_turn(1)
    benchmark.pedantic(log.write, (turn,), rounds=200)
    log.close()
    within(benchmark, 0.1)


class Echo:
    name = "local"

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        yield f"You asked: {question}. "
        yield "That is all."

    def close(self) -> None:
        pass


def resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.timeout(600)
def test_memory_stays_bounded_over_10000_turns(tmp_path: Path) -> None:
    cache = SemanticCache(max_entries=100)
    answerer = TieredAnswerer(
        [ManualTier(Manual(data_path("cars", "demo", "manual"))), CacheTier(cache), Echo()], learn=cache.learn
    )
    log = TurnLog(tmp_path, max_turns=100)

    def run(first: int, last: int) -> None:
        for n in range(first, last):
            list(answerer.answer(f"why does the {n} engine number {n} knock", AnswerContext(), Event()))
            log.write(a_turn(n))
        log.flush(60.0)

    run(0, 2000)
    before = resident_bytes()
    run(2000, 10_000)
    grown = resident_bytes() - before
    log.close()
    assert grown < 8_000_000, f"{grown / 1e6:.1f} MB more after 8,000 more turns"
    assert len(cache) <= 100
