#include "cv_vad.h"

#include <math.h>
#include <string.h>

#include "cv_vad_weights.h"

#define COLD_WEIGHT 1.5f
#define COLD_LEAST 2.0f
enum { GATES = 3 * CV_VAD_WIDTH }; /* reset, update, new */

void cv_vad_reset(cv_vad *vad) {
    memset(vad, 0, sizeof *vad);
}

/* out = bias + scale * (weights x); weights: [in][out]. */
static inline __attribute__((always_inline)) void dense(const int8_t *weights, const float *scale, const float *bias,
                                                        const float *x, int in, int out, float *y) {
    for (int o = 0; o < out; o++) y[o] = 0.0f;
    for (int i = 0; i < in; i++)
        for (int o = 0; o < out; o++) y[o] += x[i] * (float)weights[i * out + o];
    for (int o = 0; o < out; o++) y[o] = bias[o] + scale[o] * y[o];
}

static inline float logistic(float x) {
    return 1.0f / (1.0f + expf(-x));
}

static inline __attribute__((always_inline)) void recur(const cv_vad_gru *layer, const float *x, float *state) {
    float from_input[GATES], from_state[GATES];
    dense(layer->input, layer->input_scale, layer->input_bias, x, CV_VAD_WIDTH, GATES, from_input);
    dense(layer->state, layer->state_scale, layer->state_bias, state, CV_VAD_WIDTH, GATES, from_state);
    for (int i = 0; i < CV_VAD_WIDTH; i++) {
        float reset = logistic(from_input[i] + from_state[i]);
        float update = logistic(from_input[CV_VAD_WIDTH + i] + from_state[CV_VAD_WIDTH + i]);
        float now = from_input[2 * CV_VAD_WIDTH + i] + reset * from_state[2 * CV_VAD_WIDTH + i];
        now = 2.0f * logistic(2.0f * now) - 1.0f; /* tanh */
        state[i] = now + update * (state[i] - now);
    }
}

/* What to add to the logit while little of the far end has been heard. The network then takes a loud echo for a
 * talker, and a talker for an echo; how far the frame is above the most that the echo may be, as the canceller does
 * not know it yet (mean and highest log ratio of the bands), tells better. Fades out over the first 3 s. */
static float cold_evidence(const float inputs[CV_VAD_INPUTS]) {
    const float *ratio = inputs + CV_VAD_BANDS, *whole = inputs + 2 * CV_VAD_BANDS;
    float mean = 0.0f, highest = ratio[0];
    for (int b = 0; b < CV_VAD_BANDS; b++) {
        mean += ratio[b] / CV_VAD_BANDS;
        highest = ratio[b] > highest ? ratio[b] : highest;
    }
    float is_active = whole[2], heard = whole[5];
    return is_active * (1.0f - heard) * COLD_WEIGHT * (mean + highest - COLD_LEAST);
}

CV_SIMD float cv_vad_process(cv_vad *vad, const float inputs[CV_VAD_INPUTS]) {
    float seen[CV_VAD_WIDTH], sum = vad_out_bias;
    dense(vad_in, vad_in_scale, vad_in_bias, inputs, CV_VAD_INPUTS, CV_VAD_WIDTH, seen);
    for (int i = 0; i < CV_VAD_WIDTH; i++) seen[i] = seen[i] > 0.0f ? seen[i] : 0.0f;
    recur(&vad_first, seen, vad->first);
    recur(&vad_second, vad->first, vad->second);
    for (int i = 0; i < CV_VAD_WIDTH; i++) sum += vad_out[i] * vad->second[i];
    vad->probability = logistic(sum + cold_evidence(inputs));
    return vad->probability;
}
