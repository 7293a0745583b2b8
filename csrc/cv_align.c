#include "cv_align.h"

#include <math.h>
#include <string.h>

enum {
    LEAD = 128,      /* samples the reading point is placed before the echo's peak: room for its onset */
    EARLIEST = 24,   /* a peak nearer than this to the filter's first tap is moved */
    AGREE_WITHIN = 12,
    SINC_MARGIN = CV_SINC_TAPS / 2 + 1,
};
#define SURE_FIRST 7.0f /* confidence at which a lag counts */

static size_t history_length(const cv_align_config *config) {
    size_t need = config->max_delay + config->delay + (config->partitions + 3) * CV_FRAME + 2 * CV_SINC_TAPS;
    size_t length = 1024;
    while (length < need) length *= 2;
    return length;
}

void cv_align_carve(cv_align *align, cv_arena *arena, const cv_align_config *config) {
    align->length = history_length(config);
    cv_delay_carve(&align->search, arena, config->max_delay);
    cv_far_spectra_carve(&align->spectra, arena, config->channels, config->partitions);
    align->history = cv_take_floats(arena, config->channels * align->length);
    align->sinc = (float(*)[CV_SINC_TAPS])cv_take_floats(arena, (CV_SINC_PHASES + 1) * CV_SINC_TAPS);
    align->aligned = cv_take_floats(arena, config->channels * CV_FFT_SIZE);
}

