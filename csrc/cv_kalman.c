#include "cv_kalman.h"

#include <string.h>

#define CV_TINY 1e-10f

void cv_far_spectra_carve(cv_far_spectra *far, cv_arena *arena, size_t channels, size_t partitions) {
    far->channels = channels;
    far->partitions = partitions;
    far->lanes = channels * partitions;
    far->xr = cv_take_floats(arena, CV_BINS * far->lanes);
    far->xi = cv_take_floats(arena, CV_BINS * far->lanes);
}

void cv_far_spectra_reset(cv_far_spectra *far) {
    memset(far->xr, 0, CV_BINS * far->lanes * sizeof(float));
    memset(far->xi, 0, CV_BINS * far->lanes * sizeof(float));
}

void cv_far_spectra_push(cv_far_spectra *far, const float *re, const float *im) {
    size_t count = CV_BINS * far->lanes - 1;
    memmove(far->xr + 1, far->xr, count * sizeof(float));
    memmove(far->xi + 1, far->xi, count * sizeof(float));
    for (size_t c = 0; c < far->channels; c++) {
        for (size_t k = 0; k < CV_BINS; k++) {
            far->xr[k * far->lanes + c * far->partitions] = re[c * CV_BINS + k];
            far->xi[k * far->lanes + c * far->partitions] = im[c * CV_BINS + k];
        }
    }
}

void cv_kalman_carve(cv_kalman *kalman, cv_arena *arena, size_t lanes) {
    kalman->lanes = lanes;
    kalman->wr = cv_take_floats(arena, CV_BINS * lanes);
    kalman->wi = cv_take_floats(arena, CV_BINS * lanes);
    kalman->spread = cv_take_floats(arena, CV_BINS * lanes);
    kalman->gr = cv_take_floats(arena, CV_BINS * lanes);
    kalman->gi = cv_take_floats(arena, CV_BINS * lanes);
    kalman->near_psd = cv_take_floats(arena, CV_BINS);
    kalman->echo_psd = cv_take_floats(arena, CV_BINS);
}

void cv_kalman_init(cv_kalman *kalman, const cv_kalman_config *config, const cv_fft *fft) {
    size_t count = CV_BINS * kalman->lanes;
    kalman->config = *config;
    kalman->fft = fft;
    memset(kalman->wr, 0, count * sizeof(float));
    memset(kalman->wi, 0, count * sizeof(float));
    for (size_t i = 0; i < count; i++) kalman->spread[i] = config->initial_spread;
    memset(kalman->near_psd, 0, CV_BINS * sizeof(float));
    memset(kalman->echo_psd, 0, CV_BINS * sizeof(float));
}

CV_SIMD void cv_kalman_predict(cv_kalman *kalman, const cv_far_spectra *far, float *echo) {
    float yr[CV_BINS], yi[CV_BINS], time[CV_FFT_SIZE];
    size_t lanes = kalman->lanes;
    for (size_t k = 0; k < CV_BINS; k++) {
        const float *restrict xr = far->xr + k * lanes, *restrict xi = far->xi + k * lanes;
        const float *restrict wr = kalman->wr + k * lanes, *restrict wi = kalman->wi + k * lanes;
        float sr = 0.0f, si = 0.0f;
        for (size_t m = 0; m < lanes; m++) {
            sr += xr[m] * wr[m] - xi[m] * wi[m];
            si += xr[m] * wi[m] + xi[m] * wr[m];
        }
        yr[k] = sr;
        yi[k] = si;
    }
    cv_fft_inverse(kalman->fft, yr, yi, time);
    memcpy(echo, time + CV_FRAME, CV_FRAME * sizeof(float));
}

/* Gain, gradient and covariance of one bin; inv = 1 / (predicted residual + near end). */
static inline __attribute__((always_inline)) void update_bin(cv_kalman *kalman, const cv_far_spectra *far,
                                                             size_t k, float er, float ei, float near) {
    size_t lanes = kalman->lanes, at = k * lanes;
    const float *restrict xr = far->xr + at, *restrict xi = far->xi + at;
    const float *restrict wr = kalman->wr + at, *restrict wi = kalman->wi + at;
    float *restrict spread = kalman->spread + at;
    float *restrict gr = kalman->gr + at, *restrict gi = kalman->gi + at;
    float wander = kalman->config.wander;
    float residual = 0.0f;
    float size = 0.0f;
    for (size_t m = 0; m < lanes; m++) {
        residual += spread[m] * (xr[m] * xr[m] + xi[m] * xi[m]);
        size += wr[m] * wr[m] + wi[m] * wi[m];
    }
    /* a path may also begin to wander where it was silent: each lane gets a share of the mean */
    size *= kalman->config.elsewhere / (float)lanes;
    /* half: 160 of the 320 samples are new (R / M in Kuech et al.) */
    residual *= 0.5f;
    kalman->echo_psd[k] = residual;
    float inv = 1.0f / (residual + near + CV_TINY);
    for (size_t m = 0; m < lanes; m++) {
        float step = 0.5f * spread[m] * inv;
        float power = xr[m] * xr[m] + xi[m] * xi[m];
        gr[m] = step * (xr[m] * er + xi[m] * ei);
        gi[m] = step * (xr[m] * ei - xi[m] * er);
        spread[m] = (1.0f - 0.5f * step * power) * spread[m] +
                    wander * (wr[m] * wr[m] + wi[m] * wi[m] + size);
    }
}

