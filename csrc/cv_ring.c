#define _GNU_SOURCE
#include "cv_ring.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t round_up(uint64_t capacity) {
    uint64_t power = 1;
    while (power < capacity) power <<= 1;
    return power;
}

size_t cv_ring_size(uint64_t capacity, uint32_t channels) {
    return sizeof(cv_ring) + CV_ALIGNMENT + (size_t)round_up(capacity) * channels * sizeof(float);
}

cv_ring *cv_ring_init(void *memory, uint64_t capacity, uint32_t channels, bool planar) {
    uintptr_t at = ((uintptr_t)memory + CV_ALIGNMENT - 1) / CV_ALIGNMENT * CV_ALIGNMENT;
    cv_ring *ring = (cv_ring *)at;
    memset(ring, 0, sizeof *ring);
    ring->data = (float *)(at + sizeof *ring);
    ring->capacity = round_up(capacity);
    ring->channels = channels;
    ring->planar = planar;
    return ring;
}

void cv_ring_reset(cv_ring *ring) {
    float *data = ring->data;
    uint64_t capacity = ring->capacity;
    uint32_t channels = ring->channels;
    bool planar = ring->planar;
    memset(ring, 0, sizeof *ring);
    ring->data = data;
    ring->capacity = capacity;
    ring->channels = channels;
    ring->planar = planar;
}

static uint64_t view_at(const cv_ring *ring, uint64_t index, uint64_t count, cv_ring_view *view) {
    uint64_t offset = index & (ring->capacity - 1);
    uint64_t to_end = ring->capacity - offset;
    view->first = ring->data + offset * (ring->planar ? 1 : ring->channels);
    view->first_frames = count < to_end ? count : to_end;
    view->second = ring->data;
    view->second_frames = count - view->first_frames;
    return count;
}

uint64_t cv_ring_write_view(cv_ring *ring, uint64_t count, cv_ring_view *view) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (ring->capacity - (head - ring->cached_tail) < count)
        ring->cached_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t room = ring->capacity - (head - ring->cached_tail);
    return view_at(ring, head, count < room ? count : room, view);
}

/* The sleeper announces its level, then looks at head once more; the producer moves head, then looks
 * for a sleeper. Sequential consistency between the two pairs means that one of them sees the other. */
static void wake_sleeper(cv_ring *ring, uint64_t head) {
    uint32_t level = atomic_load_explicit(&ring->waits_for, memory_order_seq_cst);
    if (level == 0) return;
    if (head - atomic_load_explicit(&ring->tail, memory_order_acquire) < level &&
        !atomic_load_explicit(&ring->closed, memory_order_acquire))
        return;
    atomic_fetch_add_explicit(&ring->wake, 1, memory_order_release);
    syscall(SYS_futex, &ring->wake, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void cv_ring_commit(cv_ring *ring, uint64_t count) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed) + count;
    atomic_store_explicit(&ring->head, head, memory_order_seq_cst);
    uint64_t fill = head - ring->cached_tail; /* an upper bound without touching the consumer's line */
    if (fill > atomic_load_explicit(&ring->high_water, memory_order_relaxed)) {
        ring->cached_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        fill = head - ring->cached_tail;
        if (fill > atomic_load_explicit(&ring->high_water, memory_order_relaxed))
            atomic_store_explicit(&ring->high_water, fill, memory_order_relaxed);
    }
    wake_sleeper(ring, head);
}

/* Rows that a block consists of, the floats of a frame in each, and how far apart the ring keeps them. */
static inline void rows_of(const cv_ring *ring, size_t *rows, size_t *width, size_t *apart) {
    *rows = ring->planar ? ring->channels : 1;
    *width = ring->planar ? 1 : ring->channels;
    *apart = (size_t)ring->capacity;
}

