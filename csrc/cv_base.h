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
#define CV_LANES 8 /* floats that the hot loops take at once */

/* CV_LANES floats as one value: one AVX register, or two of SSE or NEON. */
typedef float cv_vec __attribute__((vector_size(CV_LANES * sizeof(float)), may_alias));

/* Compile the hot loops twice, for any x86-64 and for AVX2 with FMA, and choose when the library loads. The
 * level is asked for by its features: "arch=haswell" would take Intel's processors only, not AMD's.
 * Sanitizers cannot run before the loader's choice, so their builds keep one version. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__) && !defined(CV_NO_CLONES) && defined(__gnu_linux__)
#if __GNUC__ >= 12
#define CV_SIMD __attribute__((target_clones("default", "arch=x86-64-v3")))
#else
#define CV_SIMD __attribute__((target_clones("default", "avx2")))
#endif
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