CV_SIMD void cv_kalman_update(cv_kalman *kalman, const cv_far_spectra *far, const float *error) {
    float er[CV_BINS], ei[CV_BINS], time[CV_FFT_SIZE];
    size_t lanes = kalman->lanes, count = CV_BINS * lanes;
    memset(time, 0, CV_FRAME * sizeof(float));
    memcpy(time + CV_FRAME, error, CV_FRAME * sizeof(float));
    cv_fft_forward(kalman->fft, time, er, ei);
    float memory = kalman->config.noise_memory;
    for (size_t k = 0; k < CV_BINS; k++) {
        float power = er[k] * er[k] + ei[k] * ei[k];
        /* what the filter expects to be left of the echo does not count as near end */
        float near = power - kalman->echo_psd[k];
        near = near > 0.0f ? near : 0.0f;
        kalman->near_psd[k] = memory * kalman->near_psd[k] + (1.0f - memory) * near;
        update_bin(kalman, far, k, er[k], ei[k], kalman->near_psd[k]);
    }
    for (size_t m = 0; m < lanes; m += CV_LANES)
        cv_fft_constrain4(kalman->fft, kalman->gr + m, kalman->gi + m, lanes);
    float *restrict wr = kalman->wr, *restrict wi = kalman->wi;
    const float *restrict gr = kalman->gr, *restrict gi = kalman->gi;

    for (size_t i = 0; i < count; i++) {
        wr[i] += gr[i];
        wi[i] += gi[i];
    }
}

void cv_kalman_copy(cv_kalman *to, const cv_kalman *from) {
    size_t bytes = CV_BINS * to->lanes * sizeof(float);
    memcpy(to->wr, from->wr, bytes);
    memcpy(to->wi, from->wi, bytes);
    memcpy(to->spread, from->spread, bytes);
    memcpy(to->near_psd, from->near_psd, CV_BINS * sizeof(float));
}

/* The 320 samples whose spectrum is a lane's weights; the first 160 are its taps. */
static void impulse_response(cv_kalman *kalman, size_t lane, float *taps) {
    float re[CV_BINS], im[CV_BINS];
    for (size_t k = 0; k < CV_BINS; k++) {
        re[k] = kalman->wr[k * kalman->lanes + lane];
        im[k] = kalman->wi[k * kalman->lanes + lane];
    }
    cv_fft_inverse(kalman->fft, re, im, taps);
}

/* Uncertainty moves with the taps, to the nearest partition; what comes in is as unknown as at the start. */
static void shift_spread(cv_kalman *kalman, size_t first, size_t partitions, int shift) {
    int blocks = (shift >= 0 ? shift + CV_FRAME / 2 : shift - CV_FRAME / 2) / CV_FRAME;
    float row[CV_MAX_PARTITIONS];
    if (blocks == 0) return;
    for (size_t k = 0; k < CV_BINS; k++) {
        float *spread = kalman->spread + k * kalman->lanes + first;
        for (size_t p = 0; p < partitions; p++) {
            int from = (int)p - blocks;
            row[p] = from >= 0 && from < (int)partitions ? spread[from] : kalman->config.initial_spread;
        }
        memcpy(spread, row, partitions * sizeof(float));
    }
}

void cv_kalman_shift(cv_kalman *kalman, const cv_far_spectra *far, int shift) {
    /* The gradients are free between updates: their memory holds the impulse response meanwhile. */
    float *taps = kalman->gr;
    float re[CV_BINS], im[CV_BINS], time[CV_FFT_SIZE];
    int length = (int)(far->partitions * CV_FRAME);
    for (size_t c = 0; c < far->channels; c++) {
        size_t first = c * far->partitions;
        for (size_t p = 0; p < far->partitions; p++) {
            impulse_response(kalman, first + p, time);
            memcpy(taps + p * CV_FRAME, time, CV_FRAME * sizeof(float));
        }
        for (size_t p = 0; p < far->partitions; p++) {
            memset(time, 0, sizeof time);
            for (int i = 0; i < CV_FRAME; i++) {
                int from = (int)p * CV_FRAME + i - shift;
                if (from >= 0 && from < length) time[i] = taps[from];
            }
            cv_fft_forward(kalman->fft, time, re, im);
            for (size_t k = 0; k < CV_BINS; k++) {
                kalman->wr[k * kalman->lanes + first + p] = re[k];
                kalman->wi[k * kalman->lanes + first + p] = im[k];
            }
        }
        shift_spread(kalman, first, far->partitions, shift);
    }
}
