/* cv_kalman.h - partitioned-block frequency-domain Kalman filter for an acoustic echo path.
 *
 * State-space model per bin and partition m: W_m(n+1) = W_m(n) + process noise of power (1 - A^2) |W_m|^2,
 * with a diagonal covariance. (The papers also shrink W by A: that loses what speech does not refresh.)
 * G. Enzner, P. Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
 * telephones", Signal Processing 86 (2006), eqs. 24-30; F. Kuech, E. Mabande, G. Enzner, "State-space
 * architecture of the partitioned-block-based acoustic echo controller", ICASSP 2014, eqs. 9-16.
 * Lanes are partitions, for each far-end channel in turn; data are [bin][lane].
 */
#ifndef CV_KALMAN_H
#define CV_KALMAN_H

#include "cv_base.h"
#include "cv_fft.h"

#define CV_MAX_PARTITIONS 64

typedef struct {
    float wander;         /* how much of its power the path is believed to change per frame: 1 - A^2 */
    float elsewhere;      /* the same of the mean over all partitions: change where there was nothing */
    float noise_memory;   /* forgetting of the near-end power estimate, 0..1 */
    float initial_spread; /* state covariance at the start: |W|^2 expected per partition */
    size_t doubted_from;  /* lanes from here on may have no echo at all: they start with less of it */
} cv_kalman_config;

typedef struct {
    cv_kalman_config config;
    const cv_fft *fft;
    size_t lanes;
    float *wr, *wi;  /* weights */
    float *spread;   /* state covariance P */
    float *gr, *gi;  /* gradient, scratch */
    float *near_psd; /* smoothed |E|^2: near end and noise */
    float *echo_psd; /* predicted residual echo: sum P |X|^2 */
} cv_kalman;

/* Far-end spectra, newest first in each channel's lanes. */
typedef struct {
    size_t channels, partitions, lanes;
    size_t silent; /* frames in a row that were silent, up to partitions: then all the spectra are */
    float *xr, *xi; /* [bin][lane] */
} cv_far_spectra;

void cv_far_spectra_carve(cv_far_spectra *far, cv_arena *arena, size_t channels, size_t partitions);
void cv_far_spectra_reset(cv_far_spectra *far);
/* Age all spectra by one frame and put the new one (channels x 161) in front. */
void cv_far_spectra_push(cv_far_spectra *far, const float *re, const float *im);

void cv_kalman_carve(cv_kalman *kalman, cv_arena *arena, size_t lanes);
void cv_kalman_init(cv_kalman *kalman, const cv_kalman_config *config, const cv_fft *fft);
/* Echo estimate of the present frame: 160 samples. */
void cv_kalman_predict(cv_kalman *kalman, const cv_far_spectra *far, float *echo);
/* Learn from error = near - echo, 160 samples. */
void cv_kalman_update(cv_kalman *kalman, const cv_far_spectra *far, const float *error);
/* Take over another filter's weights and uncertainty. */
void cv_kalman_copy(cv_kalman *to, const cv_kalman *from);
/* Move the impulse response of each channel by shift samples (positive: later), filling with zeros. */
void cv_kalman_shift(cv_kalman *kalman, const cv_far_spectra *far, int shift);

#endif
