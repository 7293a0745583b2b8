/* cv_drift.h - clock drift between loudspeaker and microphone, from how the echo filter's taps wander.
 *
 * Two snapshots of the weights half a second apart differ, under drift, by a delay: the slope of the phase
 * of their cross spectrum (D. Pawig, G. Enzner, P. Vary, "Adaptive sampling rate correction for acoustic
 * echo control in Voice-over-IP", IEEE Trans. SP 58, 2010, sec. III, with the filter in place of the
 * signals, so that a talker does not disturb the estimate).
 */
#ifndef CV_DRIFT_H
#define CV_DRIFT_H

#include "cv_base.h"
#include "cv_kalman.h"

typedef struct {
    size_t lanes;
    float *wr, *wi;  /* snapshot of the weights */
    int frames;      /* since it was taken, -1: there is none */
} cv_drift;

void cv_drift_carve(cv_drift *drift, cv_arena *arena, size_t lanes);
void cv_drift_reset(cv_drift *drift);
/* One frame in which the filter learned. Returns the drift seen, in samples per sample (positive: the
 * echo comes later and later); 0 while there is nothing to say. */
float cv_drift_process(cv_drift *drift, const cv_kalman *kalman);

#endif
