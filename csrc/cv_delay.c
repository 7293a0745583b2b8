#include "cv_delay.h"

#include <math.h>
#include <string.h>

enum { FIRST_BIN = 4, LAST_BIN = 128 };
#define MEMORY 0.985f
#define FAR_SILENCE 1e-6f /* mean square below which the far end teaches nothing: -60 dBFS */

void cv_delay_carve(cv_delay *delay, cv_arena *arena, size_t max_delay) {
    size_t lanes = (max_delay + CV_FRAME - 1) / CV_FRAME;
    delay->lanes = (lanes + CV_LANES - 1) / CV_LANES * CV_LANES;
    delay->xr = cv_take_floats(arena, CV_BINS * delay->lanes);
    delay->xi = cv_take_floats(arena, CV_BINS * delay->lanes);
    delay->cr = cv_take_floats(arena, CV_BINS * delay->lanes);
    delay->ci = cv_take_floats(arena, CV_BINS * delay->lanes);
    delay->sr = cv_take_floats(arena, CV_BINS * CV_LANES);
    delay->si = cv_take_floats(arena, CV_BINS * CV_LANES);
    delay->lags = cv_take_floats(arena, CV_FFT_SIZE * CV_LANES);
    delay->far_psd = cv_take_floats(arena, CV_BINS);
    delay->near_psd = cv_take_floats(arena, CV_BINS);
    delay->weight = cv_take_floats(arena, CV_BINS);
}

void cv_delay_init(cv_delay *delay, const cv_fft *fft) {
    delay->fft = fft;
    cv_delay_reset(delay);
}

void cv_delay_reset(cv_delay *delay) {
    size_t bytes = CV_BINS * delay->lanes * sizeof(float);
    memset(delay->xr, 0, bytes);
    memset(delay->xi, 0, bytes);
    memset(delay->cr, 0, bytes);
    memset(delay->ci, 0, bytes);
    memset(delay->sr, 0, CV_BINS * CV_LANES * sizeof(float));
    memset(delay->si, 0, CV_BINS * CV_LANES * sizeof(float));
    memset(delay->far_psd, 0, CV_BINS * sizeof(float));
    memset(delay->near_psd, 0, CV_BINS * sizeof(float));
    delay->heard = 0;
    delay->group = 0;
    delay->energy = 0.0f;
    delay->peak = 0.0f;
    delay->peak_lag = 0;
    delay->lag = 0;
    delay->confidence = 0.0f;
}

static CV_SIMD void average(cv_delay *delay, const float *yr, const float *yi, float rate) {
    size_t lanes = delay->lanes;
    for (size_t k = FIRST_BIN; k <= LAST_BIN; k++) {
        const float *restrict xr = delay->xr + k * lanes, *restrict xi = delay->xi + k * lanes;
        float *restrict cr = delay->cr + k * lanes, *restrict ci = delay->ci + k * lanes;
        float nr = yr[k], ni = yi[k];
        for (size_t m = 0; m < lanes; m++) {
            cr[m] += rate * (xr[m] * nr + xi[m] * ni - cr[m]);
            ci[m] += rate * (xr[m] * ni - xi[m] * nr - ci[m]);
        }
        delay->far_psd[k] += rate * (xr[0] * xr[0] + xi[0] * xi[0] - delay->far_psd[k]);
        delay->near_psd[k] += rate * (nr * nr + ni * ni - delay->near_psd[k]);
    }
}

/* Correlations of the next CV_LANES far-end frames; keeps the greatest. */
static CV_SIMD void search(cv_delay *delay) {
    size_t first = delay->group * CV_LANES;
    for (size_t k = FIRST_BIN; k <= LAST_BIN; k++) {
        for (size_t l = 0; l < CV_LANES; l++) {
            delay->sr[k * CV_LANES + l] = delay->cr[k * delay->lanes + first + l] * delay->weight[k];
            delay->si[k * CV_LANES + l] = delay->ci[k * delay->lanes + first + l] * delay->weight[k];
        }
    }
    cv_fft_inverse_lanes(delay->fft, delay->sr, delay->si, CV_LANES, delay->lags);
    for (int i = 0; i < CV_FRAME; i++) {
        for (size_t l = 0; l < CV_LANES; l++) {
            float power = delay->lags[(size_t)i * CV_LANES + l];
            power *= power;
            delay->energy += power;
            if (power > delay->peak) {
                delay->peak = power;
                delay->peak_lag = (int)(first + l) * CV_FRAME + i;
            }
        }
    }
}

bool cv_delay_process(cv_delay *delay, const float *far_re, const float *far_im, const float *near_re,
                      const float *near_im) {
    size_t lanes = delay->lanes, count = CV_BINS * lanes - 1;
    memmove(delay->xr + 1, delay->xr, count * sizeof(float));
    memmove(delay->xi + 1, delay->xi, count * sizeof(float));
    float far_power = 0.0f;
    for (size_t k = 0; k < CV_BINS; k++) {
        delay->xr[k * lanes] = far_re[k];
        delay->xi[k * lanes] = far_im[k];
        far_power += far_re[k] * far_re[k] + far_im[k] * far_im[k];
    }
    if (far_power * (2.0f / ((float)CV_FFT_SIZE * CV_FFT_SIZE)) < FAR_SILENCE) return false;
    delay->heard++;
    float rate = 1.0f / (float)delay->heard;
    average(delay, near_re, near_im, rate > 1.0f - MEMORY ? rate : 1.0f - MEMORY);
    if (delay->group == 0) {
        for (size_t k = FIRST_BIN; k <= LAST_BIN; k++)
            delay->weight[k] = 1.0f / sqrtf(delay->far_psd[k] * delay->near_psd[k] + 1e-12f);
    }
    search(delay);
    delay->group++;
    if (delay->group * CV_LANES < lanes) return false;
    float rms = sqrtf(delay->energy / (float)(lanes * CV_FRAME)) + 1e-20f;
    delay->confidence = sqrtf(delay->peak) / rms;
    delay->lag = delay->peak_lag;
    delay->group = 0;
    delay->energy = 0.0f;
    delay->peak = 0.0f;
    return true;
}
