"""How fast the recognizer's room is; the budget's rows for it (DESIGN: RTF ≤ 0.10, final ≤ 40 ms).

pytest bench/test_asr_speed.py --benchmark-enable
"""

from __future__ import annotations

import time

import numpy as np
import pytest

from carvoice.asr.acoustic import AcousticModel
from carvoice.asr.alignment import align
from carvoice.asr.endpoint import Endpointer
from carvoice.asr.grammar_recognizer import GrammarRecognizer
from carvoice.asr.models import embedded_model
from carvoice.asr.wake import WakeSpotter
from carvoice.audio.devices import read_wav
from carvoice.grammar import build_acceptor, compile_grammar, load_grammar
from carvoice.grammar.lexicon import Lexicon
from carvoice.records import PrefixState
from carvoice.resources import data_path

CHUNK = 1600
pytestmark = pytest.mark.benchmark(timer=time.process_time)


@pytest.fixture(scope="module")
def acceptor():
    return build_acceptor(compile_grammar(load_grammar(data_path("grammars", "en"))))


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon.load()


@pytest.fixture(scope="module")
def recognizer(acceptor, lexicon, tmp_path_factory):
    return GrammarRecognizer(acceptor, lexicon=lexicon, cache=tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="module")
def sound():
    clip = read_wav(data_path("demo", "open_driver_window_halfway.wav"))
    return np.concatenate([clip, np.zeros(3200, np.float32)])


def test_whole_utterance(benchmark, recognizer, sound):
    """All sound of one order, with both runs of the network and the search; RTF in extra_info."""

    def hear():
        stream = recognizer.create_stream()
        for start in range(0, len(sound), CHUNK):
            stream.accept(sound[start : start + CHUNK])
            stream.partial()
        return stream.finish()

    benchmark.pedantic(hear, rounds=10, warmup_rounds=1)
    rtf = benchmark.stats.stats.median / (len(sound) / 16_000)
    benchmark.extra_info["rtf"] = rtf
    assert rtf <= 0.10


def test_final_after_the_last_frame(benchmark, recognizer, sound):
    """What the driver waits for once the endpoint is decided."""
    stream = recognizer.create_stream()

    def fed():
        stream.reset()
        for start in range(0, len(sound), CHUNK):
            stream.accept(sound[start : start + CHUNK])
        return (), {}

    benchmark.pedantic(stream.finish, setup=fed, rounds=20)
    assert benchmark.stats.stats.median <= 0.040


def test_build_graph(benchmark, acceptor, lexicon, tmp_path):
    """Decoding graph of the full grammar, from nothing."""
    runs = iter(range(100))
    benchmark.pedantic(
        lambda: GrammarRecognizer(acceptor, lexicon=lexicon, cache=tmp_path / str(next(runs))), rounds=2
    )


def test_load_recognizer(benchmark, recognizer, acceptor, lexicon):
    """Start with the graph in the cache."""
    cache = recognizer.graph.path.parent
    benchmark.pedantic(lambda: GrammarRecognizer(acceptor, lexicon=lexicon, cache=cache), rounds=3)


def test_load_lexicon(benchmark):
    benchmark.pedantic(Lexicon.load, rounds=5)


def test_network_alone(benchmark, sound):
    model = AcousticModel(embedded_model())
    benchmark.pedantic(lambda: model.create_stream().accept(sound), rounds=10, warmup_rounds=1)
    benchmark.extra_info["rtf"] = benchmark.stats.stats.median / (len(sound) / 16_000)


def test_wake_search_alone(benchmark, lexicon, sound):
    model = AcousticModel(embedded_model())
    rows = model.create_stream().accept(sound)
    stream = WakeSpotter(model, ["hey car"], lexicon).create_stream()
    benchmark.pedantic(lambda: stream.accept_rows(rows), rounds=10, warmup_rounds=1)
    benchmark.extra_info["rtf"] = benchmark.stats.stats.median / (len(sound) / 16_000)


def test_alignment(benchmark):
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (100, 40)).astype(np.float32)
    benchmark(align, rows, rng.integers(1, 40, 25).tolist())


def test_endpoint_per_frame(benchmark):
    endpointer = Endpointer()
    frame = np.array([0.9], np.float32)

    def step():
        endpointer.reset()
        for _ in range(100):
            endpointer.update(frame, lambda: PrefixState.VIABLE)

    benchmark(step)


def test_builds_of_ten_thousand_names(benchmark, lexicon, tmp_path):
    """A grammar with "call NAME" for 10,000 names."""
    from dataclasses import dataclass

    from carvoice.asr.graph import build_graph

    @dataclass(frozen=True)
    class Words:
        n_states: int
        start: int
        finals: frozenset[int]
        arcs: list[tuple[int, str | None, int]]

    names = lexicon.frequent_words(10_000)
    words = Words(3, 0, frozenset({2}), [(0, "call", 1), *((1, name, 2) for name in names)])
    tokens = embedded_model().tokens()
    runs = iter(range(100))
    graph = benchmark.pedantic(
        lambda: build_graph(words, lexicon, tokens, tmp_path / str(next(runs))), rounds=2
    )
    benchmark.extra_info["states"] = graph.states
    benchmark.extra_info["megabytes"] = graph.path.stat().st_size / 1e6
