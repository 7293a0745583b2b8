"""Time budgets: ring 1 us per write and read of 160 samples from Python, front end 150 us per 10 ms frame."""

import queue

import numpy as np
import pytest
from machine_speed import at_reference_speed_s

from carvoice.audio import FrontEnd, FrontEndSettings, RingBuffer

BLOCK = np.random.default_rng(0).standard_normal(160).astype(np.float32) * 0.1


def test_ring(benchmark):
    ring = RingBuffer(4096)

    def through():
        ring.write(BLOCK)
        return ring.read(160)

    benchmark(through)
    assert benchmark.disabled or benchmark.stats["min"] < 1e-6


def test_ring_over_the_calls_own_overhead(benchmark):
    """A write and a read of 160 samples, each at most 150 ns dearer than a method that does little."""
    ring = RingBuffer(4096)

    def through():
        ring.write(BLOCK)
        ring.read(160)

    def little():
        ring.reset()
        ring.reset()

    benchmark(through)
    if not benchmark.disabled:
        overhead_s = at_reference_speed_s(little, each=200)
        assert at_reference_speed_s(through, each=200) - overhead_s < 2 * 150e-9


def test_queue_for_comparison(benchmark):
    line: queue.Queue[np.ndarray] = queue.Queue()

    def through():
        line.put(BLOCK)
        return line.get()

    benchmark(through)


def test_sherpa_circular_buffer_for_comparison(benchmark):
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    buffer = sherpa_onnx.CircularBuffer(4096)

    def through():
        buffer.push(BLOCK.tolist())
        got = buffer.get(buffer.head, 160)
        buffer.pop(160)
        return got

    benchmark(through)


@pytest.mark.parametrize("microphones", [1, 2])
def test_front_end(benchmark, microphones):
    places = ((0.75, 0.70, 1.15), (0.75, 0.80, 1.15))[:microphones]
    settings = FrontEndSettings(microphones=microphones, microphone_positions_m=places)
    front_end = FrontEnd(settings)
    rng = np.random.default_rng(1)
    far = 0.1 * rng.standard_normal((400, 160)).astype(np.float32)
    index = iter(range(10**9))

    def frame():
        i = next(index) % 400
        near = 0.5 * far[i - 5]
        return front_end.process(near if microphones == 1 else np.stack([near, near]), far[i])

    benchmark(frame)
    assert benchmark.disabled or benchmark.stats["min"] < 150e-6 * microphones


def test_linear_canceller_alone(benchmark):
    """60 us a frame is the budget of the canceller without what comes after it, at the reference speed."""
    front_end = FrontEnd(FrontEndSettings(linear_only=True))
    rng = np.random.default_rng(1)
    far = 0.1 * rng.standard_normal((400, 160)).astype(np.float32)
    index = iter(range(10**9))

    def frame():
        i = next(index) % 400
        return front_end.process(0.5 * far[i - 5], far[i])

    benchmark(frame)
    assert benchmark.disabled or at_reference_speed_s(frame) < 60e-6
