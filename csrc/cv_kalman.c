#include "cv_kalman.h"

#include <string.h>

#define CV_TINY 1e-10f
#define DOUBTED 0.03f

static inline float sum_of(const cv_vec *vector) { /* by pointer: by value its ABI depends on the machine */
    cv_vec x = *vector;
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

void cv_far_spectra_carve(cv_far_spectra *far, cv_arena *arena, size_t channels, size_t partitions) {
    far->channels = channels;
    far->partitions = partitions;
    far->lanes = channels * partitions;
    far->xr = cv_take_floats(arena, CV_BINS * far->lanes);
    far->xi = cv_take_floats(arena, CV_BINS * far->lanes);
}

void cv_far_spectra_reset(cv_far_spectra *far) {
    far->silent = far->partitions;
    memset(far->xr, 0, CV_BINS * far->lanes * sizeof(float));
    memset(far->xi, 0, CV_BINS * far->lanes * sizeof(float));
}

void cv_far_spectra_push(cv_far_spectra *far, const float *re, const float *im) {
    size_t count = CV_BINS * far->lanes - 1;
    memmove(far->xr + 1, far->xr, count * sizeof(float));
    memmove(far->xi + 1, far->xi, count * sizeof(float));
    float power = 0.0f;
    for (size_t c = 0; c < far->channels; c++) {
        for (size_t k = 0; k < CV_BINS; k++) {
            float r = re[c * CV_BINS + k], i = im[c * CV_BINS + k];
            far->xr[k * far->lanes + c * far->partitions] = r;
            far->xi[k * far->lanes + c * far->partitions] = i;
            power += r * r + i * i;
        }
    }
    far->silent = power > 0.0f ? 0 : far->silent + (far->silent < far->partitions);
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

static float spread_at_start(const cv_kalman *kalman, size_t lane) {
    return kalman->config.initial_spread * (lane < kalman->config.doubted_from ? 1.0f : DOUBTED);
}

void cv_kalman_init(cv_kalman *kalman, const cv_kalman_config *config, const cv_fft *fft) {
    size_t count = CV_BINS * kalman->lanes;
    kalman->config = *config;
    kalman->fft = fft;
    memset(kalman->wr, 0, count * sizeof(float));
    memset(kalman->wi, 0, count * sizeof(float));
    for (size_t i = 0; i < count; i++) kalman->spread[i] = spread_at_start(kalman, i % kalman->lanes);
    memset(kalman->near_psd, 0, CV_BINS * sizeof(float));
    memset(kalman->echo_psd, 0, CV_BINS * sizeof(float));
}

CV_SIMD void cv_kalman_predict(cv_kalman *kalman, const cv_far_spectra *far, float *echo) {
    float yr[CV_BINS], yi[CV_BINS], time[CV_FFT_SIZE];
    size_t vectors = kalman->lanes / CV_LANES;
    for (size_t k = 0; k < CV_BINS; k++) {
        size_t at = k * kalman->lanes;
        const cv_vec *xr = (const cv_vec *)(far->xr + at), *xi = (const cv_vec *)(far->xi + at);
        const cv_vec *wr = (const cv_vec *)(kalman->wr + at), *wi = (const cv_vec *)(kalman->wi + at);
        cv_vec sr = {0}, si = {0};
        for (size_t v = 0; v < vectors; v++) {
            sr += xr[v] * wr[v] - xi[v] * wi[v];
            si += xr[v] * wi[v] + xi[v] * wr[v];
        }
        yr[k] = sum_of(&sr);
        yi[k] = sum_of(&si);
    }
    cv_fft_inverse(kalman->fft, yr, yi, time);
    memcpy(echo, time + CV_FRAME, CV_FRAME * sizeof(float));
}

/* Gain, gradient and covariance of one bin; e: error spectrum, near: near-end power. */
static inline __attribute__((always_inline)) void update_bin(cv_kalman *kalman, const cv_far_spectra *far,
                                                             size_t k, float er, float ei, float near) {
    size_t at = k * kalman->lanes, vectors = kalman->lanes / CV_LANES;
    const cv_vec *xr = (const cv_vec *)(far->xr + at), *xi = (const cv_vec *)(far->xi + at);
    const cv_vec *wr = (const cv_vec *)(kalman->wr + at), *wi = (const cv_vec *)(kalman->wi + at);
    cv_vec *spread = (cv_vec *)(kalman->spread + at);
    cv_vec *gr = (cv_vec *)(kalman->gr + at), *gi = (cv_vec *)(kalman->gi + at);
    cv_vec unsure = {0}, taps = {0};
    for (size_t v = 0; v < vectors; v++) {
        unsure += spread[v] * (xr[v] * xr[v] + xi[v] * xi[v]);
        taps += wr[v] * wr[v] + wi[v] * wi[v];
    }
    /* half: 160 of the 320 samples are new (R / M in Kuech et al.) */
    float residual = 0.5f * sum_of(&unsure);
    kalman->echo_psd[k] = residual;
    float inv = 0.5f / (residual + near + CV_TINY), wander = kalman->config.wander;
    /* a path may also begin to wander where it was silent: each lane gets a share of the mean */
    float fresh = wander * sum_of(&taps) * kalman->config.elsewhere / (float)kalman->lanes;
    for (size_t v = 0; v < vectors; v++) {
        cv_vec step = spread[v] * inv;
        cv_vec power = xr[v] * xr[v] + xi[v] * xi[v];
        gr[v] = step * (xr[v] * er + xi[v] * ei);
        gi[v] = step * (xr[v] * ei - xi[v] * er);
        spread[v] = (1.0f - 0.5f * step * power) * spread[v] + wander * (wr[v] * wr[v] + wi[v] * wi[v]) + fresh;
    }
}

CV_SIMD void cv_kalman_update(cv_kalman *kalman, const cv_far_spectra *far, const float *error) {
    float er[CV_BINS], ei[CV_BINS], time[CV_FFT_SIZE];
    size_t lanes = kalman->lanes;
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
        cv_fft_constrain_lanes(kalman->fft, kalman->gr + m, kalman->gi + m, kalman->wr + m, kalman->wi + m, lanes);
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
            row[p] = from >= 0 && from < (int)partitions ? spread[from] : spread_at_start(kalman, first + p);
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
