#include "cv_frontend.h"

#include <math.h>
#include <string.h>

#include "cv_align.h"
#include "cv_beamformer.h"
#include "cv_canceller.h"
#include "cv_comfort.h"
#include "cv_drift.h"
#include "cv_fft.h"
#include "cv_gain.h"
#include "cv_highpass.h"
#include "cv_noise.h"
#include "cv_residual.h"
#include "cv_suppress.h"
#include "cv_vad.h"
#include "cv_vad_features.h"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#define SAMPLE_MOST 16.0f /* 24 dB over full scale: more is not sound */
#define DRIFT_ERLE 4.0f  /* 6 dB */
#define HEARD_THROUGH 2.0f /* times the residual echo: from the power of what sounds on, that counts as all echo */
#define FAR_SILENCE 1e-7f /* mean square of a far-end frame that counts as silent: -70 dBFS */

struct cv_frontend {
    cv_frontend_config config;
    cv_fft fft;
    cv_highpass highpass[CV_MAX_MICS];
    cv_align align;
    cv_canceller canceller[CV_MAX_MICS];
    cv_drift drift;
    cv_beamformer beam;
    cv_residual residual;
    cv_noise noise;
    cv_suppress echo_gain, full_gain;
    cv_vad vad;
    cv_vad_features voice;
    float voice_inputs[CV_VAD_INPUTS];
    cv_gain gain;
    cv_comfort comfort;
    float window[CV_FFT_SIZE];
    float error_past[CV_MAX_MICS][CV_FRAME], echo_past[CV_FRAME]; /* first halves of the windows */
    float asr_tail[CV_FRAME], vad_tail[CV_FRAME];    /* to overlap-add with the next frame */
    int passed;                                      /* the last frame left its spectrum as it was, for asr */
    float mic_power, error_power;                    /* smoothed while the far end sounds */
    float far_power;                                 /* of the frame */
    int quiet_frames;                                /* of the far end */
    float near[CV_MAX_MICS * CV_FRAME], far[CV_MAX_FAR_CHANNELS * CV_FRAME];
    float error[CV_MAX_MICS][CV_FRAME];
};

const char *cv_frontend_check(const cv_frontend_config *c) {
    if (c->mics < 1 || c->mics > CV_MAX_MICS) return "mics must be 1 to 4";
    if (c->zones < 1 || c->zones > CV_MAX_ZONES) return "zones must be 1 to 4";
    if (c->far_channels < 1 || c->far_channels > CV_MAX_FAR_CHANNELS) return "far_channels must be 1 or 2";
    if (c->partitions < CV_LANES || c->partitions > 32 || c->partitions % CV_LANES)
        return "the echo filter must be 80 to 320 ms long, in steps of 80 ms";
    if (c->max_delay < 0 || c->max_delay > CV_RATE) return "the delay search must be 0 to 1000 ms";
    if (c->delay < 0 || c->delay > CV_RATE) return "the delay must be 0 to 1000 ms";
    if (!(c->highpass_hz >= 0.0f && c->highpass_hz <= 1000.0f)) return "the high-pass must be at 0 to 1000 Hz";
    if (c->overdrive && c->far_channels > 1) return "overdrive needs one far channel";
    return NULL;
}

/* Lanes of the echo filters. */
static size_t lanes(const cv_frontend_config *c) {
    return (size_t)((c->far_channels + (c->overdrive != 0)) * c->partitions);
}

static cv_align_config align_config(const cv_frontend_config *c) {
    cv_align_config align = {(size_t)c->far_channels, (size_t)c->partitions, (size_t)c->max_delay,
                             (size_t)c->delay, c->follow_drift, c->overdrive};
    return align;
}

