/* test_ring_threads.c - a producer and a consumer thread under ThreadSanitizer: nothing lost, nothing torn. */
#include <pthread.h>

#include "cv_ring.h"

#include "check.h"

enum { FRAMES = 400000, CAPACITY = 256, CHANNELS = 2 };

static void *produce(void *argument) {
    cv_ring *ring = argument;
    float block[2 * 37];
    for (int sent = 0; sent < FRAMES;) {
        int count = FRAMES - sent < 37 ? FRAMES - sent : 37;
        for (int i = 0; i < count; i++) block[2 * i] = block[2 * i + 1] = (float)((sent + i) % 65536);
        sent += (int)cv_ring_write(ring, block, (uint64_t)count);
    }
    cv_ring_close(ring);
    return NULL;
}

int main(void) {
    cv_ring *ring = cv_ring_init(aligned(cv_ring_size(CAPACITY, CHANNELS)), CAPACITY, CHANNELS, false);
    pthread_t producer;
    CHECK(pthread_create(&producer, NULL, produce, ring) == 0);
    float block[2 * 50];
    int got = 0;
    while (got < FRAMES) {
        uint64_t count = FRAMES - got < 50 ? (uint64_t)(FRAMES - got) : 50;
        cv_ring_wait(ring, count, -1);
        if (!cv_ring_read(ring, block, count)) continue;
        for (uint64_t i = 0; i < count; i++) {
            CHECK(block[2 * i] == (float)((got + (int)i) % 65536));
            CHECK(block[2 * i + 1] == block[2 * i]);
        }
        got += (int)count;
    }
    pthread_join(producer, NULL);
    free(ring);
    printf("ring_threads: %d frames passed\n", got);
    return 0;
}
