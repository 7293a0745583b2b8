/* cv_vad.h - probability that someone in the cabin speaks: a small recurrent network.
 *
 * Dense layer and rectifier, two layers of gated recurrent units (K. Cho et al., "Learning phrase representations
 * using RNN encoder-decoder", EMNLP 2014, eqs. 5-8, with the reset gate after the matrix product), logistic
 * output, once per frame; while little of the far end has been heard, what the frame exceeds the possible echo by
 * counts too. Weights are 8-bit integers with a scale per output (cv_vad_weights.h, written by
 * training/vad.py); what flows is float.
 */
#ifndef CV_VAD_H
#define CV_VAD_H

#include "cv_vad_features.h"

enum { CV_VAD_WIDTH = 40 };

typedef struct {
    float first[CV_VAD_WIDTH], second[CV_VAD_WIDTH]; /* states of the recurrent layers */
    float probability;                               /* 0..1 */
} cv_vad;

void cv_vad_reset(cv_vad *vad);
/* Take in a frame's features; returns the probability. */
float cv_vad_process(cv_vad *vad, const float inputs[CV_VAD_INPUTS]);

#endif