/* Give each part its memory; returns the bytes used. With arena.base NULL it only counts. */
static size_t carve(cv_frontend *frontend, cv_arena arena, const cv_frontend_config *config) {
    cv_align_config align = align_config(config);
    cv_take(&arena, sizeof *frontend);
    cv_align_carve(&frontend->align, &arena, &align);
    cv_beamformer_carve(&frontend->beam, &arena, (size_t)config->mics, (size_t)config->zones);
    cv_drift_carve(&frontend->drift, &arena, (size_t)(config->far_channels * config->partitions));
    for (int m = 0; m < config->mics; m++)
        cv_canceller_carve(&frontend->canceller[m], &arena, lanes(config));
    return arena.used;
}

size_t cv_frontend_size(const cv_frontend_config *config) {
    cv_frontend counting;
    cv_arena nowhere = {NULL, 0};
    return carve(&counting, nowhere, config);
}

cv_frontend *cv_frontend_init(void *memory, const cv_frontend_config *config) {
    const double pi = 3.14159265358979323846;
    cv_frontend *frontend = memory;
    cv_arena arena = {memory, 0};
    carve(frontend, arena, config);
    frontend->config = *config;
    cv_fft_init(&frontend->fft);
    for (int i = 0; i < CV_FFT_SIZE; i++) /* square root of a periodic Hann window */
        frontend->window[i] = (float)sin(pi * (i + 0.5) / CV_FFT_SIZE);
    cv_frontend_reset(frontend);
    return frontend;
}

void cv_frontend_reset(cv_frontend *f) {
    const cv_frontend_config *c = &f->config;
    cv_align_config align = align_config(c);
    cv_canceller_config canceller = {c->deep_wander, c->fast_wander, c->noise_memory, c->initial_spread,
                                     (size_t)(c->far_channels * c->partitions)};
    cv_gain_config gain = {c->target_db, c->most_gain_db, c->least_gain_db};
    cv_align_init(&f->align, &align, &f->fft);
    for (int m = 0; m < c->mics; m++) {
        cv_canceller_init(&f->canceller[m], &canceller, &f->fft);
        cv_highpass_init(&f->highpass[m], c->highpass_hz > 0.0f ? c->highpass_hz : 1.0f);
    }
    cv_drift_reset(&f->drift);
    cv_beamformer_reset(&f->beam);
    cv_residual_reset(&f->residual);
    cv_noise_reset(&f->noise);
    cv_suppress_reset(&f->echo_gain);
    cv_suppress_reset(&f->full_gain);
    cv_vad_reset(&f->vad);
    cv_vad_features_reset(&f->voice);
    cv_gain_init(&f->gain, &gain);
    cv_comfort_reset(&f->comfort);
    memset(f->voice_inputs, 0, sizeof f->voice_inputs);
    memset(f->error_past, 0, sizeof f->error_past);
    memset(f->echo_past, 0, sizeof f->echo_past);
    memset(f->asr_tail, 0, sizeof f->asr_tail);
    memset(f->vad_tail, 0, sizeof f->vad_tail);
    f->passed = 0;
    f->mic_power = f->error_power = f->far_power = 0.0f;
    f->quiet_frames = 1 << 20;
}

int cv_frontend_latency(const cv_frontend *frontend) {
    return frontend->config.linear_only ? 0 : CV_FRAME;
}

void cv_frontend_aim(cv_frontend *frontend, const float *steer_re, const float *steer_im, const float *weight_re,
                     const float *weight_im) {
    cv_beamformer_aim(&frontend->beam, steer_re, steer_im, weight_re, weight_im);
}

const float *cv_frontend_voice_inputs(const cv_frontend *frontend) {
    return frontend->voice_inputs;
}

float cv_frontend_delay(const cv_frontend *frontend) {
    return (float)frontend->align.delay;
}

float cv_frontend_drift_ppm(const cv_frontend *frontend) {
    return (float)(frontend->align.drift * 1e6);
}

/* Copy, replacing what is not a number by silence and bounding the rest. */
static int sanitize(const float *from, float *to, size_t count) {
    int bad = 0;
    for (size_t i = 0; i < count; i++) {
        float x = from[i];
        int good = x >= -SAMPLE_MOST && x <= SAMPLE_MOST; /* false for NaN */
        to[i] = good ? x : 0.0f;
        bad += !good;
    }
    return bad;
}

