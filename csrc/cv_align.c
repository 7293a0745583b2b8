#include "cv_align.h"

#include <math.h>
#include <string.h>

enum {
    LEAD = 280, /* samples the reading point is placed before the echo's peak: more than one partition, which
                  measures twice as fast to converge as less */
    EARLIEST = 170, /* a peak nearer than this to the first tap is moved, where possible */
    LEAD_LEAST = 20,
    AGREE_WITHIN = 12,
    HEARD_LEAST = 16, /* far-end frames: fewer mislead */
    SINC_MARGIN = CV_SINC_TAPS / 2 + 1,
};
#define SURE 6.0f          /* confidence at which a lag counts */
#define DRIFT_AT_FIRST 0.9f /* of what is seen of the drift, corrected at once: the first time */
#define DRIFT_SHARE 0.4f   /* and later, when the filter is still catching up with the last correction */
#define DRIFT_LEAST 2e-6f  /* below: no drift */
#define DRIFT_FIRST 8e-6f  /* from here on it is worth reading between samples */
#define DRIFT_MOST 400e-6f

static size_t history_length(const cv_align_config *config) {
    size_t need = config->max_delay + config->delay + (config->partitions + 3) * CV_FRAME + 2 * CV_SINC_TAPS;
    size_t length = 1024;
    while (length < need) length *= 2;
    return length;
}

void cv_align_carve(cv_align *align, cv_arena *arena, const cv_align_config *config) {
    align->length = history_length(config);
    cv_delay_carve(&align->search, arena, config->max_delay);
    cv_far_spectra_carve(&align->spectra, arena, config->channels + (config->overdrive != 0), config->partitions);
    if (config->overdrive) cv_overdrive_carve(&align->overdrive, arena, config->partitions);
    align->history = cv_take_floats(arena, config->channels * align->length);
    align->sinc = (float(*)[CV_SINC_TAPS])cv_take_floats(arena, (CV_SINC_PHASES + 1) * CV_SINC_TAPS);
    align->window = cv_take_floats(arena, CV_FFT_SIZE);
    align->aligned = cv_take_floats(arena, config->channels * CV_FFT_SIZE);
}

/* Blackman-windowed sinc, unit gain at DC. With half as many taps the band above 6 kHz was cancelled badly, and
 * set the limit under drift: 44 dB of echo taken away where this reaches 53. */
static void design_sinc(float (*sinc)[CV_SINC_TAPS]) {
    const double pi = 3.14159265358979323846;
    for (int phase = 0; phase <= CV_SINC_PHASES; phase++) {
        double sum = 0.0, taps[CV_SINC_TAPS];
        for (int i = 0; i < CV_SINC_TAPS; i++) {
            double t = i - (CV_SINC_TAPS / 2 - 1) - (double)phase / CV_SINC_PHASES;
            double u = t / (CV_SINC_TAPS / 2.0), x = pi * t;
            double window = fabs(u) < 1.0 ? 0.42 + 0.5 * cos(pi * u) + 0.08 * cos(2.0 * pi * u) : 0.0;
            taps[i] = window * (fabs(t) < 1e-9 ? 1.0 : sin(x) / x);
            sum += taps[i];
        }
        for (int i = 0; i < CV_SINC_TAPS; i++) sinc[phase][i] = (float)(taps[i] / sum);
    }
}

void cv_align_init(cv_align *align, const cv_align_config *config, const cv_fft *fft) {
    align->config = *config;
    align->fft = fft;
    design_sinc(align->sinc);
    for (int i = 0; i < CV_FFT_SIZE; i++)
        align->window[i] = 0.5f - 0.5f * cosf(2.0f * 3.14159265f * ((float)i + 0.5f) / CV_FFT_SIZE);
    cv_delay_init(&align->search, fft);
    cv_align_reset(align);
}

void cv_align_reset(cv_align *align) {
    cv_delay_reset(&align->search);
    cv_far_spectra_reset(&align->spectra);
    if (align->config.overdrive) cv_overdrive_reset(&align->overdrive, align->fft);
    memset(align->history, 0, align->config.channels * align->length * sizeof(float));
    memset(align->aligned, 0, align->config.channels * CV_FFT_SIZE * sizeof(float));
    align->written = 0;
    align->delay = (double)align->config.delay;
    align->drift = 0.0;
    align->drift_seen = 0.0f;
    align->candidate = 0;
    align->agreed = 0;
    align->known = 0;
}

