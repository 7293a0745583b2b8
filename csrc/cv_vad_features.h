/* cv_vad_features.h - what the voice activity network sees of a frame, from what the chain has computed anyway.
 *
 * 32 bands, single bins of 50 Hz up to 850 Hz (harmonics of a voice stand apart there), wider ones above:
 *   0-31   log power over a slow mean of it: shape and course, whatever the gain
 *   32-63  log power over interference, noise and residual echo, in each band
 * and of the whole frame:
 *   64 periodicity 2.5-10 ms   65 share of residual echo   66 far end active
 *   67 ERLE   68 far-end level   69 how long the far end has been heard: the echo may not be known yet
 */
#ifndef CV_VAD_FEATURES_H
#define CV_VAD_FEATURES_H

#include "cv_base.h"
#include "cv_fft.h"

enum { CV_VAD_BANDS = 32, CV_VAD_INPUTS = 2 * CV_VAD_BANDS + 6 };

/* One frame as the chain knows it; the spectra are |.|^2 of 161 bins. */
typedef struct {
    const float *power;    /* of the canceller's output */
    const float *noise;    /* the cabin's, estimated */
    const float *residual; /* echo left over, estimated */
    int far_active;
    float far_power;       /* mean square of the far-end frame */
    float erle_db;
} cv_vad_frame;

typedef struct {
    float level;      /* slow mean of the log band powers */
    uint32_t frames;  /* heard, up to the memory of that mean */
    uint32_t far_frames; /* of far-end sound, up to 3 s */
} cv_vad_features;

void cv_vad_features_reset(cv_vad_features *features);
void cv_vad_features_process(cv_vad_features *features, const cv_fft *fft, const cv_vad_frame *frame,
                             float inputs[CV_VAD_INPUTS]);

#endif
