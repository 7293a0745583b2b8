from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gguf", reason="gguf is not installed: no test model can be written")
pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: the local model cannot be tested")

from tiny_gguf import RAIN, write_tiny_gguf

from carvoice.errors import ModelError
from carvoice.llm import AnswerContext, IntentTool, TieredAnswerer
from carvoice.llm.engine import Engine, EngineSettings, Generation
from carvoice.llm.local import LocalLimits, LocalTier
from carvoice.llm.tools import call_schema

SYSTEM = "You are the voice assistant of a car. Your words are spoken aloud to the driver."
TOOL = IntentTool(
    "OpenTrunk",
    "Open the trunk.",
    {
        "type": "object",
        "properties": {"side": {"type": "string", "enum": ["rear"]}},
        "required": ["side"],
        "additionalProperties": False,
    },
)
ENDLESS = "and on it goes"
PATIENT = LocalLimits(load_s=60.0, first_token_s=30.0, stall_s=30.0, total_s=60.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    write_tiny_gguf(folder / "rain.gguf")
    write_tiny_gguf(folder / "endless.gguf", ENDLESS, endless=True)
    write_tiny_gguf(folder / "calls.gguf", "{ oops")
    write_tiny_gguf(folder / "plain.gguf", chat_template=None)
    return folder


def messages(question: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]


def generate(engine: Engine, question: str = "what is rain", **options) -> tuple[list[str], Generation]:
    counts = Generation()
    options = {"max_tokens": 40, "time_s": 60.0, "cancelled": lambda: False, **options}
    return list(engine.generate(messages(question), counts=counts, **options)), counts


@pytest.fixture(scope="module")
def engine(models: Path) -> Iterator[Engine]:
    engine = Engine(EngineSettings(models / "rain.gguf", n_ctx=512, n_threads=1), SYSTEM)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def endless(models: Path) -> Iterator[Engine]:
    engine = Engine(EngineSettings(models / "endless.gguf", n_ctx=512, n_threads=1), SYSTEM)
    yield engine
    engine.close()


class TestEngine:
    def test_it_says_what_it_was_made_to_say_and_ends_its_turn(self, engine: Engine) -> None:
        pieces, counts = generate(engine)
        assert "".join(pieces) == RAIN.replace(" .", ".")
        assert (counts.reason, counts.tokens) == ("stop", len(RAIN.split()))
        assert len(pieces) == counts.tokens

    def test_the_warm_prompt_is_not_evaluated_again(self, engine: Engine) -> None:
        warm = engine.report.warm_tokens
        assert warm > 20
        for question in ("what is rain", "why is the sky blue", "what is rain"):
            _, counts = generate(engine, question)
            assert counts.prompt_tokens > warm
            assert counts.reused_tokens >= warm

    def test_tokens_are_limited(self, endless: Engine) -> None:
        pieces, counts = generate(endless, max_tokens=7)
        assert (len(pieces), counts.tokens, counts.reason) == (7, 7, "length")

    def test_time_is_limited_also_while_the_prompt_is_evaluated(self, endless: Engine) -> None:
        pieces, counts = generate(endless, "a long question " * 20, time_s=0.0)
        assert (pieces, counts.reason) == ([], "time")
        assert generate(endless, max_tokens=4)[1].tokens == 4  # and it still works

    @pytest.mark.parametrize("after", [0, 1, 5])
    def test_not_one_token_after_a_cancel(self, endless: Engine, after: int) -> None:
        cancelled = threading.Event()
        counts = Generation()
        if after == 0:
            cancelled.set()
        got = 0
        for _ in endless.generate(
            messages("go on"), max_tokens=100, time_s=60.0, cancelled=cancelled.is_set, counts=counts
        ):
            got += 1
            if got == after:
                cancelled.set()
        assert (got, counts.tokens, counts.reason) == (after, after, "cancel")

    def test_a_call_is_held_to_its_schema(self, models: Path) -> None:
        engine = Engine(EngineSettings(models / "calls.gguf", n_ctx=512, n_threads=1), SYSTEM)
        free, _ = generate(engine)
        assert "".join(free) == "{ oops"
        held, counts = generate(engine, call_schema=json.dumps(call_schema([TOOL])), max_tokens=200)
        assert json.loads("".join(held)) == {"name": "OpenTrunk", "arguments": {"side": "rear"}}
        assert counts.reason == "stop"
        engine.close()

    def test_the_warm_state_is_read_back_from_disk(self, models: Path, tmp_path: Path) -> None:
        settings = EngineSettings(models / "rain.gguf", n_ctx=512, n_threads=1, state_folder=tmp_path)
        first = Engine(settings, SYSTEM)
        second = Engine(settings, SYSTEM)
        other = Engine(settings, SYSTEM + " Be brief.")
        assert (first.report.warm_from_disk, second.report.warm_from_disk) == (False, True)
        assert not other.report.warm_from_disk
        assert generate(second)[0] == generate(first)[0]
        for state in tmp_path.iterdir():
            state.write_bytes(state.read_bytes()[:1000])
        damaged = Engine(settings, SYSTEM)
        assert not damaged.report.warm_from_disk
        assert "".join(generate(damaged)[0]) == RAIN.replace(" .", ".")
        for engine in (first, second, other, damaged):
            engine.close()

    def test_what_cannot_be_loaded_says_why(self, models: Path, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="no model file"):
            Engine(EngineSettings(tmp_path / "none.gguf"), SYSTEM)
        with pytest.raises(ModelError, match="no chat template"):
            Engine(EngineSettings(models / "plain.gguf", n_ctx=512), SYSTEM)
        broken = tmp_path / "broken.gguf"
        broken.write_bytes((models / "rain.gguf").read_bytes()[:5000])
        with pytest.raises(ModelError, match="cannot load"):
            Engine(EngineSettings(broken), SYSTEM)
        with pytest.raises(ModelError, match="raise n_ctx"):
            Engine(EngineSettings(models / "rain.gguf", n_ctx=512, n_threads=1), SYSTEM * 30)


class TestTier:
    @pytest.fixture
    def start(self, models: Path) -> Iterator:
        tiers: list[LocalTier] = []

        def begin(name: str, limits: LocalLimits = PATIENT, **options) -> LocalTier:
            settings = EngineSettings(models / name, n_ctx=1024, n_threads=1)
            tiers.append(LocalTier(settings, SYSTEM, limits=limits, **options))
            return tiers[-1]

        yield begin
        for tier in tiers:
            tier.close()

    def test_an_answer_from_the_other_process(self, start) -> None:
        tier = start("rain.gguf")
        stream = TieredAnswerer([tier]).answer("what is rain")
        assert list(stream) == [RAIN.replace(" .", ".")]
        record = stream.record
        assert (record.outcome, record.tier, record.model, record.tokens) == (
            "answered",
            "local",
            "rain",
            8,
        )
        assert tier.pid != os.getpid()
        assert tier.report is not None
        assert tier.report.rss_mb > 10
        assert tier.report.n_threads == 1

    def test_a_killed_worker_fails_the_answer_and_comes_back(self, start) -> None:
        tier = start(
            "endless.gguf", LocalLimits(load_s=60.0, first_token_s=30.0, total_s=60.0, max_tokens=5000)
        )
        assert tier.wait_ready(60)
        os.kill(tier.pid, signal.SIGSTOP)  # so that it is surely there when the question comes
        threading.Timer(0.2, lambda: os.kill(tier.pid, signal.SIGKILL)).start()
        stream = TieredAnswerer([tier]).answer("go on")
        assert list(stream) == ["I couldn't get an answer to that."]
        assert stream.record.outcome == "failed"
        assert "ended with status -9" in stream.record.fallbacks[0]
        assert tier.wait_ready(60)
        assert tier.restarts == 1
        assert tier.pid is not None

    def test_a_stalled_worker_is_killed_and_comes_back(self, start) -> None:
        tier = start("rain.gguf", LocalLimits(load_s=60.0, first_token_s=0.3))
        assert tier.wait_ready(60)
        stalled = tier.pid
        os.kill(stalled, signal.SIGSTOP)
        stream = TieredAnswerer([tier]).answer("what is rain")
        list(stream)
        assert "no token in time" in stream.record.fallbacks[0]
        assert stream.record.outcome == "failed"
        deadline_s = time.monotonic() + 30
        while tier.restarts == 0 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert tier.wait_ready(60)
        assert tier.pid != stalled

    def test_a_slow_worker_is_left_alive(self, start) -> None:
        tier = start("endless.gguf", LocalLimits(load_s=60.0, first_token_s=0.0, max_tokens=5000))
        assert tier.wait_ready(60)
        slow = tier.pid
        for _ in range(2):
            stream = TieredAnswerer([tier]).answer("go on")
            list(stream)
            assert "no token in time" in stream.record.fallbacks[0]
        deadline_s = time.monotonic() + 30
        while tier._worker._finished < 2 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert tier._worker._finished == 2  # it has heard that nobody waits any more: no reason to kill it
        assert (tier.pid, tier.restarts) == (slow, 0)

    def test_cancel_is_heard_and_the_next_question_gets_its_own_answer(self, start) -> None:
        tier = start("endless.gguf", LocalLimits(load_s=60.0, first_token_s=30.0, max_tokens=150))
        assert tier.wait_ready(60)
        cancel = threading.Event()
        stream = TieredAnswerer([tier]).answer("go on", cancel=cancel)
        cancel.set()
        started_s = time.monotonic()
        assert list(stream) == []
        assert stream.record.outcome == "cancelled"
        assert time.monotonic() - started_s < 5
        following = TieredAnswerer([tier]).answer("go on")
        text = " ".join(following)
        assert text.startswith("and on it goes")
        assert following.record.outcome == "answered"

    def test_a_model_still_loading_is_passed_over(self, start) -> None:
        stream = TieredAnswerer([start("rain.gguf", LocalLimits(load_s=0.0))]).answer("what is rain")
        list(stream)
        assert stream.record.fallbacks == ("local: the local model is still loading",)

    def test_a_missing_model_is_passed_over_with_its_reason(self, start) -> None:
        stream = TieredAnswerer([start("missing.gguf")]).answer("what is rain")
        list(stream)
        assert "no model file" in stream.record.fallbacks[0]

    def test_a_call_becomes_a_proposal_only_where_tools_are_offered(self, start) -> None:
        tier = start("calls.gguf", tools=[TOOL])
        stream = TieredAnswerer([tier]).answer("open the trunk", AnswerContext(tools=(TOOL,)))
        assert list(stream) == []
        assert [(p.intent, p.values, p.source) for p in stream.proposals] == [
            ("OpenTrunk", {"side": "rear"}, "llm")
        ]
        silent = TieredAnswerer([tier]).answer("open the trunk")
        assert list(silent) == ["{ oops"]
        assert silent.proposals == ()
