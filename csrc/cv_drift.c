#include "cv_drift.h"

#include <math.h>
#include <string.h>

enum { FIRST_BIN = 8, LAST_BIN = 120, INTERVAL_FRAMES = 50, STEP = 12 };
#define ALIKE 0.85f /* coherence of the snapshots, after undoing the delay, below which they say nothing */

void cv_drift_carve(cv_drift *drift, cv_arena *arena, size_t lanes) {
    drift->lanes = lanes;
    drift->wr = cv_take_floats(arena, CV_BINS * lanes);
    drift->wi = cv_take_floats(arena, CV_BINS * lanes);
}

void cv_drift_reset(cv_drift *drift) {
    drift->frames = -1;
}

static void keep(cv_drift *drift, const cv_kalman *kalman) {
    for (size_t k = 0; k < CV_BINS; k++) {
        memcpy(drift->wr + k * drift->lanes, kalman->wr + k * kalman->lanes, drift->lanes * sizeof(float));
        memcpy(drift->wi + k * drift->lanes, kalman->wi + k * kalman->lanes, drift->lanes * sizeof(float));
    }
    drift->frames = 0;
}

/* Sum of the cross spectrum turned back by `delay` samples; also its phase slope left over. */
static float turned_back(const float *qr, const float *qi, float delay, float *rest) {
    const float turn = 6.28318531f / CV_FFT_SIZE;
    float sum_r = 0.0f, sum_i = 0.0f, slope = 0.0f, weight = 1e-30f;
    for (int k = FIRST_BIN; k <= LAST_BIN; k++) {
        float c = cosf(turn * (float)k * delay), s = sinf(turn * (float)k * delay);
        float r = qr[k] * c - qi[k] * s, i = qr[k] * s + qi[k] * c;
        float size = sqrtf(r * r + i * i);
        sum_r += r;
        sum_i += i;
        slope += size * (float)k * atan2f(i, r);
        weight += size * (float)k * (float)k;
    }
    *rest = -slope / (weight * turn);
    return sqrtf(sum_r * sum_r + sum_i * sum_i);
}

float cv_drift_process(cv_drift *drift, const cv_kalman *kalman) {
    if (drift->frames < 0) {
        keep(drift, kalman);
        return 0.0f;
    }
    if (++drift->frames < INTERVAL_FRAMES) return 0.0f;
    float qr[CV_BINS], qi[CV_BINS], now = 1e-30f, then = 1e-30f;
    for (size_t k = FIRST_BIN; k <= LAST_BIN; k++) {
        const float *ar = kalman->wr + k * kalman->lanes, *ai = kalman->wi + k * kalman->lanes;
        const float *br = drift->wr + k * drift->lanes, *bi = drift->wi + k * drift->lanes;
        qr[k] = qi[k] = 0.0f;
        for (size_t m = 0; m < drift->lanes; m++) {
            qr[k] += ar[m] * br[m] + ai[m] * bi[m];
            qi[k] += ai[m] * br[m] - ar[m] * bi[m];
            now += ar[m] * ar[m] + ai[m] * ai[m];
            then += br[m] * br[m] + bi[m] * bi[m];
        }
    }
    /* first coarsely, from bins STEP apart, whose phases differ by less than a turn; then finely */
    float cr = 0.0f, ci = 0.0f, rest;
    for (int k = FIRST_BIN; k + STEP <= LAST_BIN; k++) {
        cr += qr[k + STEP] * qr[k] + qi[k + STEP] * qi[k];
        ci += qi[k + STEP] * qr[k] - qr[k + STEP] * qi[k];
    }
    float delay = -atan2f(ci, cr) * CV_FFT_SIZE / (6.28318531f * STEP);
    turned_back(qr, qi, delay, &rest);
    delay += rest;
    float alike = turned_back(qr, qi, delay, &rest) / sqrtf(now * then);
    keep(drift, kalman);
    return alike > ALIKE ? delay / (INTERVAL_FRAMES * CV_FRAME) : 0.0f;
}
