/* cv_base.h - what every part of the audio core shares: frame sizes, memory carving, SIMD dispatch.
 *
 * The core runs at 16 kHz in frames of 160 samples (10 ms) and transforms of 320 samples.
 * A part never allocates: its state is carved once out of memory the caller owns.
 */
#ifndef CV_BASE_H
#define CV_BASE_H

#include <stddef.h>
#include <stdint.h>

#define CV_RATE 16000
#define CV_FRAME 160
#define CV_FFT_SIZE 320
#define CV_BINS 161
#define CV_ALIGNMENT 64

/* Compile the hot loops twice, for any x86-64 and for AVX2+FMA, and choose when the library loads.
 * Sanitizers cannot run before the loader's choice, so their builds keep one version. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && !defined(CV_NO_CLONES) && defined(__gnu_linux__)
#define CV_SIMD __attribute__((target_clones("default", "arch=haswell")))
#else
#define CV_SIMD
#endif

/* A bump allocator over the caller's memory; with base NULL it only counts. */
typedef struct {
    unsigned char *base;
    size_t used;
} cv_arena;

static inline void *cv_take(cv_arena *arena, size_t bytes) {
    size_t at = arena->used;
    arena->used += (bytes + CV_ALIGNMENT - 1) / CV_ALIGNMENT * CV_ALIGNMENT;
    return arena->base ? arena->base + at : NULL;
}

static inline float *cv_take_floats(cv_arena *arena, size_t count) {
    return (float *)cv_take(arena, count * sizeof(float));
}

#endif
