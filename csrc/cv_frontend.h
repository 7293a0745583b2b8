/* cv_frontend.h - the whole chain, one call per 10 ms frame.
 *
 *   far -> align -+
 *   near -> high-pass -> echo canceller -> spectrum -> residual echo + noise -> gains -> asr, vad
 *
 * asr carries the linear canceller's output with light suppression: least harm to recognition. vad
 * carries the fully suppressed signal. Both are delayed by cv_frontend_latency samples. With linear_only the
 * chain ends after the canceller: both outputs are its own, at once.
 */
#ifndef CV_FRONTEND_H
#define CV_FRONTEND_H

#include "cv_base.h"

enum { CV_MAX_MICS = 4 };

typedef struct {
    int mics;            /* 1..4 */
    int zones;           /* 1..4 seats to tell apart; counts from two microphones on */
    int far_channels;    /* 1..2 */
    int partitions;      /* length of the echo filter in frames, a multiple of 8 up to 32 */
    int max_delay;       /* samples of delay searched; 0: none */
    int delay;           /* samples of delay known beforehand */
    float highpass_hz;   /* 0: off */
    int cancel_echo, suppress_echo, suppress_noise, control_gain, follow_drift, overdrive, comfort_noise, linear_only;
    float deep_wander, fast_wander, noise_memory, initial_spread;
    float asr_echo_share, asr_noise_share; /* 0..1: how much of the suppression the asr output takes */
    float echo_floor, noise_floor;         /* least gains of the vad output, linear */
    float over_subtraction;                /* factor on the residual echo estimate */
    float target_db, most_gain_db, least_gain_db;
} cv_frontend_config;

typedef struct {
    float asr[CV_FRAME], vad[CV_FRAME];
    float speech;   /* probability */
    float level_db; /* of the microphone, dBFS */
    float erle_db;  /* microphone over linear canceller output, smoothed; 0 while the far end is silent */
    int far_active;
    int zone;       /* index, -1 unknown */
    int bad_samples; /* not finite or out of range, replaced */
} cv_frontend_output;

typedef struct cv_frontend cv_frontend;

/* NULL if the configuration can be used, else what is wrong with it. */
const char *cv_frontend_check(const cv_frontend_config *config);
size_t cv_frontend_size(const cv_frontend_config *config);
/* memory: cv_frontend_size bytes, aligned to CV_ALIGNMENT. */
cv_frontend *cv_frontend_init(void *memory, const cv_frontend_config *config);
void cv_frontend_reset(cv_frontend *frontend);
int cv_frontend_latency(const cv_frontend *frontend);
/* Beams from the microphones to the zones, each [zone][mic][161]: see cv_beamformer.h. Needed before the
 * first frame when there are two microphones or more. */
void cv_frontend_aim(cv_frontend *frontend, const float *steer_re, const float *steer_im, const float *weight_re,
                     const float *weight_im);
/* near: [mic][160]; far: [channel][160] or NULL for silence. */
void cv_frontend_process(cv_frontend *frontend, const float *near, const float *far, cv_frontend_output *out);
/* What the voice activity network saw of the last frame, CV_VAD_INPUTS floats (cv_vad_features.h): for its
 * training. */
const float *cv_frontend_voice_inputs(const cv_frontend *frontend);
/* Present state of the alignment, for reports. */
float cv_frontend_delay(const cv_frontend *frontend);
float cv_frontend_drift_ppm(const cv_frontend *frontend);

#endif
