#include "cv_noise.h"

#include <math.h>
#include <string.h>

enum { LEARN_FRAMES = 10 };
#define PRIOR_SNR 31.6228f /* 15 dB */
#define MEMORY 0.8f
#define FAR_BELOW 0.1f /* of the estimate: noise itself is there one time in ten */
#define FLOOR 1e-9f

void cv_noise_reset(cv_noise *noise) {
    memset(noise, 0, sizeof *noise);
}

CV_SIMD void cv_noise_process(cv_noise *noise, const float *power, const float *echo) {
    const float exponent = PRIOR_SNR / (1.0f + PRIOR_SNR);
    if (noise->frames < LEARN_FRAMES) { /* take the first 100 ms for noise */
        noise->frames++;
        float rate = 1.0f / (float)noise->frames;
        for (size_t k = 0; k < CV_BINS; k++) {
            float rest = power[k] > echo[k] ? power[k] - echo[k] : 0.0f;
            noise->psd[k] += rate * (rest + FLOOR - noise->psd[k]);
        }
        return;
    }
    for (size_t k = 0; k < CV_BINS; k++) {
        float ratio = power[k] / noise->psd[k] * exponent;
        float speech = 1.0f / (1.0f + (1.0f + PRIOR_SNR) * expf(-(ratio < 60.0f ? ratio : 60.0f)));
        noise->presence[k] = speech;
        float habit = 0.9f * noise->habit[k] + 0.1f * speech;
        noise->habit[k] = habit;
        if (habit > 0.99f && speech > 0.99f) speech = 0.99f;
        /* echo is not noise: hold while it dominates, but come down from what cannot be noise either */
        float share = power[k] > FAR_BELOW * noise->psd[k] ? echo[k] / (power[k] + FLOOR) : 0.0f;
        if (share > speech) speech = share < 1.0f ? share : 1.0f;
        float now = speech * noise->psd[k] + (1.0f - speech) * power[k];
        noise->psd[k] = MEMORY * noise->psd[k] + (1.0f - MEMORY) * now + FLOOR * 1e-3f;
    }
}