/* Interpolate at the fractional delay behind sample i of `past`, whose sample 0 is `reach` samples back. */
static inline float read_fraction(const cv_align *align, const float *past, size_t i, double delay) {
    double whole = ceil(delay), phase = (whole - delay) * CV_SINC_PHASES;
    int row = (int)phase;
    float blend = (float)(phase - row), sum = 0.0f;
    const float *low = align->sinc[row], *high = align->sinc[row < CV_SINC_PHASES ? row + 1 : row];
    const float *first = past + i - (size_t)whole;
    for (int t = 0; t < CV_SINC_TAPS; t++) sum += first[t] * (low[t] + blend * (high[t] - low[t]));
    return sum;
}

/* Read count (at most 320) aligned samples that end `back` samples before the newest. */
static CV_SIMD void read_aligned(const cv_align *align, size_t channel, uint64_t back, size_t count, float *out) {
    const float *ring = align->history + channel * align->length;
    size_t mask = align->length - 1;
    uint64_t end = align->written + align->length - back; /* + length: no negative index at the start */
    double delay = align->delay;
    if (align->drift == 0.0 && delay == floor(delay)) {
        for (size_t i = 0; i < count; i++) out[i] = ring[(end - count + i - (uint64_t)delay) & mask];
        return;
    }
    /* the stretch needed, in one piece: half the interpolator beyond each end, and the drift within */
    float past[CV_FFT_SIZE + CV_SINC_TAPS + 4];
    if (delay < SINC_MARGIN) delay = SINC_MARGIN;
    size_t base = (size_t)delay + 2;
    uint64_t first = end - count - base - (CV_SINC_TAPS / 2 - 1);
    for (size_t i = 0; i < count + CV_SINC_TAPS + 4; i++) past[i] = ring[(first + i) & mask];
    for (size_t i = 0; i < count; i++) {
        double behind = delay - align->drift * (double)(back + count - 1 - i);
        behind = behind < (double)base - 3.0 ? (double)base - 3.0 : behind;
        behind = behind > (double)base ? (double)base : behind;
        out[i] = read_fraction(align, past, i + base, behind);
    }
}

/* The excess's spectrum, behind those of the channels. */
static void split(cv_align *align, const float *window, float *re, float *im) {
    size_t at = align->config.channels * CV_BINS;
    cv_overdrive_split(&align->overdrive, window, re + at, im + at);
}

/* After a move: compute all spectra anew from the past. */
static void rebuild_spectra(cv_align *align) {
    float re[CV_MAX_INPUTS * CV_BINS], im[CV_MAX_INPUTS * CV_BINS], time[CV_FFT_SIZE];
    for (size_t p = align->config.partitions; p-- > 0;) {
        for (size_t c = 0; c < align->config.channels; c++) {
            read_aligned(align, c, p * CV_FRAME, CV_FFT_SIZE, time);
            cv_fft_forward(align->fft, time, re + c * CV_BINS, im + c * CV_BINS);
            if (c == 0 && align->config.overdrive) split(align, time, re, im);
        }
        cv_far_spectra_push(&align->spectra, re, im);
    }
    for (size_t c = 0; c < align->config.channels; c++)
        read_aligned(align, c, 0, CV_FFT_SIZE, align->aligned + c * CV_FFT_SIZE);
}

/* After a scan: how far the reading point must move, 0 if it may stay. */
static int wanted_move(cv_align *align) {
    const cv_delay *search = &align->search;
    if (search->confidence < SURE || search->heard < HEARD_LEAST) {
        align->agreed = 0;
        return 0;
    }
    int same = search->lag - align->candidate < AGREE_WITHIN && align->candidate - search->lag < AGREE_WITHIN;
    align->agreed = same ? align->agreed + 1 : 1;
    align->candidate = search->lag;
    if (align->agreed < (align->known ? 6 : 2)) return 0;
    align->known = 1;
    int ahead = search->lag - (int)align->delay; /* the peak's place in the filter */
    int latest = (int)(align->config.partitions * CV_FRAME) / 3;
    if (ahead >= EARLIEST && ahead <= latest) return 0;
    int target = search->lag - LEAD;
    if (target < 0) target = 0;
    return target - (int)align->delay;
}

