/* test_frontend.c - the chain on hostile input: finite out for anything in, reset is fresh, echo goes away. */
#include <math.h>
#include <string.h>

#include "cv_frontend.h"

#include "check.h"

static cv_frontend_config config_of(int mics) {
    cv_frontend_config config;
    memset(&config, 0, sizeof config);
    config.mics = mics;
    config.zones = 1;
    config.far_channels = 1;
    config.partitions = 16;
    config.max_delay = 1600;
    config.highpass_hz = 70;
    config.cancel_echo = config.suppress_echo = config.suppress_noise = config.control_gain = 1;
    config.follow_drift = 1;
    config.overdrive = 1;
    config.deep_wander = 2e-5f;
    config.fast_wander = 4e-3f;
    config.noise_memory = 0.9f;
    config.initial_spread = 0.1f;
    config.asr_echo_share = 0.5f;
    config.echo_floor = 0.01f;
    config.noise_floor = 0.1f;
    config.over_subtraction = 1.0f;
    config.target_db = -24;
    config.most_gain_db = 15;
    config.least_gain_db = -10;
    return config;
}

static void finite_out_for_anything_in(void) {
    const float hostile[] = {0.0f, 1.0f, -1.0f, 1e30f, -1e30f, 1e-40f, NAN, INFINITY, -INFINITY, 3.0f};
    for (int mics = 1; mics <= 2; mics++) {
        cv_frontend_config config = config_of(mics);
        const char *wrong = cv_frontend_check(&config);
        if (wrong) fprintf(stderr, "%s\n", wrong);
        CHECK(wrong == NULL);
        cv_frontend *frontend = cv_frontend_init(aligned(cv_frontend_size(&config)), &config);
        static float near[CV_MAX_MICS * CV_FRAME], far[CV_FRAME];
        cv_frontend_output out;
        unsigned seed = 3;
        for (int frame = 0; frame < 400; frame++) {
            for (int i = 0; i < mics * CV_FRAME; i++)
                near[i] = frame % 4 ? noise(&seed) : hostile[(i + frame) % 10];
            for (int i = 0; i < CV_FRAME; i++) far[i] = frame % 3 ? noise(&seed) : hostile[(i * 7 + frame) % 10];
            cv_frontend_process(frontend, near, frame % 5 ? far : NULL, &out);
            for (int i = 0; i < CV_FRAME; i++) CHECK(isfinite(out.asr[i]) && isfinite(out.vad[i]));
            CHECK(out.speech >= 0.0f && out.speech <= 1.0f);
        }
        free(frontend);
    }
}

static void reset_is_fresh(void) {
    cv_frontend_config config = config_of(1);
    cv_frontend *used = cv_frontend_init(aligned(cv_frontend_size(&config)), &config);
    cv_frontend *fresh = cv_frontend_init(aligned(cv_frontend_size(&config)), &config);
    float near[CV_FRAME], far[CV_FRAME];
    cv_frontend_output a, b;
    unsigned seed = 5;
    for (int frame = 0; frame < 200; frame++) {
        for (int i = 0; i < CV_FRAME; i++) near[i] = 0.3f * noise(&seed), far[i] = 0.3f * noise(&seed);
        cv_frontend_process(used, near, far, &a);
    }
    cv_frontend_reset(used);
    for (int frame = 0; frame < 100; frame++) {
        for (int i = 0; i < CV_FRAME; i++) near[i] = 0.3f * noise(&seed), far[i] = 0.3f * noise(&seed);
        cv_frontend_process(used, near, far, &a);
        cv_frontend_process(fresh, near, far, &b);
        for (int i = 0; i < CV_FRAME; i++) CHECK(a.asr[i] == b.asr[i] && a.vad[i] == b.vad[i]);
    }
    free(used);
    free(fresh);
}

static void echo_goes_away(void) {
    cv_frontend_config config = config_of(1);
    cv_frontend *frontend = cv_frontend_init(aligned(cv_frontend_size(&config)), &config);
    float far[CV_FRAME], near[CV_FRAME], last[CV_FRAME] = {0};
    cv_frontend_output out;
    unsigned seed = 11;
    double before = 0, after = 0;
    for (int frame = 0; frame < 600; frame++) {
        for (int i = 0; i < CV_FRAME; i++) far[i] = 0.3f * noise(&seed);
        for (int i = 0; i < CV_FRAME; i++) near[i] = 0.5f * (i < 40 ? last[CV_FRAME - 40 + i] : far[i - 40]);
        memcpy(last, far, sizeof last);
        cv_frontend_process(frontend, near, far, &out);
        if (frame < 400) continue;
        for (int i = 0; i < CV_FRAME; i++) before += near[i] * near[i], after += out.vad[i] * out.vad[i];
    }
    CHECK(after < before * 1e-2); /* at least 20 dB */
    free(frontend);
}

int main(void) {
    finite_out_for_anything_in();
    reset_is_fresh();
    echo_goes_away();
    puts("frontend: 3 tests passed");
    return 0;
}
