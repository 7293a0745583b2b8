/* cv_residual.h - power spectrum of the echo that the linear canceller leaves behind.
 *
 * The largest of three estimates per bin: what the Kalman filter knows it does not know (sum P |X|^2),
 * and two of the leak, echo that no linear filter reaches (overdriven loudspeaker, moving path):
 * - the least ratio of residual, noise taken off, to echo-estimate power seen over the last seconds of far-end sound, as in
 *   minimum statistics (R. Martin, IEEE Trans. SAP 9, 2001): a talker can only raise that ratio;
 * - the regression of residual power on echo-estimate power (J.-M. Valin, "On adjusting the learning rate
 *   in frequency domain echo cancellation with double-talk", IEEE Trans. ASLP 15, 2007, eq. 15), used as
 *   far as the two rise and fall together. It sees a changed echo path at once.
 */
#ifndef CV_RESIDUAL_H
#define CV_RESIDUAL_H

#include "cv_base.h"

enum { CV_LEAK_BANDS = 20 }; /* of 8 bins */

typedef struct {
    float psd[CV_BINS];      /* the estimate */
    float error_psd[CV_BINS], echo_psd[CV_BINS]; /* smoothed */
    float leak[CV_BINS];     /* residual over echo-estimate power */
    float window_min[CV_BINS], last_min[CV_BINS];
    float tail[CV_BINS];     /* echo power decaying after the far end */
    float mean_error[CV_LEAK_BANDS], mean_echo[CV_LEAK_BANDS];
    float covariance[CV_LEAK_BANDS], variance[CV_LEAK_BANDS], error_variance[CV_LEAK_BANDS];
    float together;          /* 0..1: how far residual and echo estimate rise and fall together */
    uint32_t frames;         /* into the present minimum window */
} cv_residual;

void cv_residual_reset(cv_residual *residual);
/* error, echo: |spectrum|^2 of the canceller's output and of its echo estimate;
 * unsure: the filter's own prediction of what is left; noise: the cabin's, as known so far. */
void cv_residual_process(cv_residual *residual, const float *error, const float *echo, const float *unsure,
                         const float *noise);

#endif
