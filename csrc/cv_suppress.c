#include "cv_suppress.h"

#include <string.h>

#define MEMORY 0.96f
#define TINY 1e-12f

void cv_suppress_reset(cv_suppress *suppress) {
    memset(suppress, 0, sizeof *suppress);
    for (size_t k = 0; k < CV_BINS; k++) suppress->gain[k] = 1.0f;
}

CV_SIMD void cv_suppress_process(cv_suppress *suppress, const float *power, const float *interference,
                                 const float *floor) {
    for (size_t k = 0; k < CV_BINS; k++) {
        float inv = 1.0f / (interference[k] + TINY);
        float excess = power[k] * inv - 1.0f;
        float prior = MEMORY * suppress->speech[k] * inv + (1.0f - MEMORY) * (excess > 0.0f ? excess : 0.0f);
        float gain = prior / (1.0f + prior);
        suppress->prior[k] = prior;
        suppress->speech[k] = gain * gain * power[k];
        gain = gain > floor[k] ? gain : floor[k];
        suppress->gain[k] = interference[k] > 0.0f ? gain : 1.0f;
    }
}
