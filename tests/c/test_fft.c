/* test_fft.c - the transform against the definition, and back. */
#include <math.h>

#include "cv_fft.h"

#include "check.h"

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
    puts("fft: passed");
    return 0;
}
