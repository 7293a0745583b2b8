/* cv_fft_kernel.h - the FFT written once over an element type CV_T: float, or CV_LANES floats.
 *
 * Included by cv_fft.c with CV_T and CV_NAME(x) defined; not a header to include elsewhere.
 */

/* One Stockham pass of radix 4 over sub-transforms of length n, stride s, n * s = 160; half: the second half of
 * the input is silent. */
static inline __attribute__((always_inline)) void CV_NAME(radix4)(const cv_fft *f, size_t n, size_t s, int half,
                                   const CV_T *restrict xr, const CV_T *restrict xi, CV_T *restrict yr,
                                   CV_T *restrict yi) {
    const CV_T none = {0};
    size_t m = n / 4;
    for (size_t p = 0; p < m; p++) {
        float c1 = f->cos_half[p * s], s1 = f->sin_half[p * s];
        float c2 = f->cos_half[2 * p * s], s2 = f->sin_half[2 * p * s];
        float c3 = f->cos_half[3 * p * s], s3 = f->sin_half[3 * p * s];
        for (size_t q = 0; q < s; q++) {
            size_t i = q + s * p, j = q + 4 * s * p;
            CV_T kr = half ? none : xr[i + 2 * s * m], ki = half ? none : xi[i + 2 * s * m];
            CV_T lr = half ? none : xr[i + 3 * s * m], li = half ? none : xi[i + 3 * s * m];
            CV_T ar = xr[i] + kr, ai = xi[i] + ki;
            CV_T br = xr[i] - kr, bi = xi[i] - ki;
            CV_T cr = xr[i + s * m] + lr, ci = xi[i + s * m] + li;
            CV_T dr = xr[i + s * m] - lr, di = xi[i + s * m] - li;
            CV_T ur = br + di, ui = bi - dr; /* (a - c) - i (b - d) */
            CV_T vr = ar - cr, vi = ai - ci;
            CV_T wr = br - di, wi = bi + dr;
            yr[j] = ar + cr;
            yi[j] = ai + ci;
            yr[j + s] = ur * c1 - ui * s1;
            yi[j + s] = ur * s1 + ui * c1;
            yr[j + 2 * s] = vr * c2 - vi * s2;
            yi[j + 2 * s] = vr * s2 + vi * c2;
            yr[j + 3 * s] = wr * c3 - wi * s3;
            yi[j + 3 * s] = wr * s3 + wi * c3;
        }
    }
}

/* The pass of radix 2: n = 10, s = 16. */
static inline __attribute__((always_inline)) void CV_NAME(radix2)(const cv_fft *f, const CV_T *restrict xr, const CV_T *restrict xi,
                                   CV_T *restrict yr, CV_T *restrict yi) {
    for (size_t p = 0; p < 5; p++) {
        float c = f->cos_half[p * 16], s = f->sin_half[p * 16];
        for (size_t q = 0; q < 16; q++) {
            size_t i = q + 16 * p, j = q + 32 * p;
            CV_T dr = xr[i] - xr[i + 80], di = xi[i] - xi[i + 80];
            yr[j] = xr[i] + xr[i + 80];
            yi[j] = xi[i] + xi[i + 80];
            yr[j + 16] = dr * c - di * s;
            yi[j + 16] = dr * s + di * c;
        }
    }
}

/* The last pass, radix 5: n = 5, s = 32, no twiddles; half: only the first half of the results is wanted. */
static inline __attribute__((always_inline)) void CV_NAME(radix5)(int half, const CV_T *restrict xr, const CV_T *restrict xi,
                                   CV_T *restrict yr, CV_T *restrict yi) {
    const float c1 = 0.30901699437494745f, c2 = -0.8090169943749475f; /* cos(2 pi / 5), cos(4 pi / 5) */
    const float s1 = 0.9510565162951535f, s2 = 0.5877852522924731f;
    for (size_t q = 0; q < 32; q++) {
        CV_T pr = xr[q + 32] + xr[q + 128], pi = xi[q + 32] + xi[q + 128];
        CV_T mr = xr[q + 32] - xr[q + 128], mi = xi[q + 32] - xi[q + 128];
        CV_T rr = xr[q + 64] + xr[q + 96], ri = xi[q + 64] + xi[q + 96];
        CV_T nr = xr[q + 64] - xr[q + 96], ni = xi[q + 64] - xi[q + 96];
        CV_T ar = xr[q] + pr * c1 + rr * c2, ai = xi[q] + pi * c1 + ri * c2;
        CV_T br = xr[q] + pr * c2 + rr * c1, bi = xi[q] + pi * c2 + ri * c1;
        CV_T tr = mr * s1 + nr * s2, ti = mi * s1 + ni * s2;
        CV_T ur = mr * s2 - nr * s1, ui = mi * s2 - ni * s1;
        yr[q] = xr[q] + pr + rr;
        yi[q] = xi[q] + pi + ri;
        yr[q + 32] = ar + ti;
        yi[q + 32] = ai - tr;
        if (half && q >= 16) continue;
        yr[q + 64] = br + ui;
        yi[q + 64] = bi - ur;
        if (half) continue;
        yr[q + 128] = ar - ti;
        yi[q + 128] = ai + tr;
        yr[q + 96] = br - ui;
        yi[q + 96] = bi + ur;
    }
}

/* 160-point complex FFT; (ar, ai) holds input and result, (br, bi) is scratch. from_half: the second half of the
 * input is silent; to_half: the second half of the result is not wanted and not valid. */
