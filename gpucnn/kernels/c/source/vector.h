/* Vectors by GCC's and clang's extension, as wide as the instruction set this is compiled for.
 *
 * VECTOR_BYTES is a register's width. A contraction keeps BLOCK_ROWS x BLOCK_VECTORS of them as sums, a gradient by
 * the weight BLOCK_ROWS x BLOCK_TAPS.
 */
#ifndef GPUCNN_VECTOR_H
#define GPUCNN_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define BLOCK_VECTORS 4
#define BLOCK_TAPS 4
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define BLOCK_VECTORS 2
#define BLOCK_TAPS 2
#elif defined(__ARM_NEON)
#define VECTOR_BYTES 16
#define BLOCK_VECTORS 4
#define BLOCK_TAPS 4
#else
#define VECTOR_BYTES 16
#define BLOCK_VECTORS 2
#define BLOCK_TAPS 2
#endif

#define SHORT_BYTES 16 /* of vectors for what is left of a run in passes that are bound by memory */
#define BLOCK_ROWS 6
#define TALL_ROWS 8 /* of a single vector: fewer sums wait for each other */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

/* Has the compiler keep a vector in a register, in place of reading it from memory at each use. */
#if defined(__x86_64__)
#define IN_REGISTER(vector) __asm__("" : "+v"(vector))
#elif defined(__aarch64__)
#define IN_REGISTER(vector) __asm__("" : "+w"(vector))
#else
#define IN_REGISTER(vector) (void)0
#endif

#define VECTOR(type, bytes) type __attribute__((vector_size(bytes), aligned(sizeof(type)), may_alias))

typedef VECTOR(float, VECTOR_BYTES) vector_float;
typedef VECTOR(double, VECTOR_BYTES) vector_double;
typedef VECTOR(float, SHORT_BYTES) short_float;
typedef VECTOR(double, SHORT_BYTES) short_double;

enum { LANES_float = VECTOR_BYTES / sizeof(float), LANES_double = VECTOR_BYTES / sizeof(double) };

/* max(values, 0), but what is not a number stays so. */
#define POSITIVE(type, integer)                                                                                     \
    INLINE vector_##type positive_##type(vector_##type values) {                                                    \
        typedef VECTOR(integer, VECTOR_BYTES) integers;                                                             \
        integers below = (integers)(values < (vector_##type){0});                                                   \
        return (vector_##type)((integers)values & ~below);                                                          \
    }
POSITIVE(float, int32_t)
POSITIVE(double, int64_t)
#undef POSITIVE

/* The sum of all lanes: of quarters of a vector first, then of their numbers, pair by pair. */
#define TOTAL(type)                                                                                                 \
    INLINE type total_##type(vector_##type values) {                                                                \
        enum { WIDTH = SHORT_BYTES / sizeof(type), COUNT = VECTOR_BYTES / SHORT_BYTES };                            \
        short_##type parts[COUNT];                                                                                  \
        memcpy(parts, &values, sizeof(values));                                                                     \
        UNROLL for (int step = COUNT / 2; step > 0; step /= 2) {                                                    \
            UNROLL for (int i = 0; i < step; i++) {                                                                 \
                parts[i] += parts[i + step];                                                                        \
            }                                                                                                       \
        }                                                                                                           \
        type numbers[WIDTH];                                                                                        \
        memcpy(numbers, parts, sizeof(numbers));                                                                    \
        UNROLL for (int step = WIDTH / 2; step > 0; step /= 2) {                                                    \
            UNROLL for (int i = 0; i < step; i++) {                                                                 \
                numbers[i] += numbers[i + step];                                                                    \
            }                                                                                                       \
        }                                                                                                           \
        return numbers[0];                                                                                          \
    }
TOTAL(float)
TOTAL(double)
#undef TOTAL

/* A whole vector, of whatever NAME names; `count` is as below. */
#define LOAD_ALL(from, count) *(const NAME(vector) *)(from)
#define STORE_ALL(to, values, count) *(NAME(vector) *)(to) = values

/* The first `count` numbers of a vector, which is all there is in memory; the others are 0. */
#if defined(__AVX512F__)
#include <immintrin.h>
INLINE vector_float load_some_float(const float *from, int64_t count) {
    return (vector_float)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
}
INLINE vector_double load_some_double(const double *from, int64_t count) {
    return (vector_double)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), from);
}
INLINE void store_some_float(float *to, vector_float values, int64_t count) {
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)values);
}
INLINE void store_some_double(double *to, vector_double values, int64_t count) {
    _mm512_mask_storeu_pd(to, (__mmask8)((1u << count) - 1), (__m512d)values);
}
#else
#if defined(__AVX2__)
#include <immintrin.h>
/* Masks of 1 to 8 lanes; a window of them begins so many numbers before the middle. */
static const int32_t masks_float[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t masks_double[8] = {-1, -1, -1, -1};
INLINE vector_float load_some_float(const float *from, int64_t count) {
    return (vector_float)_mm256_maskload_ps(from, _mm256_loadu_si256((const __m256i *)(masks_float + 8 - count)));
}
INLINE vector_double load_some_double(const double *from, int64_t count) {
    return (vector_double)_mm256_maskload_pd(from, _mm256_loadu_si256((const __m256i *)(masks_double + 4 - count)));
}
#else
#define LOAD_SOME(type)                                                                                             \
    INLINE vector_##type load_some_##type(const type *from, int64_t count) {                                        \
        vector_##type values = {0};                                                                                 \
        for (int64_t i = 0; i < count; i++) {                                                                       \
            values[i] = from[i];                                                                                    \
        }                                                                                                           \
        return values;                                                                                              \
    }
LOAD_SOME(float)
LOAD_SOME(double)
#undef LOAD_SOME
#endif
/* AVX2's store through a mask takes longer on some processors. */
#define STORE_SOME(type)                                                                                            \
    INLINE void store_some_##type(type *to, vector_##type values, int64_t count) {                                  \
        for (int64_t i = 0; i < count; i++) {                                                                       \
            to[i] = values[i];                                                                                      \
        }                                                                                                           \
    }
STORE_SOME(float)
STORE_SOME(double)
#undef STORE_SOME
#endif

#endif