/* Reading between samples needs some after the point: step back where the filter has the room for it,
 * else give up following the drift. */
static int make_room(cv_align *align) {
    if (align->drift == 0.0 || align->delay >= SINC_MARGIN + 1) return 0;
    int target = align->candidate - LEAD;
    if (target < 2 * SINC_MARGIN) target = 2 * SINC_MARGIN;
    if (!align->known || align->candidate - target < LEAD_LEAST) {
        align->drift = 0.0;
        align->delay = floor(align->delay);
        return 0;
    }
    int move = target - (int)align->delay;
    align->delay += move;
    rebuild_spectra(align);
    return move;
}

int cv_align_process(cv_align *align, const float *far, const float *near) {
    float re[CV_MAX_INPUTS * CV_BINS], im[CV_MAX_INPUTS * CV_BINS];
    float near_re[CV_BINS], near_im[CV_BINS], time[CV_FFT_SIZE];
    size_t channels = align->config.channels, mask = align->length - 1;
    for (size_t c = 0; c < channels; c++) {
        float *ring = align->history + c * align->length;
        for (size_t i = 0; i < CV_FRAME; i++) ring[(align->written + i) & mask] = far[c * CV_FRAME + i];
    }
    align->written += CV_FRAME;
    align->delay += align->drift * CV_FRAME;
    if (align->delay < 0.0) align->delay = 0.0;
    for (size_t c = 0; c < channels; c++) {
        float *frames = align->aligned + c * CV_FFT_SIZE;
        memcpy(frames, frames + CV_FRAME, CV_FRAME * sizeof(float));
        read_aligned(align, c, 0, CV_FRAME, frames + CV_FRAME);
        cv_fft_forward(align->fft, frames, re + c * CV_BINS, im + c * CV_BINS);
    }
    if (align->config.overdrive) {
        cv_overdrive_hear(&align->overdrive, align->aligned + CV_FRAME);
        split(align, align->aligned, re, im);
    }
    cv_far_spectra_push(&align->spectra, re, im);
    if (align->config.max_delay == 0) return 0;
    int room = make_room(align);
    if (room) return room;

    memset(time, 0, CV_FRAME * sizeof(float));
    for (size_t i = 0; i < CV_FRAME; i++) time[CV_FRAME + i] = near[i] * align->window[2 * i];
    cv_fft_forward(align->fft, time, near_re, near_im);
    for (size_t i = 0; i < CV_FFT_SIZE; i++) {
        size_t at = (align->written + align->length - CV_FFT_SIZE + i) & mask;
        time[i] = 0.0f;
        for (size_t c = 0; c < channels; c++) time[i] += align->history[c * align->length + at];
        time[i] *= align->window[i];
    }
    cv_fft_forward(align->fft, time, re, im);
    if (!cv_delay_process(&align->search, re, im, near_re, near_im)) return 0;
    int move = wanted_move(align);
    if (move == 0) return 0;
    align->delay = floor(align->delay) + move;
    rebuild_spectra(align);
    return move;
}

int cv_align_correct(cv_align *align, float drift) {
    if (!align->config.follow_drift || drift == 0.0f) return 0;
    /* a moving path looks like drift for once; drift looks the same twice */
    float difference = fabsf(drift - align->drift_seen), size = fabsf(drift);
    align->drift_seen = drift;
    if (difference > (size > DRIFT_LEAST ? 0.5f * size : DRIFT_LEAST)) return 0;
    double after = align->drift + (align->drift == 0.0 ? DRIFT_AT_FIRST : DRIFT_SHARE) * (double)drift;
    if (fabs(after) > DRIFT_MOST || (align->drift == 0.0 && size < DRIFT_FIRST)) return 0;
    align->drift = fabs(after) < DRIFT_LEAST ? 0.0 : after;
    return make_room(align);
}

int cv_align_interpolates(const cv_align *align) {
    return align->drift != 0.0;
}

int cv_align_active(const cv_align *align) {
    return align->spectra.silent < align->spectra.partitions;
}
