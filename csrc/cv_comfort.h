/* cv_comfort.h - comfort noise: where suppression cuts deeper than the cabin's noise, noise of the same power
 * spectrum fills up, so that the background does not pump with the echo (ITU-T G.168, annex on comfort noise;
 * the random spectrum is that of WebRTC's AEC3, comfort_noise_generator).
 */
#ifndef CV_COMFORT_H
#define CV_COMFORT_H

#include "cv_base.h"

typedef struct {
    uint32_t random;
} cv_comfort;

void cv_comfort_reset(cv_comfort *comfort);
/* Add to the spectrum (re, im), already weighted by gain, what is missing to `level` times the noise.
 * noise: power spectrum of the cabin; level: amplitude share of it that should be heard, 0..1. */
void cv_comfort_process(cv_comfort *comfort, const float *noise, const float *gain, float level, float *re,
                        float *im);

#endif
