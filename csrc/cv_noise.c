#include "cv_noise.h"

#include <math.h>
#include <string.h>

enum { LEARN_FRAMES = 10 };
#define PRIOR_SNR 31.6228f /* 15 dB */
#define MEMORY 0.8f
#define FAR_BELOW 0.1f /* of the estimate: noise itself is there one time in ten */
#define FLOOR 1e-9f
#define LEARN_ECHO 0.25f /* share of echo up to which a frame counts as one without */

void cv_noise_reset(cv_noise *noise) {
    memset(noise, 0, sizeof *noise);
}

/* The first 100 ms without our own voice are taken for noise. As long as there were none, as when a reply
 * sounds from the first moment on, the noise is the least of what came back in any 100 ms: too much rather
 * than too little, which would pass for speech in the first pause of the reply. */
static void learn(cv_noise *noise, const float *power, const float *echo) {
    noise->frames += noise->frames < LEARN_FRAMES;
    float all = 0.0f, returned = 0.0f, rate = 1.0f / (float)noise->frames;
    for (size_t k = 0; k < CV_BINS; k++) {
        all += power[k];
        returned += echo[k];
        noise->mean[k] += rate * (power[k] + FLOOR - noise->mean[k]);
        int is_less = noise->mean[k] < noise->psd[k];
        noise->psd[k] = noise->frames < LEARN_FRAMES || is_less ? noise->mean[k] : noise->psd[k];
    }
    noise->clean_frames += returned <= LEARN_ECHO * all;
}

CV_SIMD void cv_noise_process(cv_noise *noise, const float *power, const float *echo) {
    const float exponent = PRIOR_SNR / (1.0f + PRIOR_SNR);
    if (noise->clean_frames < LEARN_FRAMES) {
        learn(noise, power, echo);
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
