/* cv_overdrive.h - a loudspeaker that clips or saturates: what it changes, as a second input of the echo filter.
 *
 * Hammerstein model: a static curve before a linear path. The second input, with a filter W of its own, is
 *     e(x) = x - clip(x, c) + b |x|,
 * what exceeds a level c, and how much the curve differs between the cone's way out and in. A loudspeaker that
 * clips at c makes W the linear path's negative, one that only saturates something less. c and b are learned by
 * scalar Kalman filters from the slopes of the echo estimate on them, -W * (sign(x) where |x| > c) and W * |x|,
 * after the adaptive preprocessor of A. Stenger, W. Kellermann, "Adaptation of a memoryless preprocessor for
 * nonlinear acoustic echo cancelling", Signal Processing 80 (2000), section 3.
 */
#ifndef CV_OVERDRIVE_H
#define CV_OVERDRIVE_H

#include "cv_base.h"
#include "cv_fft.h"
#include "cv_kalman.h"

/* A number learned from the slope of the echo estimate on it. */
typedef struct {
    float value, variance;
    cv_far_spectra slope; /* what W turns into the slope */
} cv_curve_number;

typedef struct {
    const cv_fft *fft;
    cv_curve_number level; /* c, amplitude; slope: sign(x) where |x| > c */
    cv_curve_number bend;  /* b; slope: |x| */
    float far_power;       /* mean square of the far end while it sounds */
    uint32_t heard;        /* frames of it */
} cv_overdrive;

void cv_overdrive_carve(cv_overdrive *overdrive, cv_arena *arena, size_t partitions);
void cv_overdrive_reset(cv_overdrive *overdrive, const cv_fft *fft);
/* Take in the present frame's power. */
void cv_overdrive_hear(cv_overdrive *overdrive, const float *frame);
/* Spectrum of e in a window of 320 aligned samples; remembers those of the slopes. */
void cv_overdrive_split(cv_overdrive *overdrive, const float *window, float *re, float *im);
/* Move c and b by what is left of the microphone; filter's lanes from `first` on are e's. */
void cv_overdrive_learn(cv_overdrive *overdrive, const cv_kalman *filter, size_t first, const float *left);

#endif
