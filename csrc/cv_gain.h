/* cv_gain.h - slow gain control: brings talkers to one level, and never clips.
 *
 * Measures only frames with speech; moves a few dB per second, so that a word keeps its dynamics.
 */
#ifndef CV_GAIN_H
#define CV_GAIN_H

#include "cv_base.h"

typedef struct {
    float target_db, most_db, least_db; /* level of speech in dBFS; limits of the gain in dB */
} cv_gain_config;

typedef struct {
    cv_gain_config config;
    float speech_db; /* level of speech heard so far */
    float gain;      /* present linear gain */
    float wanted_db;
} cv_gain;

void cv_gain_init(cv_gain *gain, const cv_gain_config *config);
/* speech: probability of the frame; frame in place. */
void cv_gain_process(cv_gain *gain, float speech, float *frame);

#endif
