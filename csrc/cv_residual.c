#include "cv_residual.h"

#include <string.h>

enum { WINDOW_FRAMES = 100 };
#define MEMORY 0.8f
#define MIN_BIAS 2.5f      /* the minimum of a smoothed ratio lies below its mean */
#define LEAK_AT_START 0.1f
#define LEAK_MOST 1.0f
#define ECHO_LEAST 1e-7f   /* echo-estimate power below which the ratio says nothing */
#define TAIL 0.7f
#define INAUDIBLE 1e-8f     /* below -100 dBFS there is nothing left to suppress */

void cv_residual_reset(cv_residual *residual) {
    memset(residual, 0, sizeof *residual);
    for (size_t k = 0; k < CV_BINS; k++) {
        residual->leak[k] = LEAK_AT_START;
        residual->window_min[k] = residual->last_min[k] = LEAK_AT_START / MIN_BIAS;
    }
}

CV_SIMD void cv_residual_process(cv_residual *residual, const float *error, const float *echo,
                                 const float *unsure) {
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
            float ratio = residual->error_psd[k] / (residual->echo_psd[k] + ECHO_LEAST);
            float least = residual->window_min[k] < ratio ? residual->window_min[k] : ratio;
            float wanted = MIN_BIAS * (least < residual->last_min[k] ? least : residual->last_min[k]);
            wanted = wanted < LEAK_MOST ? wanted : LEAK_MOST;
            residual->leak[k] += 0.1f * (wanted - residual->leak[k]);
            residual->last_min[k] = turn ? least : residual->last_min[k];
            residual->window_min[k] = turn ? ratio : least;
        }
    }
    for (size_t k = 0; k < CV_BINS; k++) {
        float leak = residual->leak[k] * (echo[k] > residual->echo_psd[k] ? echo[k] : residual->echo_psd[k]);
        float now = leak > unsure[k] ? leak : unsure[k];
        float tail = TAIL * residual->tail[k];
        residual->tail[k] = now > tail ? now : tail;
        if (residual->tail[k] < INAUDIBLE) residual->tail[k] = 0.0f;
        residual->psd[k] = residual->tail[k];
    }
}
