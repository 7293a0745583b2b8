#include "cv_overdrive.h"

#include <math.h>

enum { FIRST_FRAMES = 50 };  /* before the far end's loudness is known */
#define FAR_SILENCE 1e-6f
#define LOUDNESS_RATE 0.002f
#define LEVEL_AT_START 2.0f  /* in multiples of the far end's RMS */
#define LEVEL_LEAST 0.3f
#define LEVEL_MOST 10.0f
#define LEVEL_WANDER 0.005f   /* by which share c is believed to change per frame, RMS */
#define BEND_MOST 0.5f
#define BEND_WANDER 0.001f

void cv_overdrive_carve(cv_overdrive *overdrive, cv_arena *arena, size_t partitions) {
    cv_far_spectra_carve(&overdrive->level.slope, arena, 1, partitions);
    cv_far_spectra_carve(&overdrive->bend.slope, arena, 1, partitions);
}

void cv_overdrive_reset(cv_overdrive *overdrive, const cv_fft *fft) {
    overdrive->fft = fft;
    overdrive->level.value = 1.0f;
    overdrive->bend.value = 0.0f;
    overdrive->level.variance = overdrive->bend.variance = 0.0f;
    overdrive->far_power = 0.0f;
    overdrive->heard = 0;
    cv_far_spectra_reset(&overdrive->level.slope);
    cv_far_spectra_reset(&overdrive->bend.slope);
}

void cv_overdrive_hear(cv_overdrive *overdrive, const float *frame) {
    float power = 0.0f;
    for (int i = 0; i < CV_FRAME; i++) power += frame[i] * frame[i];
    power /= CV_FRAME;
    if (power < FAR_SILENCE) return;
    if (overdrive->heard < 1u << 20) overdrive->heard++;
    float rate = 1.0f / (float)overdrive->heard;
    overdrive->far_power += (rate > LOUDNESS_RATE ? rate : LOUDNESS_RATE) * (power - overdrive->far_power);
    if (overdrive->heard < FIRST_FRAMES) overdrive->level.value = LEVEL_AT_START * sqrtf(overdrive->far_power);
}

void cv_overdrive_split(cv_overdrive *overdrive, const float *window, float *re, float *im) {
    float changed[CV_FFT_SIZE], beyond[CV_FFT_SIZE], size[CV_FFT_SIZE], slope_re[CV_BINS], slope_im[CV_BINS];
    float level = overdrive->level.value, bend = overdrive->bend.value;
    for (int i = 0; i < CV_FFT_SIZE; i++) {
        float x = window[i], excess = x > level ? x - level : x < -level ? x + level : 0.0f;
        size[i] = fabsf(x);
        changed[i] = excess + bend * size[i];
        beyond[i] = x > level ? 1.0f : x < -level ? -1.0f : 0.0f;
    }
    cv_fft_forward(overdrive->fft, changed, re, im);
    cv_fft_forward(overdrive->fft, beyond, slope_re, slope_im);
    cv_far_spectra_push(&overdrive->level.slope, slope_re, slope_im);
    cv_fft_forward(overdrive->fft, size, slope_re, slope_im);
    cv_far_spectra_push(&overdrive->bend.slope, slope_re, slope_im);
}

/* Kalman step of one number, within least and most; sign: of its slope. */
static inline __attribute__((always_inline)) void learn(const cv_fft *fft, cv_curve_number *number,
                                                        const cv_kalman *filter, size_t first, const float *left,
                                                        float sign, float wander, float least, float most) {
    float yr[CV_BINS], yi[CV_BINS], time[CV_FFT_SIZE];
    const cv_far_spectra *slope = &number->slope;
    for (size_t k = 0; k < CV_BINS; k++) {
        const float *xr = slope->xr + k * slope->lanes, *xi = slope->xi + k * slope->lanes;
        const float *wr = filter->wr + k * filter->lanes + first, *wi = filter->wi + k * filter->lanes + first;
        float sr = 0.0f, si = 0.0f;
        for (size_t m = 0; m < slope->lanes; m++) {
            sr += xr[m] * wr[m] - xi[m] * wi[m];
            si += xr[m] * wi[m] + xi[m] * wr[m];
        }
        yr[k] = sign * sr;
        yi[k] = sign * si;
    }
    cv_fft_inverse(fft, yr, yi, time);
    float both = 0.0f, slopes = 0.0f, rest = 1e-12f;
    for (int i = 0; i < CV_FRAME; i++) {
        float s = time[CV_FRAME + i];
        both += left[i] * s;
        slopes += s * s;
        rest += left[i] * left[i];
    }
    float variance = number->variance + wander * wander;
    float gain = variance / (variance * slopes + rest);
    float value = number->value + gain * both;
    value = value > least ? value : least;
    number->value = value < most ? value : most;
    number->variance = (1.0f - gain * slopes) * variance;
}

CV_SIMD void cv_overdrive_learn(cv_overdrive *overdrive, const cv_kalman *filter, size_t first,
                                const float *left) {
    if (overdrive->heard < FIRST_FRAMES) return;
    float loudness = sqrtf(overdrive->far_power);
    learn(overdrive->fft, &overdrive->level, filter, first, left, -1.0f, LEVEL_WANDER * overdrive->level.value,
          LEVEL_LEAST * loudness, LEVEL_MOST * loudness);
    learn(overdrive->fft, &overdrive->bend, filter, first, left, 1.0f, BEND_WANDER, -BEND_MOST, BEND_MOST);
}
