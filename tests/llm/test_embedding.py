from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chat_server import Behaviour, ChatServer, embeds, raw_stream, silent, status

from carvoice.errors import AnswerError
from carvoice.llm.build import AnswerSettings, build_answerer
from carvoice.llm.embedding import GgufEmbedder, RemoteEmbedder
from carvoice.llm.remote import Deployment


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("gguf", reason="gguf is not installed: no test model can be written")
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
    from bert_gguf import write_tiny_bert

    words = ["what", "is", "the", "capital", "of", "france", "how", "tall", "mount", "everest", "rain"]
    return write_tiny_bert(tmp_path_factory.mktemp("bert") / "tiny.gguf", words)


class TestGguf:
    @pytest.fixture
    def embedder(self, model: Path) -> Iterator[GgufEmbedder]:
        embedder = GgufEmbedder(model, limit_s=30.0)
        assert embedder.wait_ready(60)
        yield embedder
        embedder.close()

    def test_vectors_are_of_length_one_and_alike_for_like_texts(self, embedder: GgufEmbedder) -> None:
        rain, again, capital = (
            embedder.embed(text) for text in ("what is rain", "what is rain", "the capital of france")
        )
        assert rain.shape == (64,)
        assert float(rain @ rain) == pytest.approx(1.0, abs=1e-4)
        assert float(rain @ again) > 0.9999
        assert float(rain @ capital) < 0.8
        with pytest.raises(AnswerError, match="more than the 256"):
            embedder.embed("rain " * 400)
        assert float(embedder.embed("what is rain") @ rain) > 0.9999  # and it still works

    def test_a_killed_worker_costs_one_vector_and_comes_back(self, embedder: GgufEmbedder) -> None:
        pid = embedder._worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        deadline_s = time.monotonic() + 30
        while embedder._worker.is_ready and time.monotonic() < deadline_s:
            os.sched_yield()
        with pytest.raises(AnswerError, match="status -9"):
            embedder.embed("what is rain")
        assert embedder.wait_ready(60)
        assert embedder.embed("what is rain").shape == (64,)

    def test_a_stalled_worker_is_not_waited_for(self, model: Path) -> None:
        embedder = GgufEmbedder(model, limit_s=0.1)
        assert embedder.wait_ready(60)
        pid = embedder._worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(AnswerError, match=r"within 0\.1 s"):
            embedder.embed("what is rain")
        embedder.close()

    def test_a_model_that_is_not_there(self, tmp_path: Path) -> None:
        embedder = GgufEmbedder(tmp_path / "none.gguf")
        with pytest.raises(AnswerError, match="no model file"):
            embedder.embed("what is rain")
        embedder.close()


class TestRemote:
    @pytest.fixture
    def start(self) -> Iterator:
        servers: list[ChatServer] = []

        def begin(behaviour: Behaviour, **options) -> RemoteEmbedder:
            servers.append(ChatServer(behaviour))
            deployment = Deployment("embed", "m", servers[-1].base_url)
            return RemoteEmbedder(deployment, **{"limit_s": 30.0, **options})

        yield begin
        for server in servers:
            server.close()

    def test_a_vector(self, start) -> None:
        vector = start(embeds()).embed("what is rain")
        assert vector.dtype == np.float32
        assert float(vector @ vector) == pytest.approx(1.0, abs=1e-5)

    @pytest.mark.parametrize(
        ("behaviour", "reason"),
        [
            (status(500), "500"),
            (raw_stream("nonsense"), "embed|m@"),
            (embeds(width=0), "no vector"),
        ],
    )
    def test_what_is_no_vector(self, start, behaviour: Behaviour, reason: str) -> None:
        with pytest.raises(AnswerError, match=reason):
            start(behaviour).embed("what is rain")

    def test_a_slow_server_is_given_up_and_then_left_alone(self, start) -> None:
        embedder = start(silent, limit_s=0.2, cooldown_time=60.0)
        for _ in range(2):
            with pytest.raises(AnswerError, match="no answer within"):
                embedder.embed("what is rain")
        with pytest.raises(AnswerError, match="rests for 60 s"):
            embedder.embed("what is rain")


def test_an_embedder_that_is_down_costs_no_answer() -> None:
    answerer = build_answerer(
        AnswerSettings(
            remotes=[Deployment("talk", "m", "http://127.0.0.1:9/v1")],
            embedding_model=Deployment("embed", "e", "http://127.0.0.1:9/v1"),
        )
    )
    stream = answerer.answer("why is the sky blue")
    assert list(stream) == ["I couldn't get an answer to that."]
    assert [reason.split(":")[0] for reason in stream.record.fallbacks] == ["remote/m@127.0.0.1", "remote"]
    answerer.close()