static inline __attribute__((always_inline)) void CV_NAME(complex)(const cv_fft *f, int from_half, int to_half, CV_T *ar,
                                    CV_T *ai, CV_T *br, CV_T *bi) {
    CV_NAME(radix4)(f, 160, 1, from_half, ar, ai, br, bi);
    CV_NAME(radix4)(f, 40, 4, 0, br, bi, ar, ai);
    CV_NAME(radix2)(f, ar, ai, br, bi);
    CV_NAME(radix5)(to_half, br, bi, ar, ai);
}

static inline __attribute__((always_inline)) void CV_NAME(forward)(const cv_fft *f, const CV_T *time, CV_T *re, CV_T *im, size_t stride) {
    CV_T ar[160], ai[160], br[160], bi[160];
    for (size_t j = 0; j < 160; j++) {
        ar[j] = time[2 * j];
        ai[j] = time[2 * j + 1];
    }
    CV_NAME(complex)(f, 0, 0, ar, ai, br, bi);
    re[0] = ar[0] + ai[0];
    im[0] = ar[0] * 0.0f;
    re[160 * stride] = ar[0] - ai[0];
    im[160 * stride] = ar[0] * 0.0f;
    for (size_t k = 1; k < 160; k++) {
        CV_T er = (ar[k] + ar[160 - k]) * 0.5f, ei = (ai[k] - ai[160 - k]) * 0.5f;
        CV_T dr = (ai[k] + ai[160 - k]) * 0.5f, di = (ar[160 - k] - ar[k]) * 0.5f;
        float c = f->cos_full[k], s = f->sin_full[k];
        re[k * stride] = er + dr * c - di * s;
        im[k * stride] = ei + dr * s + di * c;
    }
}

static inline __attribute__((always_inline)) void CV_NAME(inverse)(const cv_fft *f, const CV_T *re, const CV_T *im, size_t stride,
                                    CV_T *time) {
    CV_T ar[160], ai[160], br[160], bi[160];
    for (size_t k = 0; k < 160; k++) {
        const CV_T xr = re[k * stride], xi = im[k * stride];
        const CV_T zr = re[(160 - k) * stride], zi = im[(160 - k) * stride];
        CV_T er = xr + zr, ei = xi - zi;
        CV_T dr = xr - zr, di = xi + zi;
        float c = f->cos_full[k], s = -f->sin_full[k]; /* exp(+2 pi i k / 320) */
        CV_T orr = dr * c - di * s, oi = dr * s + di * c;
        ar[k] = er - oi; /* even + i odd */
        ai[k] = ei + orr;
    }
    ai[0] = re[0] - re[160 * stride]; /* the imaginary parts of bins 0 and 160 do not count */
    ar[0] = re[0] + re[160 * stride];
    CV_NAME(complex)(f, 0, 0, ai, ar, br, bi); /* swapped parts: inverse transform */
    const float scale = 1.0f / 320.0f;
    for (size_t j = 0; j < 160; j++) {
        time[2 * j] = ar[j] * scale;
        time[2 * j + 1] = ai[j] * scale;
    }
}

/* Inverse, second half of the 320 samples to silence, forward; the result is added to sum_re, sum_im. The bins k
 * and 160 - k share their sums and differences; what an inverse transform alone would scale is scaled at the end. */
static inline __attribute__((always_inline)) void CV_NAME(constrain)(const cv_fft *f, const CV_T *re, const CV_T *im,
                                    CV_T *sum_re, CV_T *sum_im, size_t stride) {
    CV_T ar[160], ai[160], br[160], bi[160];
    for (size_t k = 1; k <= 80; k++) {
        const CV_T xr = re[k * stride], xi = im[k * stride];
        const CV_T zr = re[(160 - k) * stride], zi = im[(160 - k) * stride];
        CV_T er = xr + zr, ei = xi - zi;
        CV_T dr = xr - zr, di = xi + zi;
        float c = f->cos_full[k], s = f->sin_full[k];
        CV_T orr = dr * c + di * s, oi = di * c - dr * s;
        ar[k] = er - oi;
        ai[k] = ei + orr;
        ar[160 - k] = er + oi;
        ai[160 - k] = orr - ei;
    }
    ai[0] = re[0] - re[160 * stride];
    ar[0] = re[0] + re[160 * stride];
    CV_NAME(complex)(f, 0, 1, ai, ar, br, bi); /* swapped parts: inverse transform */
    CV_NAME(complex)(f, 1, 0, ar, ai, br, bi);
    const float scale = 1.0f / 320.0f, halved = 0.5f * scale;
    sum_re[0] += (ar[0] + ai[0]) * scale;
    sum_re[160 * stride] += (ar[0] - ai[0]) * scale;
    sum_re[80 * stride] += ar[80] * scale;
    sum_im[80 * stride] -= ai[80] * scale;
    for (size_t k = 1; k < 80; k++) {
        CV_T er = (ar[k] + ar[160 - k]) * halved, ei = (ai[k] - ai[160 - k]) * halved;
        CV_T dr = (ai[k] + ai[160 - k]) * halved, di = (ar[160 - k] - ar[k]) * halved;
        float c = f->cos_full[k], s = f->sin_full[k];
        CV_T tr = dr * c - di * s, ti = dr * s + di * c;
        sum_re[k * stride] += er + tr;
        sum_im[k * stride] += ei + ti;
        sum_re[(160 - k) * stride] += er - tr;
        sum_im[(160 - k) * stride] += ti - ei;
    }
}