/* Kaiser-windowed sinc, cut at 0.97 of half the rate, unit gain at DC. */
static void design_sinc(float (*sinc)[CV_SINC_TAPS]) {
    const double pi = 3.14159265358979323846, cutoff = 0.97;
    for (int phase = 0; phase <= CV_SINC_PHASES; phase++) {
        double sum = 0.0, taps[CV_SINC_TAPS];
        for (int i = 0; i < CV_SINC_TAPS; i++) {
            double t = i - (CV_SINC_TAPS / 2 - 1) - (double)phase / CV_SINC_PHASES;
            double u = t / (CV_SINC_TAPS / 2.0), x = pi * cutoff * t;
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
    cv_delay_init(&align->search, fft);
    cv_align_reset(align);
}

void cv_align_reset(cv_align *align) {
    cv_delay_reset(&align->search);
    cv_far_spectra_reset(&align->spectra);
    memset(align->history, 0, align->config.channels * align->length * sizeof(float));
    memset(align->aligned, 0, align->config.channels * CV_FFT_SIZE * sizeof(float));
    align->written = 0;
    align->delay = (double)align->config.delay;
    align->drift = 0.0;
    align->candidate = 0;
    align->agreed = 0;
    align->known = 0;
}

/* The sample of the far end at a fractional delay behind sample `now`; taps blend between phases. */
static inline float read_fraction(const cv_align *align, const float *ring, uint64_t now, double delay) {
    double whole = ceil(delay);
    double phase = (whole - delay) * CV_SINC_PHASES;
    int row = (int)phase;
    float blend = (float)(phase - row);
    const float *low = align->sinc[row], *high = align->sinc[row < CV_SINC_PHASES ? row + 1 : row];
    uint64_t first = now - (uint64_t)whole - (CV_SINC_TAPS / 2 - 1);
    size_t mask = align->length - 1;
    float sum = 0.0f;
    for (int i = 0; i < CV_SINC_TAPS; i++)
        sum += ring[(first + (uint64_t)i) & mask] * (low[i] + blend * (high[i] - low[i]));
    return sum;
}

/* Read count aligned samples that end `back` samples before the newest. */
static void read_aligned(const cv_align *align, size_t channel, uint64_t back, size_t count, float *out) {
    const float *ring = align->history + channel * align->length;
    size_t mask = align->length - 1;
    uint64_t end = align->written + align->length - back; /* + length: no negative index at the start */
    double delay = align->delay;
    if (align->drift == 0.0 && delay == floor(delay)) {
        for (size_t i = 0; i < count; i++) out[i] = ring[(end - count + i - (uint64_t)delay) & mask];
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double behind = delay - align->drift * (double)(back + count - 1 - i);
        /* the interpolator needs samples after the point: not nearer than its half length */
        if (behind < SINC_MARGIN) behind = SINC_MARGIN;
        out[i] = read_fraction(align, ring, end - count + i, behind);
    }
}

/* After a move: compute all spectra anew from the past. */
static void rebuild_spectra(cv_align *align) {
    float re[CV_MAX_FAR_CHANNELS * CV_BINS], im[CV_MAX_FAR_CHANNELS * CV_BINS], time[CV_FFT_SIZE];
    for (size_t p = align->config.partitions; p-- > 0;) {
        for (size_t c = 0; c < align->config.channels; c++) {
            read_aligned(align, c, p * CV_FRAME, CV_FFT_SIZE, time);
            cv_fft_forward(align->fft, time, re + c * CV_BINS, im + c * CV_BINS);
        }
        cv_far_spectra_push(&align->spectra, re, im);
    }
    for (size_t c = 0; c < align->config.channels; c++)
        read_aligned(align, c, 0, CV_FFT_SIZE, align->aligned + c * CV_FFT_SIZE);
}

/* After a scan: how far the reading point must move, 0 if it may stay. */
static int wanted_move(cv_align *align) {
    const cv_delay *search = &align->search;
    if (search->confidence < SURE_FIRST) {
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

int cv_align_process(cv_align *align, const float *far, const float *near) {
    float re[CV_MAX_FAR_CHANNELS * CV_BINS], im[CV_MAX_FAR_CHANNELS * CV_BINS];
    float near_re[CV_BINS], near_im[CV_BINS], time[CV_FFT_SIZE];
    size_t channels = align->config.channels, mask = align->length - 1;
    for (size_t c = 0; c < channels; c++) {
        float *ring = align->history + c * align->length;
        for (size_t i = 0; i < CV_FRAME; i++) ring[(align->written + i) & mask] = far[c * CV_FRAME + i];
    }
    align->written += CV_FRAME;
    align->delay += align->drift * CV_FRAME;
    for (size_t c = 0; c < channels; c++) {
        float *frames = align->aligned + c * CV_FFT_SIZE;
        memcpy(frames, frames + CV_FRAME, CV_FRAME * sizeof(float));
        read_aligned(align, c, 0, CV_FRAME, frames + CV_FRAME);
        cv_fft_forward(align->fft, frames, re + c * CV_BINS, im + c * CV_BINS);
    }
    cv_far_spectra_push(&align->spectra, re, im);
    if (align->config.max_delay == 0) return 0;

    memset(time, 0, CV_FRAME * sizeof(float));
    memcpy(time + CV_FRAME, near, CV_FRAME * sizeof(float));
    cv_fft_forward(align->fft, time, near_re, near_im);
    for (size_t i = 0; i < CV_FFT_SIZE; i++) {
        size_t at = (align->written + align->length - CV_FFT_SIZE + i) & mask;
        time[i] = 0.0f;
        for (size_t c = 0; c < channels; c++) time[i] += align->history[c * align->length + at];
    }
    cv_fft_forward(align->fft, time, re, im);
    if (!cv_delay_process(&align->search, re, im, near_re, near_im)) return 0;
    int move = wanted_move(align);
    if (move == 0) return 0;
    align->delay = floor(align->delay) + move;
    rebuild_spectra(align);
    return move;
}

int cv_align_active(const cv_align *align) {
    const cv_far_spectra *far = &align->spectra;
    float power = 0.0f;
    for (size_t k = 0; k < CV_BINS; k++) {
        const float *xr = far->xr + k * far->lanes, *xi = far->xi + k * far->lanes;
        for (size_t m = 0; m < far->lanes; m++) power += xr[m] * xr[m] + xi[m] * xi[m];
    }
    return power > 0.0f;
}
