#include "cv_highpass.h"

#include <math.h>

void cv_highpass_init(cv_highpass *filter, float cutoff_hz) {
    const double pi = 3.14159265358979323846;
    double w = 2.0 * pi * cutoff_hz / CV_RATE, alpha = sin(w) / sqrt(2.0), a0 = 1.0 + alpha;
    filter->b0 = (float)((1.0 + cos(w)) / 2.0 / a0);
    filter->b1 = (float)(-(1.0 + cos(w)) / a0);
    filter->b2 = filter->b0;
    filter->a1 = (float)(-2.0 * cos(w) / a0);
    filter->a2 = (float)((1.0 - alpha) / a0);
    cv_highpass_reset(filter);
}

void cv_highpass_reset(cv_highpass *filter) {
    filter->s1 = filter->s2 = 0.0f;
}

void cv_highpass_process(cv_highpass *filter, float *frame, size_t count) {
    float s1 = filter->s1, s2 = filter->s2;
    for (size_t i = 0; i < count; i++) {
        float x = frame[i], y = filter->b0 * x + s1;
        s1 = filter->b1 * x - filter->a1 * y + s2;
        s2 = filter->b2 * x - filter->a2 * y;
        frame[i] = y;
    }
    filter->s1 = s1;
    filter->s2 = s2;
}
