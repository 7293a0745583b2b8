/* test_chain.c - every number of microphones and channels, with echo, silence and not-a-number, and that a
 * running chain allocates nothing. Built without a sanitizer: the allocator is wrapped by the linker. */
#define _GNU_SOURCE
#include "cv_frontend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long allocations;

/* linked with --wrap: every call of the core's objects comes through here */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size) {
    allocations++;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    allocations++;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    allocations++;
    return __real_realloc(old, size);
}
static float noise(void) {
    return (float)rand() / (float)RAND_MAX - 0.5f;
}

static int run(int mics, int channels, int max_delay) {
    cv_frontend_config config = {
        .mics = mics, .zones = 4, .far_channels = channels, .partitions = 16, .max_delay = max_delay,
        .highpass_hz = 50.0f, .cancel_echo = 1, .suppress_echo = 1, .suppress_noise = 1, .control_gain = 1,
        .follow_drift = 1, .overdrive = channels == 1, .deep_wander = 3e-6f, .fast_wander = 4e-3f,
        .noise_memory = 0.85f,
        .initial_spread = 0.1f, .asr_echo_share = 0.35f, .echo_floor = 0.01f, .noise_floor = 0.1f,
        .over_subtraction = 4.0f, .target_db = -24.0f, .most_gain_db = 15.0f, .least_gain_db = -12.0f};
    static float near[CV_MAX_MICS * CV_FRAME], far[2 * CV_FRAME], past[8000];
    static float steer[4 * CV_MAX_MICS * CV_BINS], zero[4 * CV_MAX_MICS * CV_BINS];
    cv_frontend_output out;
    if (cv_frontend_check(&config)) return 1;
    void *memory = aligned_alloc(CV_ALIGNMENT, (cv_frontend_size(&config) + 63) / 64 * 64);
    cv_frontend *chain = cv_frontend_init(memory, &config);
    for (size_t i = 0; i < sizeof steer / sizeof *steer; i++) steer[i] = 1.0f / (float)mics;
    cv_frontend_aim(chain, steer, zero, steer, zero);
    long before = allocations;
    memset(past, 0, sizeof past);
    for (int n = 0; n < 600; n++) {
        memmove(past, past + CV_FRAME, sizeof past - CV_FRAME * sizeof(float));
        for (int i = 0; i < channels * CV_FRAME; i++) far[i] = n % 150 < 100 ? noise() : 0.0f;
        memcpy(past + 8000 - CV_FRAME, far, CV_FRAME * sizeof(float));
        for (int m = 0; m < mics; m++)
            for (int i = 0; i < CV_FRAME; i++)
                near[m * CV_FRAME + i] = 0.5f * past[8000 - CV_FRAME + i - 3300 + n / 20] + 1e-3f * noise();
        if (n % 97 == 50) near[7] = NAN;
        if (n % 89 == 30) far[9] = INFINITY;
        if (n % 71 == 20) near[11] = -3e38f;
        cv_frontend_process(chain, near, n % 211 == 210 ? NULL : far, &out);
        for (int i = 0; i < CV_FRAME; i++)
            if (!isfinite(out.asr[i]) || !isfinite(out.vad[i])) return 2;
        if (!isfinite(out.speech) || !isfinite(out.level_db) || !isfinite(out.erle_db)) return 3;
    }
    if (allocations != before) return 4;
    cv_frontend_reset(chain);
    free(memory);
    return 0;
}

int main(void) {
    for (int mics = 1; mics <= 4; mics++) {
        for (int channels = 1; channels <= 2; channels++) {
            int problem = run(mics, channels, mics == 3 ? 0 : 5120);
            if (problem) {
                fprintf(stderr, "front end with %d microphones, %d channels: problem %d\n", mics, channels, problem);
                return 1;
            }
        }
    }
    puts("chain: ok");
    return 0;
}
