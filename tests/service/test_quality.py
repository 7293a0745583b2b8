from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from carvoice.llm import AnswerContext, TieredAnswerer
from carvoice.llm.answer import Cancel, Draft
from carvoice.records import AnswerRecord, Hypothesis, Reply, Turn
from carvoice.service.quality import QualitySampler, parse_score
from carvoice.turnlog import TurnLog


class Judge:
    name = "local"

    def __init__(self, verdict: str) -> None:
        self.verdict = verdict
        self.asked: list[str] = []

    def answer(self, question: str, context: AnswerContext, cancel: Cancel, draft: Draft) -> Iterator[str]:
        self.asked.append(question)
        yield self.verdict

    def close(self) -> None:
        pass


def answered(trace_id: str) -> Turn:
    return Turn(
        trace_id,
        Hypothesis("what is rain"),
        reply=Reply("Water.", "answer"),
        answer=AnswerRecord("answered", "local"),
    )


def test_answers_are_judged_and_the_scores_kept(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    judge = Judge("4 points. It is short.")
    sampler = QualitySampler(TieredAnswerer([judge]), log, share=1.0)
    for trace_id in ("a", "b"):
        log.write(answered(trace_id))
        sampler.observe(answered(trace_id))
    sampler.observe(Turn("command", Hypothesis("open the trunk"), reply=Reply("Done.")))
    sampler.close()
    log.flush()
    assert log.quality() == [("judge", 2, 0.8)]
    assert len(judge.asked) == 2
    assert "Question: what is rain\nAnswer: Water." in judge.asked[0]
    log.close()


def test_only_a_share_is_judged(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    judge = Judge("5")
    sampler = QualitySampler(TieredAnswerer([judge]), log, share=0.0)
    sampler.observe(answered("a"))
    sampler.close()
    assert judge.asked == []
    log.close()


def test_a_judge_that_is_not_there_gives_no_score(tmp_path: Path) -> None:
    log = TurnLog(tmp_path)
    sampler = QualitySampler(TieredAnswerer([]), log, share=1.0)
    log.write(answered("a"))
    sampler.observe(answered("a"))
    sampler.close()
    assert log.quality() == []
    log.close()


@pytest.mark.parametrize(
    ("verdict", "score"),
    [("4", 0.8), ("I give 5 points", 1.0), ("0: wrong", 0.0), ("2.5", 0.5), ("well", None), ("17", None)],
)
def test_the_first_number_is_the_score(verdict: str, score: float | None) -> None:
    assert parse_score(verdict) == score
