/* cv_ring.h - lock-free ring buffer of float samples for one producer and one consumer.
 *
 * Indices run free over 64 bits, so all slots are usable and full never looks like empty
 * (Lamport, "Specifying Concurrent Program Modules", TOPLAS 1983; the cached peer index is from
 * Giacomoni et al., "FastForward", PPoPP 2008, and Vyukov). A frame is one sample of each channel.
 * The producer never overwrites: what does not fit is counted as dropped. Samples lie interleaved (frame by
 * frame) or planar (channel by channel).
 */
#ifndef CV_RING_H
#define CV_RING_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cv_base.h"

typedef struct {
    /* read-only after init */
    float *data;
    uint64_t capacity; /* frames, a power of two */
    uint32_t channels;
    bool planar;
    /* the producer's line */
    _Alignas(CV_ALIGNMENT) _Atomic uint64_t head;
    uint64_t cached_tail;
    _Atomic uint64_t dropped;
    _Atomic uint64_t high_water;
    /* the consumer's line */
    _Alignas(CV_ALIGNMENT) _Atomic uint64_t tail;
    uint64_t cached_head;
    _Atomic uint64_t underruns;
    /* the line of the two who sleep and wake; waits_for is the fill level that the consumer sleeps
     * for, 0 while it is awake */
    _Alignas(CV_ALIGNMENT) _Atomic uint32_t waits_for;
    _Atomic uint32_t wake;
    _Atomic uint32_t closed;
} cv_ring;

/* Two stretches of memory, because a region can wrap around the end; counts are in frames. In a planar ring
 * both point to the first channel; channel c lies c * capacity floats further on. */
typedef struct {
    float *first;
    uint64_t first_frames;
    float *second;
    uint64_t second_frames;
} cv_ring_view;

/* Bytes for cv_ring_init; capacity is rounded up to a power of two. */
size_t cv_ring_size(uint64_t capacity, uint32_t channels);
cv_ring *cv_ring_init(void *memory, uint64_t capacity, uint32_t channels, bool planar);
void cv_ring_reset(cv_ring *ring); /* only while neither side is in a call */

/* Blocks are [frame][channel], or [channel][frame] in a planar ring.
 * Producer. write copies what fits and returns its frames; view and commit are the zero-copy form. */
uint64_t cv_ring_write(cv_ring *ring, const float *frames, uint64_t count);
uint64_t cv_ring_write_view(cv_ring *ring, uint64_t count, cv_ring_view *view);
void cv_ring_commit(cv_ring *ring, uint64_t count);
void cv_ring_close(cv_ring *ring); /* any thread: wakes the consumer for good */

/* Consumer. read copies exactly count frames, or nothing and returns false. */
bool cv_ring_read(cv_ring *ring, float *frames, uint64_t count);
uint64_t cv_ring_read_view(cv_ring *ring, uint64_t count, cv_ring_view *view);
void cv_ring_release(cv_ring *ring, uint64_t count);
/* Sleep until count frames are there, the ring is closed, or timeout_ns has passed (negative: no limit).
 * Returns whether they are there. */
bool cv_ring_wait(cv_ring *ring, uint64_t count, int64_t timeout_ns);

uint64_t cv_ring_available(const cv_ring *ring);

#endif
