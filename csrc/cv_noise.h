/* cv_noise.h - power spectrum of the cabin noise, tracked also while someone speaks.
 *
 * T. Gerkmann, R. Hendriks, "Unbiased MMSE-based noise power estimation with low complexity and low
 * tracking delay", IEEE Trans. ASLP 20 (2012), algorithm 1: the speech presence probability of a fixed
 * prior SNR decides per bin how much of the present power counts as noise.
 */
#ifndef CV_NOISE_H
#define CV_NOISE_H

#include "cv_base.h"

typedef struct {
    float psd[CV_BINS];      /* the estimate */
    float presence[CV_BINS]; /* speech presence probability of the last frame */
    float habit[CV_BINS];    /* the same, smoothed: tells a rise of the noise from speech */
    float mean[CV_BINS];     /* of the last 100 ms, while the noise is not known yet */
    uint32_t frames, clean_frames; /* up to 10: heard so far, and those of them without echo */
} cv_noise;

void cv_noise_reset(cv_noise *noise);
/* power: |spectrum|^2 of the present frame; echo: power in it that is residual echo and not noise. */
void cv_noise_process(cv_noise *noise, const float *power, const float *echo);

#endif
