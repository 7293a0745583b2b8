/* cv_highpass.h - second-order Butterworth high-pass, transposed direct form II.
 *
 * Coefficients: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients".
 */
#ifndef CV_HIGHPASS_H
#define CV_HIGHPASS_H

#include "cv_base.h"

typedef struct {
    float b0, b1, b2, a1, a2;
    float s1, s2;
} cv_highpass;

void cv_highpass_init(cv_highpass *filter, float cutoff_hz);
void cv_highpass_reset(cv_highpass *filter);
void cv_highpass_process(cv_highpass *filter, float *frame, size_t count); /* in place */

#endif
