/* cv_vad.h - probability that someone in the cabin speaks.
 *
 * Likelihood ratio over the speech band (J. Sohn, N. Kim, W. Sung, "A statistical model-based voice
 * activity detection", IEEE Signal Processing Letters 6, 1999, eq. 5), with a rise and a fall time.
 *
 * Buffeting wind swings too fast for the noise estimate and would pass for speech for ever. But people
 * pause: what has not let up for 2.5 to 3 s, gaps of 150 ms aside, is the background, and only what stands
 * above it counts (minimum statistics, here of the evidence instead of the power).
 */
#ifndef CV_VAD_H
#define CV_VAD_H

#include "cv_base.h"

#include <stdint.h>

enum { CV_VAD_BLOCKS = 6, CV_VAD_BLOCK_FRAMES = 50, CV_VAD_HOLD_FRAMES = 15 };

typedef struct {
    float past[2];     /* log likelihood ratios of the last frames */
    float evidence;    /* smoothed mean log likelihood ratio */
    float probability; /* 0..1 */
    float slow;        /* evidence smoothed over gusts, about 120 ms */
    float recent[CV_VAD_HOLD_FRAMES];  /* its last values; their peak bridges gaps */
    float minima[CV_VAD_BLOCKS];       /* of that peak, by half seconds */
    float minimum;                     /* of the block begun */
    uint32_t frame;                    /* counts all frames, wraps */
} cv_vad;

void cv_vad_reset(cv_vad *vad);
/* power: |spectrum|^2; interference: noise plus echo; prior: a-priori SNR. Returns the probability. */
float cv_vad_process(cv_vad *vad, const float *power, const float *interference, const float *prior);

#endif
