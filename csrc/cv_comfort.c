#include "cv_comfort.h"

#include <math.h>

#define SPREAD 1.2247449f /* both parts uniform in +-sqrt(3/2): mean square 1 together */

void cv_comfort_reset(cv_comfort *comfort) {
    comfort->random = 2463534242u;
}

/* Uniform in -1..1: xorshift (G. Marsaglia, "Xorshift RNGs", J. Statistical Software 8, 2003). */
static float uniform(cv_comfort *comfort) {
    uint32_t x = comfort->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    comfort->random = x;
    return (float)(int32_t)x * (1.0f / 2147483648.0f);
}

void cv_comfort_process(cv_comfort *comfort, const float *noise, const float *gain, float level, float *re,
                        float *im) {
    for (int k = 1; k < CV_BINS - 1; k++) {
        float missing = level * level - gain[k] * gain[k];
        if (missing <= 0.0f) continue;
        float size = SPREAD * sqrtf(missing * noise[k]);
        re[k] += size * uniform(comfort);
        im[k] += size * uniform(comfort);
    }
}
