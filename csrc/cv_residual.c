#include "cv_residual.h"

#include <math.h>
#include <string.h>

enum { WINDOW_FRAMES = 100 };
#define MEMORY 0.8f
#define MIN_BIAS 2.5f      /* the minimum of a smoothed ratio lies below its mean */
#define REST_LEAST 0.1f    /* of the residual that is not put down to noise, at least */
#define LEAK_AT_START 0.1f
#define LEAK_MOST 2.0f
#define ECHO_LEAST 1e-7f   /* echo-estimate power below which the ratio says nothing */
#define REGRESSION_RATE 0.04f
#define UNRELATED 0.5f     /* correlation up to which residual and echo count as unrelated */
#define RELATED 0.8f
#define TAIL 0.7f
#define INAUDIBLE 1e-8f     /* below -100 dBFS there is nothing left to suppress */

void cv_residual_reset(cv_residual *residual) {
    memset(residual, 0, sizeof *residual);
    for (size_t k = 0; k < CV_BINS; k++) {
        residual->leak[k] = LEAK_AT_START;
        residual->window_min[k] = residual->last_min[k] = LEAK_AT_START / MIN_BIAS;
    }
}

/* Regression of residual on echo-estimate power, per band. Returns the leak of each band. */
static void regress(cv_residual *residual, const float *error, const float *echo, float *leak) {
    float shared = 0.0f, all = 1e-30f;
    for (size_t b = 0; b < CV_LEAK_BANDS; b++) {
        float e = 0.0f, y = 0.0f;
        for (size_t k = b * 8; k < b * 8 + 8; k++) {
            e += error[k];
            y += echo[k];
        }
        float de = e - residual->mean_error[b], dy = y - residual->mean_echo[b];
        residual->mean_error[b] += REGRESSION_RATE * de;
        residual->mean_echo[b] += REGRESSION_RATE * dy;
        residual->covariance[b] += REGRESSION_RATE * (de * dy - residual->covariance[b]);
        residual->variance[b] += REGRESSION_RATE * (dy * dy - residual->variance[b]);
        residual->error_variance[b] += REGRESSION_RATE * (de * de - residual->error_variance[b]);
        float covariance = residual->covariance[b] > 0.0f ? residual->covariance[b] : 0.0f;
        leak[b] = covariance / (residual->variance[b] + 1e-12f);
        shared += sqrtf(covariance);
        all += sqrtf(sqrtf(residual->variance[b] * residual->error_variance[b]));
    }
    float correlation = shared * shared / (all * all);
    float together = (correlation - UNRELATED) / (RELATED - UNRELATED);
    residual->together = together < 0.0f ? 0.0f : together > 1.0f ? 1.0f : together;
    for (size_t b = 0; b < CV_LEAK_BANDS; b++) {
        leak[b] *= residual->together;
        leak[b] = leak[b] < LEAK_MOST ? leak[b] : LEAK_MOST;
    }
}

CV_SIMD void cv_residual_process(cv_residual *residual, const float *error, const float *echo,
                                 const float *unsure, const float *noise) {
    float loudest = 0.0f;
    for (size_t k = 0; k < CV_BINS; k++) {
        residual->error_psd[k] = MEMORY * residual->error_psd[k] + (1.0f - MEMORY) * error[k];
        residual->echo_psd[k] = MEMORY * residual->echo_psd[k] + (1.0f - MEMORY) * echo[k];
        loudest = residual->echo_psd[k] > loudest ? residual->echo_psd[k] : loudest;
    }
    if (loudest > ECHO_LEAST * CV_FFT_SIZE) {
        int turn = ++residual->frames >= WINDOW_FRAMES;
        if (turn) residual->frames = 0;
        for (size_t k = 0; k < CV_BINS; k++) {
            float rest = residual->error_psd[k] - noise[k], least_rest = REST_LEAST * residual->error_psd[k];
            float ratio = (rest > least_rest ? rest : least_rest) / (residual->echo_psd[k] + ECHO_LEAST);
            float least = residual->window_min[k] < ratio ? residual->window_min[k] : ratio;
            float wanted = MIN_BIAS * (least < residual->last_min[k] ? least : residual->last_min[k]);
            wanted = wanted < LEAK_MOST ? wanted : LEAK_MOST;
            residual->leak[k] += 0.1f * (wanted - residual->leak[k]);
            residual->last_min[k] = turn ? least : residual->last_min[k];
            residual->window_min[k] = turn ? ratio : least;
        }
    }
    float band_leak[CV_LEAK_BANDS];
    regress(residual, error, echo, band_leak);
    for (size_t k = 0; k < CV_BINS; k++) {
        float share = band_leak[k / 8 < CV_LEAK_BANDS ? k / 8 : CV_LEAK_BANDS - 1];
        share = share > residual->leak[k] ? share : residual->leak[k];
        float leak = share * (echo[k] > residual->echo_psd[k] ? echo[k] : residual->echo_psd[k]);
        float now = leak > unsure[k] ? leak : unsure[k];
        float tail = TAIL * residual->tail[k];
        residual->tail[k] = now > tail ? now : tail;
        if (residual->tail[k] < INAUDIBLE) residual->tail[k] = 0.0f;
        residual->psd[k] = residual->tail[k];
    }
}
