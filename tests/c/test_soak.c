/* test_soak.c - ten minutes of a drive in seconds: music that stops and starts, a talker, a path that moves,
 * drifting clocks. The state stays bounded, the outputs finite, and the echo is gone at the end as at the start. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_frontend.h"

#include "check.h"

enum { MINUTES = 10, FRAMES = MINUTES * 6000, PAST = 4096 };

int main(void) {
    cv_frontend_config config = {
        .mics = 1, .zones = 1, .far_channels = 1, .partitions = 16, .max_delay = 5120, .highpass_hz = 20.0f,
        .cancel_echo = 1, .suppress_echo = 1, .suppress_noise = 1, .control_gain = 1, .follow_drift = 1,
        .overdrive = 1, .comfort_noise = 1, .deep_wander = 3e-6f, .fast_wander = 4e-3f, .noise_memory = 0.85f,
        .initial_spread = 0.1f, .asr_echo_share = 0.35f, .echo_floor = 0.01f, .noise_floor = 0.1f,
        .over_subtraction = 4.0f, .target_db = -24.0f, .most_gain_db = 15.0f, .least_gain_db = -12.0f};
    CHECK(cv_frontend_check(&config) == NULL);
    cv_frontend *chain = cv_frontend_init(aligned(cv_frontend_size(&config)), &config);
    static float past[PAST + CV_FRAME];
    float near[CV_FRAME], far[CV_FRAME];
    cv_frontend_output out;
    unsigned seed = 17;
    double mic[MINUTES] = {0}, left[MINUTES] = {0};
    for (int n = 0; n < FRAMES; n++) {
        int minute = n / 6000, second = n / 100 % 60;
        int sounds = second < 40, talks = second >= 30 && second < 55 && n / 25 % 2;
        double slip = 20e-6 * 160.0 * n; /* 20 ppm: 192 samples in ten minutes */
        int lag = 700 + 40 * (minute % 3) + (int)slip;
        float part = (float)(slip - (int)slip);
        memmove(past, past + CV_FRAME, PAST * sizeof(float));
        for (int i = 0; i < CV_FRAME; i++) past[PAST + i] = far[i] = sounds ? 0.2f * noise(&seed) : 0.0f;
        for (int i = 0; i < CV_FRAME; i++) {
            const float *at = past + PAST + i - lag;
            near[i] = 0.5f * (at[0] + part * (at[-1] - at[0])) - 0.1f * at[-60] + 1e-3f * noise(&seed);
            if (talks) near[i] += 0.2f * noise(&seed);
        }
        cv_frontend_process(chain, near, far, &out);
        for (int i = 0; i < CV_FRAME; i++) CHECK(fabsf(out.asr[i]) < 4.0f && fabsf(out.vad[i]) < 4.0f);
        CHECK(out.speech >= 0.0f && out.speech <= 1.0f && fabsf(out.erle_db) < 120.0f);
        CHECK(cv_frontend_delay(chain) >= 0.0f && cv_frontend_delay(chain) <= 5120.0f);
        CHECK(fabsf(cv_frontend_drift_ppm(chain)) <= 400.0f);
        if (second < 20 || second >= 30) continue; /* echo alone, after it was learned anew */
        for (int i = 0; i < CV_FRAME; i++) {
            mic[minute] += near[i] * near[i];
            left[minute] += out.vad[i] * out.vad[i];
        }
    }
    for (int minute = 0; minute < MINUTES; minute++) {
        double erle_db = 10.0 * log10(mic[minute] / (left[minute] + 1e-12));
        printf("soak: minute %d, echo %.1f dB down\n", minute, erle_db);
        CHECK(erle_db > 25.0);
    }
    free(chain);
    return 0;
}
