/* cv_residual.h - power spectrum of the echo that the linear canceller leaves behind.
 *
 * The larger of two estimates per bin: what the Kalman filter knows it does not know (sum P |X|^2), and
 * the leak, echo that no linear filter reaches (overdriven loudspeaker, moving path). The leak is the
 * least ratio of residual to echo-estimate power seen over the last seconds of far-end sound, as in
 * minimum statistics (R. Martin, IEEE Trans. SAP 9, 2001): a talker can only raise that ratio.
 */
#ifndef CV_RESIDUAL_H
#define CV_RESIDUAL_H

#include "cv_base.h"

typedef struct {
    float psd[CV_BINS];      /* the estimate */
    float error_psd[CV_BINS], echo_psd[CV_BINS]; /* smoothed */
    float leak[CV_BINS];     /* residual over echo-estimate power */
    float window_min[CV_BINS], last_min[CV_BINS];
    float tail[CV_BINS];     /* echo power decaying after the far end */
    uint32_t frames;         /* into the present minimum window */
} cv_residual;

void cv_residual_reset(cv_residual *residual);
/* error, echo: |spectrum|^2 of the canceller's output and of its echo estimate;
 * unsure: the filter's own prediction of what is left. */
void cv_residual_process(cv_residual *residual, const float *error, const float *echo, const float *unsure);

#endif
