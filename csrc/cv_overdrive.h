/* cv_overdrive.h - a loudspeaker that clips: what is cut off, as a second input of the echo filter.
 *
 * Hammerstein model: a static curve before a linear path. The far end x is split at a level c into the clipped
 * and the excess x - clip(x, c), which gets a filter W of its own; a loudspeaker that clips at c makes it the
 * linear path's negative, one that only saturates something less. c itself is learned by a scalar Kalman filter
 * from the slope of the echo estimate on it, d/dc = -W * (sign(x) where |x| > c), after the adaptive
 * preprocessor of A. Stenger, W. Kellermann, "Adaptation of a memoryless preprocessor for nonlinear acoustic
 * echo cancelling", Signal Processing 80 (2000), section 3.
 */
#ifndef CV_OVERDRIVE_H
#define CV_OVERDRIVE_H

#include "cv_base.h"
#include "cv_fft.h"
#include "cv_kalman.h"

typedef struct {
    const cv_fft *fft;
    float level;          /* c, amplitude */
    float variance;       /* of c */
    float far_power;      /* mean square of the far end while it sounds */
    uint32_t heard;       /* frames of it */
    cv_far_spectra slope; /* sign(x) where |x| > c */
} cv_overdrive;

void cv_overdrive_carve(cv_overdrive *overdrive, cv_arena *arena, size_t partitions);
void cv_overdrive_reset(cv_overdrive *overdrive, const cv_fft *fft);
/* Take in the present frame's power. */
void cv_overdrive_hear(cv_overdrive *overdrive, const float *frame);
/* Spectrum of the excess in a window of 320 aligned samples; remembers that of the slope. */
void cv_overdrive_split(cv_overdrive *overdrive, const float *window, float *re, float *im);
/* Move c by what is left of the microphone; filter's lanes from `first` on are the excess's. */
void cv_overdrive_learn(cv_overdrive *overdrive, const cv_kalman *filter, size_t first, const float *left);

#endif
