#include "cv_vad.h"

#include <math.h>

enum { FIRST_BIN = 4, LAST_BIN = 80 }; /* 200 Hz to 4 kHz */
#define NOTHING (-0.2f) /* evidence of a frame without any */
#define RISE 0.5f
#define FALL 0.15f
#define MIDDLE (-0.04f) /* evidence at which either is as likely: measured, see bench/audio_vad.py */
#define SLOPE 30.0f
#define GUST 0.08f /* smooths over 125 ms, a gust of buffeting wind at 8 Hz */
#define MARGIN 0.1f /* that speech stands above what does not let up */

void cv_vad_reset(cv_vad *vad) {
    vad->past[0] = vad->past[1] = vad->evidence = vad->slow = NOTHING;
    vad->probability = 0.0f;
    for (size_t i = 0; i < CV_VAD_HOLD_FRAMES; i++) vad->recent[i] = NOTHING;
    for (size_t i = 0; i < CV_VAD_BLOCKS; i++) vad->minima[i] = NOTHING;
    vad->minimum = NOTHING;
    vad->frame = 0;
}

/* The evidence that has always been there of late. */
static float background(cv_vad *vad) {
    vad->recent[vad->frame % CV_VAD_HOLD_FRAMES] = vad->slow;
    float peak = vad->recent[0];
    for (size_t i = 1; i < CV_VAD_HOLD_FRAMES; i++) peak = peak > vad->recent[i] ? peak : vad->recent[i];
    size_t in_block = vad->frame % CV_VAD_BLOCK_FRAMES;
    vad->minimum = in_block == 0 || peak < vad->minimum ? peak : vad->minimum;
    if (in_block == CV_VAD_BLOCK_FRAMES - 1)
        vad->minima[vad->frame / CV_VAD_BLOCK_FRAMES % CV_VAD_BLOCKS] = vad->minimum;
    vad->frame++;
    float least = vad->minimum;
    for (size_t i = 0; i < CV_VAD_BLOCKS; i++) least = least < vad->minima[i] ? least : vad->minima[i];
    return least;
}

CV_SIMD float cv_vad_process(cv_vad *vad, const float *power, const float *interference, const float *prior) {
    float sum = 0.0f;
    for (size_t k = FIRST_BIN; k <= LAST_BIN; k++) {
        float posterior = power[k] / (interference[k] + 1e-9f);
        posterior = posterior < 1000.0f ? posterior : 1000.0f;
        sum += logf(1.0f + posterior * prior[k] / (1.0f + prior[k])) - 0.5f * logf(1.0f + prior[k]);
    }
    float evidence = sum / (LAST_BIN - FIRST_BIN + 1) + NOTHING;
    /* the median of three: a rain drop is shorter than a syllable */
    float older = vad->past[0], old = vad->past[1], now = evidence;
    vad->past[0] = old;
    vad->past[1] = now;
    float low = older < old ? older : old, high = older < old ? old : older;
    evidence = now < low ? low : now > high ? high : now;
    vad->evidence += (evidence > vad->evidence ? RISE : FALL) * (evidence - vad->evidence);
    vad->slow += GUST * (evidence - vad->slow);
    float always = background(vad);
    float above = always > MIDDLE ? vad->slow - always - MARGIN : vad->evidence - MIDDLE;
    vad->probability = 1.0f / (1.0f + expf(-SLOPE * above));
    return vad->probability;
}
