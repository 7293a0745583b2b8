# distutils: sources = csrc/cv_ring.c
# cython: boundscheck=False, wraparound=False
"""Lock-free ring buffer between one producer thread and one consumer thread (csrc/cv_ring.c)."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

cimport numpy as cnp
import numpy as np

from carvoice.errors import AudioFormatError

cnp.import_array()


cdef extern from "<stdbool.h>":
    ctypedef bint c_bool "bool"


cdef extern from "cv_ring.h" nogil:
    ctypedef struct cv_ring:
        uint64_t capacity
        uint64_t dropped
        uint64_t high_water
        uint64_t underruns
        uint32_t closed

    ctypedef struct cv_ring_view:
        float *first
        uint64_t first_frames
        float *second
        uint64_t second_frames

    size_t cv_ring_size(uint64_t capacity, uint32_t channels)
    cv_ring *cv_ring_init(void *memory, uint64_t capacity, uint32_t channels, bint planar)
    void cv_ring_reset(cv_ring *ring)
    uint64_t cv_ring_write(cv_ring *ring, const float *frames, uint64_t count)
    bint cv_ring_read(cv_ring *ring, float *frames, uint64_t count)
    bint cv_ring_wait(cv_ring *ring, uint64_t count, int64_t timeout_ns)
    uint64_t cv_ring_available(const cv_ring *ring)
    void cv_ring_close(cv_ring *ring)
    uint64_t cv_ring_write_view(cv_ring *ring, uint64_t count, cv_ring_view *view)
    uint64_t cv_ring_read_view(cv_ring *ring, uint64_t count, cv_ring_view *view)
    void cv_ring_commit(cv_ring *ring, uint64_t count)
    void cv_ring_release(cv_ring *ring, uint64_t count)


cdef class RingBuffer:
    """Lock-free single-producer single-consumer ring of float32 frames (one sample of each channel).

    One thread may write and one other may read at the same time. The producer never overwrites: what
    does not fit is dropped and counted. Waiting for samples sleeps in the kernel with the GIL released.

    Args:
        capacity: frames it holds at least; rounded up to a power of two.
        channels: samples per frame; blocks of one channel have the shape (n,).
        planar: blocks of several channels have the shape (channels, n), and each channel lies in one piece;
            else they are interleaved, (n, channels).

    Raises:
        ValueError: capacity or channels below 1, or more than 2**31 frames.
    """

    cdef void *_memory
    cdef cv_ring *_ring
    cdef readonly int channels
    cdef readonly bint planar
    cdef uint64_t _offered
    cdef uint64_t _shown

    def __cinit__(self, capacity, channels=1, *, planar=False):
        if not 1 <= capacity <= 2**31 or not 1 <= channels <= 64:
            raise ValueError(
                f"ring buffer of {capacity} frames of {channels} channels: need 1 to 2**31 frames of 1 to 64"
            )
        self._memory = calloc(1, cv_ring_size(capacity, channels))
        if self._memory == NULL:
            raise MemoryError(f"no memory for a ring buffer of {capacity} frames of {channels} channels")
        self._ring = cv_ring_init(self._memory, capacity, channels, planar)
        self.channels = channels
        self.planar = planar

    def __dealloc__(self):
        free(self._memory)

    def write(self, frames):
        """Append frames; returns how many fitted.

        Args:
            frames: float32, C-contiguous, (n,), (n, channels) or, in a planar ring, (channels, n). Other
                numeric arrays are converted.

        Raises:
            AudioFormatError: wrong shape, or not numeric.
        """
        cdef cnp.ndarray array
        if isinstance(frames, np.ndarray):
            array = frames
        else:
            array = np.asarray(frames)
        if cnp.PyArray_TYPE(array) != cnp.NPY_FLOAT32 or not cnp.PyArray_IS_C_CONTIGUOUS(array):
            array = self._convert(array)
        cdef cnp.npy_intp count
        if self.channels == 1 and cnp.PyArray_NDIM(array) == 1:
            count = cnp.PyArray_DIM(array, 0)
        elif cnp.PyArray_NDIM(array) == 2 and cnp.PyArray_DIM(array, 0 if self.planar else 1) == self.channels:
            count = cnp.PyArray_DIM(array, 1 if self.planar else 0)
        else:
            raise AudioFormatError(
                f"ring buffer of {self.channels} channels got an array of shape {(<object>array).shape}"
            )
        if count == 0:
            return 0
        return cv_ring_write(self._ring, <const float *>cnp.PyArray_DATA(array), <uint64_t>count)

    cdef cnp.ndarray _convert(self, array):
        if array.dtype == np.int16:
            return np.ascontiguousarray(array, dtype=np.float32) * np.float32(1 / 32768)
        if not np.issubdtype(array.dtype, np.floating):
            raise AudioFormatError(f"ring buffer takes float32 or int16 samples, not {array.dtype}")
        return np.ascontiguousarray(array, dtype=np.float32)

    def read(self, count, double timeout_s=0.0):
        """Take exactly ``count`` frames.

        Args:
            count: frames wanted.
            timeout_s: seconds to wait for them; negative waits until they come or the ring is closed.

        Returns:
            float32 (count,), (count, channels) or, planar, (channels, count); None if they are not there in time (counted in
            ``underruns``).

        Raises:
            ValueError: count is negative or more than the ring can ever hold.
        """
        cdef cnp.npy_intp shape[2]
        cdef cnp.npy_intp frames = count
        cdef bint there
        if frames < 0 or <uint64_t>frames > self._ring.capacity:
            raise ValueError(f"cannot read {count} frames from a ring of {self._ring.capacity}")
        if timeout_s != 0.0 and cv_ring_available(self._ring) < <uint64_t>frames:
            self._wait(<uint64_t>frames, timeout_s)
        shape[0] = self.channels if self.planar and self.channels > 1 else frames
        shape[1] = frames if self.planar else self.channels
        out = cnp.PyArray_EMPTY(1 if self.channels == 1 else 2, shape, cnp.NPY_FLOAT32, 0)
        if not cv_ring_read(self._ring, <float *>cnp.PyArray_DATA(<cnp.ndarray>out), <uint64_t>frames):
            return None
        return out

    def write_view(self, count):
        """Room for frames to be written in place: fill it, then :meth:`commit`.

        Args:
            count: frames wanted.

        Returns:
            Two float32 arrays onto the ring's own memory, shaped like blocks, the second one behind the wrap
            and often empty; together at most ``count`` frames, as many as are free.

        Raises:
            ValueError: count is negative.
        """
        cdef cv_ring_view view
        if count < 0:
            raise ValueError(f"cannot offer {count} frames of a ring")
        self._offered = cv_ring_write_view(self._ring, count, &view)
        return self._onto(view.first, view.first_frames), self._onto(view.second, view.second_frames)

    def commit(self, count):
        """Hand over the first ``count`` frames of the last :meth:`write_view`; the rest was not written.

        Raises:
            ValueError: more than were offered.
        """
        if not 0 <= count <= self._offered:
            raise ValueError(f"cannot commit {count} frames: {self._offered} were offered")
        self._offered = 0
        cv_ring_commit(self._ring, count)

    def read_view(self, count):
        """Frames to be read in place; then :meth:`release` them.

        Args:
            count: frames wanted.

        Returns:
            Two float32 arrays as of :meth:`write_view`, to be read only, with at most ``count`` frames: as
            many as are there. They show the producer's next frames once released.

        Raises:
            ValueError: count is negative.
        """
        cdef cv_ring_view view
        if count < 0:
            raise ValueError(f"cannot show {count} frames of a ring")
        self._shown = cv_ring_read_view(self._ring, count, &view)
        first, second = self._onto(view.first, view.first_frames), self._onto(view.second, view.second_frames)
        first.flags.writeable = second.flags.writeable = False
        return first, second

    def release(self, count):
        """Give the first ``count`` frames of the last :meth:`read_view` back to the producer.

        Raises:
            ValueError: more than were shown.
        """
        if not 0 <= count <= self._shown:
            raise ValueError(f"cannot release {count} frames: {self._shown} were shown")
        self._shown = 0
        cv_ring_release(self._ring, count)

    cdef _onto(self, float *start, uint64_t frames):
        """An array onto the ring's memory, which it keeps alive."""
        cdef cnp.npy_intp shape[2]
        cdef cnp.npy_intp strides[2]
        cdef int dimensions = 1 if self.channels == 1 else 2
        shape[0] = self.channels if self.planar and dimensions == 2 else <cnp.npy_intp>frames
        shape[1] = <cnp.npy_intp>frames if self.planar else self.channels
        strides[0] = sizeof(float) * (1 if dimensions == 1 else self._ring.capacity if self.planar else self.channels)
        strides[1] = sizeof(float)
        array = cnp.PyArray_New(
            np.ndarray, dimensions, shape, cnp.NPY_FLOAT32, strides, start, 0, cnp.NPY_ARRAY_WRITEABLE, None
        )
        cnp.set_array_base(array, self)
        return array

    cdef int _wait(self, uint64_t count, double timeout_s) except -1:
        import time

        cdef double end = time.monotonic() + timeout_s
        cdef double left = timeout_s
        cdef bint there
        while True:
            with nogil:
                # an interrupted wait returns early, so that Python sees its signals
                there = cv_ring_wait(self._ring, count, -1 if left < 0 else <int64_t>(left * 1e9))
            if there or self._ring.closed:
                return 0
            if timeout_s >= 0:
                left = end - time.monotonic()
                if left <= 0:
                    return 0

    def close(self):
        """End the stream: wakes a waiting reader, which then gets what is left and then None."""
        cv_ring_close(self._ring)

    def reset(self):
        """Empty it and zero its counters. Neither side may be in a call."""
        self._offered = self._shown = 0
        cv_ring_reset(self._ring)

    def __len__(self):
        return cv_ring_available(self._ring)

    @property
    def capacity(self):
        """Frames it holds."""
        return self._ring.capacity

    @property
    def closed(self):
        """Whether the stream has ended."""
        return bool(self._ring.closed)

    @property
    def dropped(self):
        """Frames that did not fit."""
        return self._ring.dropped

    @property
    def underruns(self):
        """Reads that came too early."""
        return self._ring.underruns

    @property
    def high_water(self):
        """The most frames that ever lay in it."""
        return self._ring.high_water
