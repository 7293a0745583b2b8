/* cv_fft.h - real FFT of 320 samples, one signal at a time or CV_LANES side by side.
 *
 * Forward: X[k] = sum_n x[n] exp(-2 pi i k n / 320), k = 0..160. Inverse includes the 1/320.
 * Method: the 320 real samples are packed as 160 complex ones, transformed with a Stockham autosort
 * FFT of radices 4, 4, 2, 5 (Stockham 1966; Van Loan, "Computational Frameworks for the FFT", 1.7),
 * and unpacked. The many-lane form keeps the lanes innermost, so each step is one vector operation.
 */
#ifndef CV_FFT_H
#define CV_FFT_H

#include "cv_base.h"

typedef struct {
    float cos_half[CV_FFT_SIZE / 2]; /* exp(-2 pi i j / 160) */
    float sin_half[CV_FFT_SIZE / 2];
    float cos_full[CV_BINS]; /* exp(-2 pi i k / 320) */
    float sin_full[CV_BINS];
} cv_fft;

void cv_fft_init(cv_fft *fft);

/* time: 320 samples; re, im: 161 bins. */
void cv_fft_forward(const cv_fft *fft, const float *time, float *re, float *im);
void cv_fft_inverse(const cv_fft *fft, const float *re, const float *im, float *time);

/* CV_LANES signals: time is [320][CV_LANES]; bin k of lane l is re[k * stride + l]. All 32-byte aligned. */
void cv_fft_forward_lanes(const cv_fft *fft, const float *time, float *re, float *im, size_t stride);
void cv_fft_inverse_lanes(const cv_fft *fft, const float *re, const float *im, size_t stride, float *time);

/* Project CV_LANES spectra onto impulse responses of 160 taps, the gradient constraint of overlap-save filtering,
 * and add that to the spectra in sum_re, sum_im. */
void cv_fft_constrain_lanes(const cv_fft *fft, const float *re, const float *im, float *sum_re, float *sum_im,
                            size_t stride);

#endif
