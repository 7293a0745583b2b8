/* cv_align.h - the far end, delayed to where its echo is and resampled to the microphone's clock.
 *
 * Keeps the far end's past, moves the reading point when the delay estimate leaves the filter's reach,
 * and follows clock drift by reading at a fractional, slowly moving point (windowed-sinc interpolation,
 * J. Smith, "Digital audio resampling", CCRMA). Its output are the far-end spectra the filters use.
 */
#ifndef CV_ALIGN_H
#define CV_ALIGN_H

#include "cv_base.h"
#include "cv_delay.h"
#include "cv_fft.h"
#include "cv_kalman.h"
#include "cv_overdrive.h"

enum { CV_SINC_TAPS = 48, CV_SINC_PHASES = 64, CV_MAX_FAR_CHANNELS = 2, CV_MAX_INPUTS = 3 };

/* Bins from here on, 7.5 kHz, lie in the interpolator's transition: while it is at work, the far end there is
 * not to be trusted. */
enum { CV_REACHED_BINS = 150 };

typedef struct {
    size_t channels, partitions;
    size_t max_delay;  /* samples searched; 0: no search, the delay is known */
    size_t delay;      /* samples, where to start */
    int follow_drift;
    int overdrive;     /* give the excess of the first channel as one more (see cv_overdrive.h) */
} cv_align_config;

typedef struct {
    cv_align_config config;
    const cv_fft *fft;
    cv_delay search;
    cv_overdrive overdrive;
    cv_far_spectra spectra;
    float *history;    /* [channel][length], a ring */
    size_t length;     /* power of two */
    uint64_t written;  /* samples of each channel so far */
    double delay;      /* reading point behind the newest sample */
    double drift;      /* samples per sample that the delay grows */
    float drift_seen;  /* at the last call of cv_align_correct */
    float (*sinc)[CV_SINC_TAPS];
    float *window;     /* Hann, 320: the search must not see the edges of its blocks */
    float *aligned;    /* [channel][320]: the present and the former aligned frame */
    int candidate;     /* lag seen in the last scan */
    int agreed;        /* scans that agreed on it */
    int known;         /* a delay has been found */
} cv_align;

void cv_align_carve(cv_align *align, cv_arena *arena, const cv_align_config *config);
void cv_align_init(cv_align *align, const cv_align_config *config, const cv_fft *fft);
void cv_align_reset(cv_align *align);
/* Take in a far-end frame [channel][160] and the near-end frame; renew the spectra.
 * Returns by how many samples the far end was moved (positive: it now comes later, so filters must
 * shift their taps by the negative of it), usually 0. */
int cv_align_process(cv_align *align, const float *far, const float *near);
/* Correct the clock drift by what is still seen of it (see cv_drift.h). Returns a move, as above. */
int cv_align_correct(cv_align *align, float drift);
/* Whether the far end is being read between samples, and known below CV_REACHED_BINS only. */
int cv_align_interpolates(const cv_align *align);
/* Whether any far-end sound is within reach of the filters. */
int cv_align_active(const cv_align *align);

#endif