static float mean_square(const float *x) {
    float sum = 0.0f;
    for (int i = 0; i < CV_FRAME; i++) sum += x[i] * x[i];
    return sum / CV_FRAME;
}

static float decibels(float power) {
    return 10.0f * log10f(power + 1e-12f);
}

/* Spectrum of the window over the past and present frame; past becomes present. */
static void analyse(const cv_frontend *f, float *past, const float *frame, float *re, float *im, float *power) {
    float time[CV_FFT_SIZE];
    for (int i = 0; i < CV_FRAME; i++) {
        time[i] = past[i] * f->window[i];
        time[CV_FRAME + i] = frame[i] * f->window[CV_FRAME + i];
    }
    memcpy(past, frame, CV_FRAME * sizeof(float));
    cv_fft_forward(&f->fft, time, re, im);
    for (int k = 0; k < CV_BINS; k++) power[k] = re[k] * re[k] + im[k] * im[k];
}

/* Weighted overlap-add of spectrum times gain; level: how much of the noise is to stay. */
static void synthesize(cv_frontend *f, const float *re, const float *im, const float *gain, float level,
                       float *tail, float *frame) {
    float gr[CV_BINS], gi[CV_BINS], time[CV_FFT_SIZE];
    for (int k = 0; k < CV_BINS; k++) {
        gr[k] = re[k] * gain[k];
        gi[k] = im[k] * gain[k];
    }
    if (f->config.comfort_noise) cv_comfort_process(&f->comfort, f->noise.psd, gain, level, gr, gi);
    cv_fft_inverse(&f->fft, gr, gi, time);
    for (int i = 0; i < CV_FRAME; i++) {
        frame[i] = tail[i] + time[i] * f->window[i];
        tail[i] = time[CV_FRAME + i] * f->window[CV_FRAME + i];
    }
}

/* No more gain beyond the bins that the canceller knows than in the last ones that it does. */
static void bound_unreached(float *gain) {
    enum { JUST_BELOW = 8 };
    float most = 0.0f;
    for (int k = CV_REACHED_BINS - JUST_BELOW; k < CV_REACHED_BINS; k++) most += gain[k] / JUST_BELOW;
    for (int k = CV_REACHED_BINS; k < CV_BINS; k++) gain[k] = gain[k] < most ? gain[k] : most;
}

/* How much of the echo suppression the recognizer's output takes in each bin: the share that was set, but less of
 * it where the talker covers the echo that is left in the bins around. */
static void share_suppression(float share, const float *power, const float *residual, float *shares) {
    enum { AROUND = 8 }; /* bins to each side: 400 Hz, about a critical band in the middle of speech */
    double all = 1e-12, left = 0.0; /* running sums: what is taken off again must leave no trace */
    for (int k = 0; k < AROUND; k++) {
        all += power[k];
        left += residual[k];
    }
    for (int k = 0; k < CV_BINS; k++) {
        if (k + AROUND < CV_BINS) {
            all += power[k + AROUND];
            left += residual[k + AROUND];
        }
        if (k > AROUND) {
            all -= power[k - AROUND - 1];
            left -= residual[k - AROUND - 1];
        }
        float heard = HEARD_THROUGH * (float)(left / all);
        shares[k] = share * (heard > 1.0f ? 1.0f : heard > 0.0f ? heard : 0.0f);
    }
}