static void copy_in(const cv_ring *ring, const cv_ring_view *view, const float *frames, uint64_t count) {
    size_t rows, width, apart;
    rows_of(ring, &rows, &width, &apart);
    for (size_t r = 0; r < rows; r++) {
        const float *from = frames + r * count;
        memcpy(view->first + r * apart, from, view->first_frames * width * sizeof(float));
        if (view->second_frames)
            memcpy(view->second + r * apart, from + view->first_frames * width,
                   view->second_frames * width * sizeof(float));
    }
}

static void copy_out(const cv_ring *ring, const cv_ring_view *view, float *frames, uint64_t count) {
    size_t rows, width, apart;
    rows_of(ring, &rows, &width, &apart);
    for (size_t r = 0; r < rows; r++) {
        float *to = frames + r * count;
        memcpy(to, view->first + r * apart, view->first_frames * width * sizeof(float));
        if (view->second_frames)
            memcpy(to + view->first_frames * width, view->second + r * apart,
                   view->second_frames * width * sizeof(float));
    }
}

uint64_t cv_ring_write(cv_ring *ring, const float *frames, uint64_t count) {
    cv_ring_view view;
    uint64_t fits = cv_ring_write_view(ring, count, &view);
    copy_in(ring, &view, frames, count);
    if (fits < count) atomic_fetch_add_explicit(&ring->dropped, count - fits, memory_order_relaxed);
    if (fits) cv_ring_commit(ring, fits);
    return fits;
}

void cv_ring_close(cv_ring *ring) {
    atomic_store_explicit(&ring->closed, 1, memory_order_seq_cst);
    atomic_fetch_add_explicit(&ring->wake, 1, memory_order_release);
    syscall(SYS_futex, &ring->wake, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

uint64_t cv_ring_read_view(cv_ring *ring, uint64_t count, cv_ring_view *view) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (ring->cached_head - tail < count)
        ring->cached_head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t there = ring->cached_head - tail;
    return view_at(ring, tail, count < there ? count : there, view);
}

void cv_ring_release(cv_ring *ring, uint64_t count) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + count, memory_order_release);
}

bool cv_ring_read(cv_ring *ring, float *frames, uint64_t count) {
    cv_ring_view view;
    if (cv_ring_read_view(ring, count, &view) < count) {
        atomic_fetch_add_explicit(&ring->underruns, 1, memory_order_relaxed);
        return false;
    }
    copy_out(ring, &view, frames, count);
    cv_ring_release(ring, count);
    return true;
}

uint64_t cv_ring_available(const cv_ring *ring) {
    /* tail first: read in this order the difference cannot go below zero */
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return atomic_load_explicit(&ring->head, memory_order_acquire) - tail;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool cv_ring_wait(cv_ring *ring, uint64_t count, int64_t timeout_ns) {
    if (cv_ring_available(ring) >= count) return true;
    if (timeout_ns == 0 || count > ring->capacity) return false;
    int64_t deadline = timeout_ns < 0 ? 0 : now_ns() + timeout_ns;
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    bool there = false;
    for (;;) {
        uint32_t ticket = atomic_load_explicit(&ring->wake, memory_order_acquire);
        atomic_store_explicit(&ring->waits_for, (uint32_t)count, memory_order_seq_cst);
        there = atomic_load_explicit(&ring->head, memory_order_seq_cst) - tail >= count;
        if (there || atomic_load_explicit(&ring->closed, memory_order_acquire)) break;
        struct timespec left = {0, 0}, *limit = NULL;
        if (timeout_ns > 0) {
            int64_t rest = deadline - now_ns();
            if (rest <= 0) break;
            left.tv_sec = rest / 1000000000;
            left.tv_nsec = rest % 1000000000;
            limit = &left;
        }
        /* EAGAIN (woken in between), EINTR (a signal) and a spurious wake all come round again;
         * EINTR returns to the caller so that Python can run its signal handlers */
        if (syscall(SYS_futex, &ring->wake, FUTEX_WAIT_PRIVATE, ticket, limit, NULL, 0) == -1 && errno == EINTR)
            break;
    }
    atomic_store_explicit(&ring->waits_for, 0, memory_order_seq_cst);
    return there || cv_ring_available(ring) >= count;
}
