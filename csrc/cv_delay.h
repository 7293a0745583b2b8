/* cv_delay.h - where in the last 300 ms of the far end the echo of the near end lies.
 *
 * Block-wise generalized cross-correlation (C. Knapp, G. Carter, "The generalized correlation method
 * for estimation of time delay", IEEE Trans. ASSP 24, 1976) with smoothed-coherence weighting (SCOT):
 * the cross spectrum of the near-end frame with each of the last far-end frames is averaged over time,
 * divided by both power spectra and transformed back. A part of the lags is searched in each frame.
 */
#ifndef CV_DELAY_H
#define CV_DELAY_H

#include <stdbool.h>

#include "cv_base.h"
#include "cv_fft.h"

typedef struct {
    const cv_fft *fft;
    size_t lanes;    /* far-end frames searched, a multiple of CV_LANES */
    float *xr, *xi;  /* far-end spectra, [bin][lane], newest first */
    float *cr, *ci;  /* averaged cross spectra, [bin][lane] */
    float *sr, *si;  /* weighted spectra of CV_LANES lanes: scratch */
    float *lags;     /* their correlations: scratch */
    float *far_psd, *near_psd, *weight;
    uint32_t heard;  /* frames averaged so far */
    size_t group;    /* lanes searched next */
    float energy;    /* of the lags searched so far in this scan */
    float peak;
    int peak_lag;
    int lag;          /* result of the last whole scan, samples */
    float confidence; /* its peak over the rms of all lags */
} cv_delay;

void cv_delay_carve(cv_delay *delay, cv_arena *arena, size_t max_delay);
void cv_delay_init(cv_delay *delay, const cv_fft *fft);
void cv_delay_reset(cv_delay *delay);
/* far: spectrum of the newest 320 far-end samples; near: spectrum of 160 zeros and the newest 160
 * near-end samples. Returns true when a scan over all lags has ended with this frame. */
bool cv_delay_process(cv_delay *delay, const float *far_re, const float *far_im, const float *near_re,
                      const float *near_im);

#endif
