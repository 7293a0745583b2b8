/* Nanoseconds for one write and one read of 160 samples, single-threaded: make -C tests/c bench */
#define _GNU_SOURCE
#include "cv_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(void) {
    enum { ROUNDS = 100, EACH = 10000 };
    float block[160] = {0};
    double best = 1e9;
    cv_ring *ring = cv_ring_init(malloc(cv_ring_size(4096, 1)), 4096, 1, false);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < EACH; i++) {
            cv_ring_write(ring, block, 160);
            cv_ring_read(ring, block, 160);
        }
        double each = (now_ns() - start) / EACH;
        best = each < best ? each : best;
    }
    printf("ring write + read of 160 samples: %.1f ns\n", best);
    return 0;
}
