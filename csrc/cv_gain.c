#include "cv_gain.h"

#include <math.h>

#define RATE_DB 0.03f /* per frame: 3 dB per second */
#define CEILING 0.89f /* -1 dBFS */

void cv_gain_init(cv_gain *gain, const cv_gain_config *config) {
    gain->config = *config;
    gain->speech_db = config->target_db;
    gain->gain = 1.0f;
    gain->wanted_db = 0.0f;
}

void cv_gain_process(cv_gain *gain, float speech, float *frame) {
    float power = 1e-12f, peak = 0.0f;
    for (size_t i = 0; i < CV_FRAME; i++) {
        float size = fabsf(frame[i]);
        power += frame[i] * frame[i];
        peak = size > peak ? size : peak;
    }
    if (speech > 0.8f) {
        float level = 10.0f * log10f(power / CV_FRAME);
        gain->speech_db += 0.02f * (level - gain->speech_db);
        float ideal = gain->config.target_db - gain->speech_db;
        ideal = fminf(fmaxf(ideal, gain->config.least_db), gain->config.most_db);
        float step = fminf(fmaxf(ideal - gain->wanted_db, -RATE_DB), RATE_DB);
        gain->wanted_db += step;
    }
    float before = gain->gain, after = powf(10.0f, gain->wanted_db / 20.0f);
    if (peak * after > CEILING) after = fmaxf(CEILING / peak, 1e-3f);
    if (peak * before > CEILING) before = after;
    for (size_t i = 0; i < CV_FRAME; i++)
        frame[i] *= before + (after - before) * (float)(i + 1) / CV_FRAME;
    gain->gain = after;
}
