#include "cv_vad_features.h"

#include <math.h>

enum {
    SLOW_FRAMES = 100,
    FAR_FRAMES = 300,
    LAST_BIN = 80,       /* 4 kHz: harmonics above are blurred */
    SHORTEST_LAG = 40,   /* 400 Hz */
    LONGEST_LAG = 160,   /* 100 Hz */
};
#define INAUDIBLE 1e-8f  /* power of a bin at -102 dBFS of white noise */
#define HEARD_ECHO 1.6f  /* factor on the residual echo: less than for suppression */
#define LEAST_RATIO (-3.0f)
#define MOST_RATIO 7.0f

static const uint8_t edges[CV_VAD_BANDS + 1] = {2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                                13, 14, 15, 16, 17, 18, 21, 24, 27, 31, 35,
                                                40, 46, 52, 60, 68, 78, 89, 102, 116, 133, 152};

void cv_vad_features_reset(cv_vad_features *features) {
    features->level = 0.0f;
    features->frames = features->far_frames = 0;
}

static inline float limit(float x, float least, float most) {
    return x < least ? least : x > most ? most : x;
}

/* Highest autocorrelation of the frame, spectrum compressed and interference taken off, over that at lag 0. */
static float periodicity(const cv_fft *fft, const float *power, const float *interference) {
    float re[CV_BINS] = {0}, im[CV_BINS] = {0}, correlation[CV_FFT_SIZE];
    for (int k = 2; k <= LAST_BIN; k++) {
        float above = power[k] - interference[k];
        re[k] = sqrtf(above > 0.0f ? above : 0.0f);
    }
    cv_fft_inverse(fft, re, im, correlation);
    float highest = 0.0f;
    for (int lag = SHORTEST_LAG; lag <= LONGEST_LAG; lag++)
        highest = correlation[lag] > highest ? correlation[lag] : highest;
    return highest / (correlation[0] + INAUDIBLE);
}

CV_SIMD void cv_vad_features_process(cv_vad_features *features, const cv_fft *fft, const cv_vad_frame *frame,
                                     float inputs[CV_VAD_INPUTS]) {
    float interference[CV_BINS], power[CV_VAD_BANDS], ratio[CV_VAD_BANDS];
    float echo = 0.0f, all = INAUDIBLE, mean = 0.0f;
    for (int k = 0; k < CV_BINS; k++) interference[k] = HEARD_ECHO * frame->residual[k] + frame->noise[k];
    for (int b = 0; b < CV_VAD_BANDS; b++) {
        float sum = 0.0f, against = 0.0f, left = 0.0f;
        for (int k = edges[b]; k < edges[b + 1]; k++) {
            sum += frame->power[k];
            against += interference[k];
            left += frame->residual[k];
        }
        float width = (float)(edges[b + 1] - edges[b]);
        power[b] = sum / width + INAUDIBLE;
        ratio[b] = power[b] / (against / width + INAUDIBLE);
        echo += left;
        all += sum;
    }
    for (int b = 0; b < CV_VAD_BANDS; b++) {
        inputs[b] = logf(power[b]);
        inputs[CV_VAD_BANDS + b] = limit(logf(ratio[b]), LEAST_RATIO, MOST_RATIO);
    }
    for (int b = 0; b < CV_VAD_BANDS; b++) mean += inputs[b] / CV_VAD_BANDS;
    if (features->frames < SLOW_FRAMES) features->frames++;
    features->level += (mean - features->level) / (float)features->frames;
    for (int b = 0; b < CV_VAD_BANDS; b++) inputs[b] -= features->level;
    if (frame->far_active && features->far_frames < FAR_FRAMES) features->far_frames++;
    float *whole = inputs + 2 * CV_VAD_BANDS;
    whole[0] = periodicity(fft, frame->power, interference);
    whole[1] = limit(echo / all, 0.0f, 1.0f);
    whole[2] = frame->far_active ? 1.0f : 0.0f;
    whole[3] = limit(frame->erle_db / 20.0f, -1.0f, 2.0f);
    whole[4] = frame->far_active ? limit(2.0f + log10f(frame->far_power + 1e-8f) / 4.0f, 0.0f, 2.0f) : 0.0f;
    whole[5] = (float)features->far_frames / FAR_FRAMES;
}
