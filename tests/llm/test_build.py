from __future__ import annotations

from pathlib import Path

from carvoice.llm.build import AnswerSettings, build_answerer
from carvoice.llm.remote import Deployment
from carvoice.resources import data_path


def test_nothing_configured_is_an_answerer_too() -> None:
    answerer = build_answerer(AnswerSettings())
    assert answerer.tiers == ()
    assert list(answerer.answer("what is rain")) == ["I can't answer that here."]


def test_tiers_come_in_their_order(tmp_path: Path) -> None:
    answerer = build_answerer(
        AnswerSettings(
            manual=data_path("cars", "demo", "manual"),
            cache_path=tmp_path / "answers.sqlite",
            model=tmp_path / "missing.gguf",
            remotes=[Deployment("talk", "m", "http://127.0.0.1:9/v1")],
        )
    )
    assert answerer.tiers == ("manual", "cache", "local", "remote")
    assert "2.4 bar" in " ".join(answerer.answer("what is the tyre pressure"))
    stream = answerer.answer("why is the sky blue")
    assert list(stream) == ["I couldn't get an answer to that."]
    assert "no model file" in stream.record.fallbacks[0]
    assert "no connection" in stream.record.fallbacks[1]
    answerer.close()
