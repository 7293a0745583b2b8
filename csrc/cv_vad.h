/* cv_vad.h - probability that someone in the cabin speaks.
 *
 * Likelihood ratio over the speech band (J. Sohn, N. Kim, W. Sung, "A statistical model-based voice
 * activity detection", IEEE Signal Processing Letters 6, 1999, eq. 5), with a rise and a fall time.
 */
#ifndef CV_VAD_H
#define CV_VAD_H

#include "cv_base.h"

typedef struct {
    float past[2];     /* log likelihood ratios of the last frames */
    float evidence;    /* smoothed mean log likelihood ratio */
    float probability; /* 0..1 */
} cv_vad;

void cv_vad_reset(cv_vad *vad);
/* power: |spectrum|^2; interference: noise plus echo; prior: a-priori SNR. Returns the probability. */
float cv_vad_process(cv_vad *vad, const float *power, const float *interference, const float *prior);

#endif