/* Gains of both outputs from the spectra of the canceller's output and echo estimate. */
static void suppress(cv_frontend *f, const float *power, const float *echo_power, int far_active,
                     float *asr_gain, float *vad_gain) {
    const cv_frontend_config *c = &f->config;
    float unsure[CV_BINS], interference[CV_BINS], floor[CV_BINS], none[CV_BINS];
    const float *psd = cv_canceller_residual_psd(&f->canceller[0]);
    for (int k = 0; k < CV_BINS; k++) {
        unsure[k] = far_active ? psd[k] : 0.0f;
        none[k] = 0.0f;
    }
    cv_residual_process(&f->residual, power, echo_power, unsure, f->noise.psd);
    const float *residual = c->suppress_echo && c->cancel_echo ? f->residual.psd : none;
    cv_noise_process(&f->noise, power, residual);
    for (int k = 0; k < CV_BINS; k++) {
        interference[k] = residual[k];
        floor[k] = c->echo_floor;
    }
    cv_suppress_process(&f->echo_gain, power, interference, floor);
    for (int k = 0; k < CV_BINS; k++) {
        float echo = c->over_subtraction * residual[k];
        float noise = c->suppress_noise ? f->noise.psd[k] : 0.0f;
        interference[k] = echo + noise;
        /* echo may go down to its own floor, noise keeps a residue */
        floor[k] = (c->echo_floor * echo + c->noise_floor * noise) / (interference[k] + 1e-12f);
    }
    cv_suppress_process(&f->full_gain, power, interference, floor);
    if (far_active && cv_align_interpolates(&f->align)) {
        bound_unreached(f->echo_gain.gain);
        bound_unreached(f->full_gain.gain);
    }
    float shares[CV_BINS];
    share_suppression(c->asr_echo_share, power, residual, shares);
    for (int k = 0; k < CV_BINS; k++) {
        float echo = f->echo_gain.gain[k], full = f->full_gain.gain[k];
        float light = 1.0f - shares[k] * (1.0f - echo);
        float noise = 1.0f - c->asr_noise_share * (1.0f - full);
        asr_gain[k] = light < noise ? light : noise;
        vad_gain[k] = full;
    }
}

/* Whether someone speaks, from the same spectra. */
static void detect(cv_frontend *f, const float *power, const cv_frontend_output *out) {
    cv_vad_frame frame = {power, f->noise.psd, f->residual.psd, out->far_active, f->far_power, out->erle_db};
    cv_vad_features_process(&f->voice, &f->fft, &frame, f->voice_inputs);
    cv_vad_process(&f->vad, f->voice_inputs);
}

static void realign(cv_frontend *f, int move) {
    for (int m = 0; m < f->config.mics; m++)
        cv_canceller_realign(&f->canceller[m], &f->align.spectra, move);
    cv_drift_reset(&f->drift);
}

static void follow_drift(cv_frontend *f) {
    float seen = cv_drift_process(&f->drift, &f->canceller[0].fast);
    if (f->mic_power < DRIFT_ERLE * f->error_power) return; /* the filter does not know the echo well */
    int move = cv_align_correct(&f->align, seen);
    if (move) realign(f, move);
}

/* High-pass, alignment and linear canceller: near to error. */
static void cancel(cv_frontend *f, const float *far, cv_frontend_output *out) {
    const cv_frontend_config *c = &f->config;
    out->level_db = decibels(mean_square(f->near));
    if (c->highpass_hz > 0.0f)
        for (int m = 0; m < c->mics; m++)
            cv_highpass_process(&f->highpass[m], f->near + m * CV_FRAME, CV_FRAME);
    int reaches = 0;
    out->far_active = 0;
    if (c->cancel_echo) {
        int move = cv_align_process(&f->align, far, f->near);
        if (move) realign(f, move);
        reaches = cv_align_active(&f->align);
        f->far_power = mean_square(f->align.aligned + CV_FRAME);
        f->quiet_frames = f->far_power > FAR_SILENCE ? 0 : f->quiet_frames + 1;
        out->far_active = reaches && f->quiet_frames < c->partitions;
    }
    for (int m = 0; m < c->mics; m++)
        cv_canceller_process(&f->canceller[m], &f->align.spectra, reaches, f->near + m * CV_FRAME, f->error[m]);
    const cv_kalman *filter = cv_canceller_filter(&f->canceller[0]);
    if (reaches && c->overdrive && filter)
        cv_overdrive_learn(&f->align.overdrive, filter, (size_t)(c->far_channels * c->partitions),
                           f->canceller[0].left);
    if (out->far_active) {
        f->mic_power = 0.95f * f->mic_power + 0.05f * mean_square(f->near);
        f->error_power = 0.95f * f->error_power + 0.05f * mean_square(f->error[0]);
    }
    if (out->far_active && c->follow_drift) follow_drift(f);
    out->erle_db = out->far_active ? decibels(f->mic_power) - decibels(f->error_power) : 0.0f;
}

