/* test_ring.c - the ring in one thread: order, wrapping, full, empty, counters, views. */
#include "cv_ring.h"

#include "check.h"

static cv_ring *ring_of(uint64_t capacity, uint32_t channels) {
    return cv_ring_init(aligned(cv_ring_size(capacity, channels)), capacity, channels, false);
}

static void keeps_order_over_the_wrap(void) {
    cv_ring *ring = ring_of(64, 1);
    float in[48], out[48], next_in = 0, next_out = 0;
    for (int round = 0; round < 1000; round++) {
        int count = 1 + round % 48;
        for (int i = 0; i < count; i++) in[i] = next_in++;
        CHECK(cv_ring_write(ring, in, (uint64_t)count) == (uint64_t)count);
        CHECK(cv_ring_read(ring, out, (uint64_t)count));
        for (int i = 0; i < count; i++) CHECK(out[i] == next_out++);
    }
    free(ring);
}

static void all_slots_are_usable_and_nothing_is_overwritten(void) {
    cv_ring *ring = ring_of(64, 2);
    float frames[2 * 100];
    for (int i = 0; i < 200; i++) frames[i] = (float)i;
    CHECK(cv_ring_write(ring, frames, 100) == 64);
    CHECK(cv_ring_available(ring) == 64);
    CHECK(ring->dropped == 36);
    CHECK(ring->high_water == 64);
    CHECK(cv_ring_write(ring, frames, 1) == 0);
    float out[2 * 64];
    CHECK(cv_ring_read(ring, out, 64));
    for (int i = 0; i < 128; i++) CHECK(out[i] == (float)i);
    free(ring);
}

static void too_little_is_an_underrun_and_takes_nothing(void) {
    cv_ring *ring = ring_of(16, 1);
    float in[4] = {1, 2, 3, 4}, out[8];
    cv_ring_write(ring, in, 4);
    CHECK(!cv_ring_read(ring, out, 8));
    CHECK(ring->underruns == 1);
    CHECK(cv_ring_read(ring, out, 4));
    CHECK(out[0] == 1 && out[3] == 4);
    free(ring);
}

static void views_show_both_regions(void) {
    cv_ring *ring = ring_of(16, 1);
    float in[16] = {0}, out[16];
    cv_ring_write(ring, in, 12);
    cv_ring_read(ring, out, 12);
    cv_ring_view view;
    CHECK(cv_ring_write_view(ring, 10, &view) == 10);
    CHECK(view.first_frames == 4 && view.second_frames == 6);
    for (int i = 0; i < 4; i++) view.first[i] = (float)i;
    for (int i = 0; i < 6; i++) view.second[i] = (float)(4 + i);
    cv_ring_commit(ring, 10);
    CHECK(cv_ring_read(ring, out, 10));
    for (int i = 0; i < 10; i++) CHECK(out[i] == (float)i);
    free(ring);
}

static void planar_keeps_channels_apart(void) {
    cv_ring *ring = cv_ring_init(aligned(cv_ring_size(8, 3)), 8, 3, true);
    float in[3 * 5], out[3 * 5], next = 0, start = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 15; i++) in[i] = next++;
        CHECK(cv_ring_write(ring, in, 5) == 5);
        CHECK(cv_ring_read(ring, out, 5));
        for (int i = 0; i < 15; i++) CHECK(out[i] == start++);
    }
    CHECK(cv_ring_write(ring, in, 5) == 5 && cv_ring_write(ring, in, 5) == 3);
    cv_ring_read(ring, out, 5);
    CHECK(cv_ring_read(ring, out, 3));
    for (int c = 0; c < 3; c++) CHECK(out[c * 3] == in[c * 5] && out[c * 3 + 2] == in[c * 5 + 2]);
    free(ring);
}

static void waiting_ends_by_time_and_by_close(void) {
    cv_ring *ring = ring_of(16, 1);
    CHECK(!cv_ring_wait(ring, 1, 0));
    CHECK(!cv_ring_wait(ring, 1, 1000000));
    cv_ring_close(ring);
    CHECK(!cv_ring_wait(ring, 1, -1));
    free(ring);
}

int main(void) {
    keeps_order_over_the_wrap();
    all_slots_are_usable_and_nothing_is_overwritten();
    too_little_is_an_underrun_and_takes_nothing();
    views_show_both_regions();
    planar_keeps_channels_apart();
    waiting_ends_by_time_and_by_close();
    puts("ring: 6 tests passed");
    return 0;
}
