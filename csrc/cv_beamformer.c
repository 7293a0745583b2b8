#include "cv_beamformer.h"

#include <math.h>
#include <string.h>

enum { FIRST_BIN = 6, LAST_BIN = 100, SWITCH_FRAMES = 8 }; /* 300 Hz to 5 kHz */
#define SCORE_RATE 0.15f
#define FADE 0.1f /* of the way to the new beam, per frame */

void cv_beamformer_carve(cv_beamformer *beam, cv_arena *arena, size_t mics, size_t zones) {
    size_t count = zones * mics * CV_BINS;
    beam->mics = mics;
    beam->zones = zones;
    beam->steer_re = cv_take_floats(arena, count);
    beam->steer_im = cv_take_floats(arena, count);
    beam->weight_re = cv_take_floats(arena, count);
    beam->weight_im = cv_take_floats(arena, count);
}

void cv_beamformer_reset(cv_beamformer *beam) {
    memset(beam->score, 0, sizeof beam->score);
    memset(beam->blend, 0, sizeof beam->blend);
    beam->blend[0] = 1.0f; /* the first zone is the driver's */
    beam->zone = -1;
    beam->rival = -1;
    beam->rival_frames = 0;
}

void cv_beamformer_aim(cv_beamformer *beam, const float *steer_re, const float *steer_im,
                       const float *weight_re, const float *weight_im) {
    size_t bytes = beam->zones * beam->mics * CV_BINS * sizeof(float);
    memcpy(beam->steer_re, steer_re, bytes);
    memcpy(beam->steer_im, steer_im, bytes);
    memcpy(beam->weight_re, weight_re, bytes);
    memcpy(beam->weight_im, weight_im, bytes);
}

/* Steered response of one zone: 1 when all microphones agree with a talker there. */
static float response(const cv_beamformer *beam, size_t zone, const float *re, const float *im) {
    float sum = 0.0f;
    for (size_t k = FIRST_BIN; k <= LAST_BIN; k++) {
        float br = 0.0f, bi = 0.0f;
        for (size_t m = 0; m < beam->mics; m++) {
            size_t at = (zone * beam->mics + m) * CV_BINS + k;
            float xr = re[m * CV_BINS + k], xi = im[m * CV_BINS + k];
            float inv = 1.0f / sqrtf(xr * xr + xi * xi + 1e-12f);
            br += (beam->steer_re[at] * xr + beam->steer_im[at] * xi) * inv;
            bi += (beam->steer_re[at] * xi - beam->steer_im[at] * xr) * inv;
        }
        sum += br * br + bi * bi;
    }
    return sum / (float)((LAST_BIN - FIRST_BIN + 1) * beam->mics * beam->mics);
}

void cv_beamformer_locate(cv_beamformer *beam, const float *re, const float *im, float speech) {
    if (speech < 0.5f) return;
    int best = 0;
    for (size_t z = 0; z < beam->zones; z++) {
        beam->score[z] += SCORE_RATE * (response(beam, z, re, im) - beam->score[z]);
        if (beam->score[z] > beam->score[best]) best = (int)z;
    }
    if (best == beam->zone) {
        beam->rival_frames = 0;
        return;
    }
    beam->rival_frames = best == beam->rival ? beam->rival_frames + 1 : 1;
    beam->rival = best;
    if (beam->rival_frames >= SWITCH_FRAMES) beam->zone = best;
}

void cv_beamformer_process(cv_beamformer *beam, float *re, float *im) {
    float out_re[CV_BINS], out_im[CV_BINS];
    size_t target = beam->zone < 0 ? 0 : (size_t)beam->zone;
    memset(out_re, 0, sizeof out_re);
    memset(out_im, 0, sizeof out_im);
    for (size_t z = 0; z < beam->zones; z++) {
        beam->blend[z] += FADE * ((z == target ? 1.0f : 0.0f) - beam->blend[z]);
        float share = beam->blend[z];
        if (share < 1e-3f) continue;
        for (size_t m = 0; m < beam->mics; m++) {
            const float *wr = beam->weight_re + (z * beam->mics + m) * CV_BINS;
            const float *wi = beam->weight_im + (z * beam->mics + m) * CV_BINS;
            const float *xr = re + m * CV_BINS, *xi = im + m * CV_BINS;
            for (size_t k = 0; k < CV_BINS; k++) {
                out_re[k] += share * (wr[k] * xr[k] + wi[k] * xi[k]);
                out_im[k] += share * (wr[k] * xi[k] - wi[k] * xr[k]);
            }
        }
    }
    memcpy(re, out_re, sizeof out_re);
    memcpy(im, out_im, sizeof out_im);
}