/* Where two windows in a row were left as they were, the frame they share is too: hand it on bit for bit, so
 * that the recognizer hears just the microphone when there is nothing to take away. */
static void pass(cv_frontend *f, const float *gain, const float *frame, float *asr) {
    int passes = f->config.mics == 1;
    for (int k = 0; k < CV_BINS; k++) passes &= gain[k] == 1.0f;
    if (passes && f->passed) memcpy(asr, frame, CV_FRAME * sizeof(float));
    f->passed = passes;
}

/* Everything behind the canceller: error to asr and vad. */
static void shape(cv_frontend *f, cv_frontend_output *out) {
    const cv_frontend_config *c = &f->config;
    float re[CV_MAX_MICS * CV_BINS], im[CV_MAX_MICS * CV_BINS], power[CV_BINS];
    float echo_re[CV_BINS], echo_im[CV_BINS], echo_power[CV_BINS];
    float asr_gain[CV_BINS], vad_gain[CV_BINS], frame[CV_FRAME];
    memcpy(frame, f->error_past[0], sizeof frame);
    analyse(f, f->echo_past, f->canceller[0].model, echo_re, echo_im, echo_power);
    for (int m = c->mics - 1; m >= 0; m--)
        analyse(f, f->error_past[m], f->error[m], re + m * CV_BINS, im + m * CV_BINS, power);
    if (c->mics > 1) {
        cv_beamformer_locate(&f->beam, re, im, f->vad.probability);
        cv_beamformer_process(&f->beam, re, im);
        for (int k = 0; k < CV_BINS; k++) power[k] = re[k] * re[k] + im[k] * im[k];
    }
    suppress(f, power, echo_power, out->far_active, asr_gain, vad_gain);
    detect(f, power, out);
    out->speech = f->vad.probability;
    out->zone = c->mics > 1 ? f->beam.zone : -1;
    synthesize(f, re, im, asr_gain, 1.0f - c->asr_noise_share * (1.0f - c->noise_floor), f->asr_tail, out->asr);
    pass(f, asr_gain, frame, out->asr);
    synthesize(f, re, im, vad_gain, c->suppress_noise ? c->noise_floor : 1.0f, f->vad_tail, out->vad);
    if (c->control_gain) cv_gain_process(&f->gain, out->speech, out->asr);
}

void cv_frontend_process(cv_frontend *f, const float *near, const float *far, cv_frontend_output *out) {
#if defined(__SSE__)
    unsigned int mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040); /* flush denormals: they are a hundred times slower */
#endif
    out->bad_samples = sanitize(near, f->near, (size_t)f->config.mics * CV_FRAME);
    if (far) out->bad_samples += sanitize(far, f->far, (size_t)f->config.far_channels * CV_FRAME);
    else memset(f->far, 0, (size_t)f->config.far_channels * CV_FRAME * sizeof(float));
    cancel(f, f->far, out);
    if (f->config.linear_only) {
        memcpy(out->asr, f->error[0], sizeof out->asr);
        memcpy(out->vad, f->error[0], sizeof out->vad);
        out->speech = 0.0f;
        out->zone = -1;
    } else {
        shape(f, out);
    }
#if defined(__SSE__)
    _mm_setcsr(mode);
#endif
}
