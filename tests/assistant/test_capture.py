"""The ring between the microphone's thread and the listener's."""

import threading

import numpy as np
import pytest

from carvoice.assistant.capture import Capture
from carvoice.records import AudioBlock


class Blocks:
    """A source of numbered samples that ends."""

    def __init__(self, sizes, channels=1, fail_at=None):
        self.sizes = list(sizes)
        self.channels = channels
        self.fail_at = fail_at
        self.position = 0
        self.closed = False

    def read(self):
        if self.fail_at is not None and self.position >= self.fail_at:
            raise OSError("the device caught fire")
        if not self.sizes:
            return None
        n = self.sizes.pop(0)
        near = np.arange(self.position, self.position + n, dtype=np.float32)
        self.position += n
        if self.channels > 1:
            near = np.stack([near + channel for channel in range(self.channels)])
        return AudioBlock(near, 0.0, far=-np.arange(self.position - n, self.position, dtype=np.float32))

    def close(self):
        self.closed = True


def run(source, **options):
    heard, ended, errors = [], threading.Event(), []
    capture = Capture(source, heard.append, on_end=ended.set, on_error=errors.append, **options)
    capture.start()
    assert capture.wait(timeout_s=10)
    capture.stop()
    return heard, ended.is_set(), errors


@pytest.mark.parametrize("sizes", [[320] * 40, [160, 17, 480, 3, 1000] * 12, [1] * 640])
def test_every_sample_arrives_once_in_order_with_its_far_end(sizes):
    heard, ended, errors = run(Blocks(sizes), speed=0)
    near = np.concatenate([block.near for block in heard])
    far = np.concatenate([block.far for block in heard])
    whole = sum(sizes) // 320 * 320
    assert ended
    assert not errors
    np.testing.assert_array_equal(near[:whole], np.arange(whole))
    np.testing.assert_array_equal(far, -near)
    assert [block.start_s for block in heard[:2]] == [0.0, 0.02]


def test_more_than_the_ring_holds_waits_for_the_listener():
    heard, _, errors = run(Blocks([32_000] * 3), speed=0)
    assert sum(block.near.shape[-1] for block in heard) == 96_000
    assert not errors


def test_several_microphones_stay_planar():
    heard, _, _ = run(Blocks([320] * 4, channels=3), speed=0)
    assert heard[0].near.shape == (3, 320)
    np.testing.assert_array_equal(heard[0].near[2] - heard[0].near[0], 2.0)


def test_a_source_that_fails_is_reported_and_ends():
    source = Blocks([320] * 10, fail_at=640)
    _, _, errors = run(source, speed=0)
    assert [str(error) for error in errors] == ["the device caught fire"]
    assert source.closed


def test_a_listener_that_fails_stops_the_pump():
    errors = []

    def hear(block):
        raise RuntimeError("no")

    capture = Capture(Blocks([320] * 100_000), hear, speed=0, on_error=errors.append)
    capture.start()
    assert capture.wait(timeout_s=10)
    capture.stop()
    assert [str(error) for error in errors] == ["no"]


def test_no_thread_is_left():
    before = threading.active_count()
    run(Blocks([320] * 4), speed=0)
    assert threading.active_count() == before
