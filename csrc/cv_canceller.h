/* cv_canceller.h - linear echo canceller of one microphone: two Kalman filters over one far end.
 *
 * The deep filter believes that the path hardly moves and reaches the lowest echo; the fast one follows
 * changes and drift. Each frame's output comes from the one with less left over, and when the fast one
 * has been better for a while the deep one takes over its state (a shadow filter: K. Ochiai, T. Araseki,
 * T. Ogihara, "Echo canceler with two echo path models", IEEE Trans. Comm. 25, 1977), which frees it
 * from lock-up after a change of the path. While the path keeps moving the deep filter believes in more change
 * of it. The filters learn from the microphone without its DC offset, which would leak into every bin; what is
 * handed on is the microphone itself less the echo.
 */
#ifndef CV_CANCELLER_H
#define CV_CANCELLER_H

#include "cv_base.h"
#include "cv_kalman.h"

typedef struct {
    float deep_wander, fast_wander; /* see cv_kalman_config; the deep filter's is the least */
    float noise_memory;
    float initial_spread;
    size_t doubted_from;
} cv_canceller_config;

typedef struct {
    cv_canceller_config config;
    cv_kalman deep, fast;
    float offset, offset_rate; /* mean of the microphone, and how fast it follows: at first as a plain mean */
    float near_power, deep_power, fast_power; /* smoothed, of the frames */
    float deep_long, fast_long;               /* the same over 100 ms */
    int choice;      /* 0 deep, 1 fast, 2 neither: the microphone itself */
    float fast_better_db; /* gathered evidence for the fast filter: dB summed over frames */
    float lag_shared, lag_size; /* smoothed: what deep leaves times what fast takes off beyond deep; this squared */
    float unrest;    /* 0..1: how much more than deep_wander the path is believed to change */
    int deep_better;      /* frames in a row */
    float echo[CV_FRAME];  /* what was subtracted */
    float left[CV_FRAME];  /* the microphone less its offset and that */
    float model[CV_FRAME]; /* what the better filter took for echo, subtracted or not */
} cv_canceller;

void cv_canceller_carve(cv_canceller *canceller, cv_arena *arena, size_t lanes);
void cv_canceller_init(cv_canceller *canceller, const cv_canceller_config *config, const cv_fft *fft);
/* error = near - canceller->echo. When active is 0 the far end is silent: near passes untouched. */
void cv_canceller_process(cv_canceller *canceller, const cv_far_spectra *far, int active, const float *near,
                          float *error);
/* The far end was moved by `move` samples (see cv_align_process). */
void cv_canceller_realign(cv_canceller *canceller, const cv_far_spectra *far, int move);
/* The filter whose echo was subtracted last; NULL if none. */
const cv_kalman *cv_canceller_filter(const cv_canceller *canceller);
/* Predicted power spectrum of the echo left in the output, by the filter that knows more of it. */
const float *cv_canceller_residual_psd(const cv_canceller *canceller);

#endif
