/* cv_beamformer.h - which seat talks, and one signal from two to four microphones turned to it.
 *
 * The talker's zone is where the phase-transformed steered response is greatest (J. DiBiase, "A
 * high-accuracy, low-latency technique for talker localization in reverberant environments", 2000). The
 * beams are fixed filter-and-sum weights computed beforehand, one set per zone.
 */
#ifndef CV_BEAMFORMER_H
#define CV_BEAMFORMER_H

#include "cv_base.h"

enum { CV_MAX_ZONES = 4 };

typedef struct {
    size_t mics, zones;
    float *steer_re, *steer_im;   /* [zone][mic][bin]: phase of a talker there, size 1 */
    float *weight_re, *weight_im; /* [zone][mic][bin]: out = sum conj(weight) x */
    float score[CV_MAX_ZONES];    /* smoothed steered response, 0..1 */
    int zone;                     /* who talks, -1 before anyone did */
    int rival, rival_frames;      /* another zone that scores higher, and for how long */
    float blend[CV_MAX_ZONES];    /* share of each beam in the output: fades over when the zone changes */
} cv_beamformer;

void cv_beamformer_carve(cv_beamformer *beam, cv_arena *arena, size_t mics, size_t zones);
void cv_beamformer_reset(cv_beamformer *beam);
/* Each array as in the struct; copied. */
void cv_beamformer_aim(cv_beamformer *beam, const float *steer_re, const float *steer_im,
                       const float *weight_re, const float *weight_im);
/* re, im: [mic][bin] in; the beam is written over the first microphone's. */
void cv_beamformer_process(cv_beamformer *beam, float *re, float *im);
/* Learn the zone from the frame; speech: its probability. Call before process. */
void cv_beamformer_locate(cv_beamformer *beam, const float *re, const float *im, float speech);

#endif
