/* test_fft.c - the transform against the definition, and back. */
#include <math.h>

#include "cv_fft.h"

#include "check.h"

/* CV_LANES gradients, each an impulse response cut to 160 taps, added to what is there. */
static void constrains(const cv_fft *fft, unsigned *seed) {
    enum { COUNT = CV_BINS * CV_LANES };
    static _Alignas(CV_ALIGNMENT) float re[COUNT], im[COUNT], sum_re[COUNT], sum_im[COUNT];
    for (int i = 0; i < COUNT; i++) {
        re[i] = noise(seed);
        im[i] = noise(seed);
        sum_re[i] = 1.0f;
        sum_im[i] = 2.0f;
    }
    cv_fft_constrain_lanes(fft, re, im, sum_re, sum_im, CV_LANES);
    for (int lane = 0; lane < CV_LANES; lane++) {
        float time[CV_FFT_SIZE], one_re[CV_BINS], one_im[CV_BINS];
        for (int k = 0; k < CV_BINS; k++) {
            one_re[k] = re[k * CV_LANES + lane];
            one_im[k] = im[k * CV_LANES + lane];
        }
        cv_fft_inverse(fft, one_re, one_im, time);
        for (int n = CV_FRAME; n < CV_FFT_SIZE; n++) time[n] = 0.0f;
        cv_fft_forward(fft, time, one_re, one_im);
        for (int k = 0; k < CV_BINS; k++) {
            CHECK(fabsf(sum_re[k * CV_LANES + lane] - 1.0f - one_re[k]) < 1e-5f);
            CHECK(fabsf(sum_im[k * CV_LANES + lane] - 2.0f - one_im[k]) < 1e-5f);
        }
    }
}

int main(void) {
    const double pi = 3.14159265358979323846;
    static cv_fft fft;
    cv_fft_init(&fft);
    float time[CV_FFT_SIZE], back[CV_FFT_SIZE], re[CV_BINS], im[CV_BINS];
    unsigned seed = 7;
    for (int round = 0; round < 20; round++) {
        for (int n = 0; n < CV_FFT_SIZE; n++) time[n] = noise(&seed);
        cv_fft_forward(&fft, time, re, im);
        for (int k = 0; k < CV_BINS; k++) {
            double real = 0, imaginary = 0;
            for (int n = 0; n < CV_FFT_SIZE; n++) {
                real += time[n] * cos(2 * pi * k * n / CV_FFT_SIZE);
                imaginary -= time[n] * sin(2 * pi * k * n / CV_FFT_SIZE);
            }
            CHECK(fabs(re[k] - real) < 1e-3);
            CHECK(fabs(im[k] - imaginary) < 1e-3);
        }
        cv_fft_inverse(&fft, re, im, back);
        for (int n = 0; n < CV_FFT_SIZE; n++) CHECK(fabsf(back[n] - time[n]) < 1e-5f);
    }
    constrains(&fft, &seed);
    puts("fft: passed");
    return 0;
}
