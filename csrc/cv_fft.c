#include "cv_fft.h"

#include <math.h>
#include <string.h>

#define CV_T float
#define CV_NAME(x) one_##x
#include "cv_fft_kernel.h"
#undef CV_T
#undef CV_NAME
#define CV_T cv_vec
#define CV_NAME(x) lanes_##x
#include "cv_fft_kernel.h"

void cv_fft_init(cv_fft *fft) {
    const double pi = 3.14159265358979323846;
    for (int j = 0; j < 160; j++) {
        fft->cos_half[j] = (float)cos(2.0 * pi * j / 160.0);
        fft->sin_half[j] = (float)-sin(2.0 * pi * j / 160.0);
    }
    for (int k = 0; k <= 160; k++) {
        fft->cos_full[k] = (float)cos(2.0 * pi * k / 320.0);
        fft->sin_full[k] = (float)-sin(2.0 * pi * k / 320.0);
    }
}

CV_SIMD void cv_fft_forward(const cv_fft *fft, const float *time, float *re, float *im) {
    one_forward(fft, time, re, im, 1);
}

CV_SIMD void cv_fft_inverse(const cv_fft *fft, const float *re, const float *im, float *time) {
    one_inverse(fft, re, im, 1, time);
}

CV_SIMD void cv_fft_forward_lanes(const cv_fft *fft, const float *time, float *re, float *im, size_t stride) {
    lanes_forward(fft, (const cv_vec *)time, (cv_vec *)re, (cv_vec *)im, stride / CV_LANES);
}

CV_SIMD void cv_fft_inverse_lanes(const cv_fft *fft, const float *re, const float *im, size_t stride, float *time) {
    lanes_inverse(fft, (const cv_vec *)re, (const cv_vec *)im, stride / CV_LANES, (cv_vec *)time);
}

CV_SIMD void cv_fft_constrain_lanes(const cv_fft *fft, const float *re, const float *im, float *sum_re,
                                    float *sum_im, size_t stride) {
    lanes_constrain(fft, (const cv_vec *)re, (const cv_vec *)im, (cv_vec *)sum_re, (cv_vec *)sum_im,
                    stride / CV_LANES);
}
