import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carvoice.audio import RingBuffer
from carvoice.errors import AudioFormatError


def test_all_slots_usable_and_nothing_overwritten():
    ring = RingBuffer(4)
    assert ring.capacity == 4
    assert ring.write(np.arange(6, dtype=np.float32)) == 4
    assert ring.dropped == 2
    assert ring.high_water == 4
    assert ring.read(4).tolist() == [0, 1, 2, 3]
    assert ring.read(1) is None
    assert ring.underruns == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=200), st.integers(1, 33))
def test_behaves_like_a_queue(steps, capacity):
    ring, model, counter = RingBuffer(capacity), [], 0
    for is_write, n in steps:
        if is_write:
            block = np.arange(counter, counter + n, dtype=np.float32)
            written = ring.write(block)
            assert written == min(n, ring.capacity - len(model))
            model += block[:written].tolist()
            counter += n
        elif n <= ring.capacity:
            got = ring.read(n)
            if n <= len(model):
                assert got.tolist() == model[:n]
                del model[:n]
            else:
                assert got is None
        assert len(ring) == len(model)


def test_interleaved_channels_wrap_whole_frames():
    ring = RingBuffer(4, channels=2)
    for start in range(10):
        frames = np.arange(6, dtype=np.float32).reshape(3, 2) + start
        assert ring.write(frames) == 3
        np.testing.assert_array_equal(ring.read(3), frames)


def test_planar_blocks_wrap_whole_frames():
    ring = RingBuffer(4, channels=2, planar=True)
    for start in range(10):
        block = np.arange(6, dtype=np.float32).reshape(2, 3) + start
        assert ring.write(block) == 3
        np.testing.assert_array_equal(ring.read(3), block)
    with pytest.raises(AudioFormatError, match="ring buffer of 2 channels"):
        ring.write(np.zeros((3, 2), np.float32))


@pytest.mark.parametrize(("channels", "planar"), [(1, False), (3, False), (3, True)])
@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_views_are_the_ring_itself(channels, planar, steps):
    ring, model, counter = RingBuffer(8, channels, planar=planar), [], 0
    axis = 1 if planar and channels > 1 else 0
    for is_write, wanted, limit in steps:
        if is_write:
            parts = ring.write_view(wanted)
            free = sum(part.shape[axis] for part in parts)
            assert free == min(wanted, 8 - len(model))
            for part in parts:
                np.moveaxis(part, axis, 0)[...] = counter + np.arange(part.shape[axis]).reshape(
                    (-1,) + (1,) * (part.ndim - 1)
                )
                counter += part.shape[axis]
            used = min(limit, free)
            ring.commit(used)
            counter += used - free
            model += range(counter - used, counter)
        else:
            seen = [np.moveaxis(part, axis, 0) for part in ring.read_view(wanted)]
            assert not seen[0].flags.writeable
            values = np.concatenate(seen)
            expected = np.array(model[:wanted], np.float32)
            np.testing.assert_array_equal(
                values.reshape(len(values), channels).T, np.tile(expected, (channels, 1))
            )
            used = min(limit, len(values))
            ring.release(used)
            del model[:used]
        assert len(ring) == len(model)


def test_a_view_outlives_its_ring_and_no_more_is_handed_over_than_was_lent():
    ring = RingBuffer(8)
    first, second = ring.write_view(6)
    assert (len(first), len(second)) == (6, 0)
    first[:] = 7
    with pytest.raises(ValueError, match="cannot commit 7 frames: 6 were offered"):
        ring.commit(7)
    ring.commit(6)
    with pytest.raises(ValueError, match="cannot commit 1"):
        ring.commit(1)
    shown, _ = ring.read_view(6)
    with pytest.raises(ValueError, match="cannot release 7"):
        ring.release(7)
    for view in (ring.write_view, ring.read_view):
        with pytest.raises(ValueError, match="-1 frames"):
            view(-1)
    del ring
    assert shown.tolist() == [7.0] * 6


def test_int16_is_scaled():
    ring = RingBuffer(8)
    ring.write(np.array([-32768, 16384], np.int16))
    assert ring.read(2).tolist() == [-1.0, 0.5]


@pytest.mark.parametrize("bad", [np.zeros((2, 2), np.float32), np.zeros(3, np.int64), np.array(["x"])])
def test_wrong_blocks_are_refused(bad):
    with pytest.raises(AudioFormatError, match="ring buffer"):
        RingBuffer(8).write(bad)


@pytest.mark.parametrize("capacity", [0, -1, 2**40])
def test_wrong_capacity(capacity):
    with pytest.raises(ValueError, match="ring buffer of"):
        RingBuffer(capacity)


def test_reading_more_than_it_can_hold_is_an_error():
    with pytest.raises(ValueError, match="cannot read 9"):
        RingBuffer(8).read(9)


def test_timeout_returns_none_and_close_wakes():
    ring = RingBuffer(16)
    assert ring.read(1, timeout_s=0.001) is None
    result = []
    reader = threading.Thread(target=lambda: result.append(ring.read(8, timeout_s=-1)))
    reader.start()
    ring.close()
    reader.join(10)
    assert result == [None]
    assert ring.closed


def test_blocked_reader_gets_what_comes():
    ring, result = RingBuffer(16), []
    reader = threading.Thread(target=lambda: result.append(ring.read(3, timeout_s=30)))
    reader.start()
    for value in range(3):
        ring.write(np.array([value], np.float32))
    reader.join(10)
    assert result[0].tolist() == [0, 1, 2]


def test_two_threads_two_million_frames():
    ring, total, step = RingBuffer(1000), 2_000_000, 160
    source = np.arange(total, dtype=np.float32)
    wrong = []

    def consume():
        for at in range(0, total, step):
            got = ring.read(step, timeout_s=-1)
            if got is None or got[0] != at or got[-1] != at + step - 1:
                wrong.append(at)
                return

    reader = threading.Thread(target=consume)
    reader.start()
    at = 0
    while at < total and reader.is_alive():
        at += ring.write(source[at : at + 320])
    reader.join(60)
    assert not wrong
    assert at == total


@settings(max_examples=20)
@given(st.integers(1, 500))
def test_counters_add_up(blocks):
    ring, kept = RingBuffer(64), 0
    for _ in range(blocks):
        kept += ring.write(np.zeros(7, np.float32))
    assert kept + ring.dropped == 7 * blocks
