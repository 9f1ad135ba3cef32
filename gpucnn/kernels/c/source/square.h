/* Squares of LANES x LANES numbers, and whole panels, transposed: to[j * to_row + i] = from[i * from_row + j]. */
#ifndef GPUCNN_SQUARE_H
#define GPUCNN_SQUARE_H

#include "vector.h"

#if defined(__AVX512F__)
/* Pairs of rows are interleaved by ones, then by twos, and their quarters put together in two more steps. */
INLINE void turn_square_float(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row) {
    __m512 a[16], b[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
        __m512 even = _mm512_loadu_ps(from + i * from_row), odd = _mm512_loadu_ps(from + (i + 1) * from_row);
        a[i] = _mm512_unpacklo_ps(even, odd);
        a[i + 1] = _mm512_unpackhi_ps(even, odd);
    }
    UNROLL for (int i = 0; i < 16; i += 4) {
        UNROLL for (int h = 0; h < 2; h++) {
            __m512d low = _mm512_castps_pd(a[i + h]), high = _mm512_castps_pd(a[i + 2 + h]);
            b[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            b[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    UNROLL for (int c = 0; c < 4; c++) { /* columns c, 4 + c, 8 + c and 12 + c */
        __m512 even_top = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88), odd_top = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xdd);
        __m512 even = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88), odd = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xdd);
        _mm512_storeu_ps(to + c * to_row, _mm512_shuffle_f32x4(even_top, even, 0x88));
        _mm512_storeu_ps(to + (4 + c) * to_row, _mm512_shuffle_f32x4(odd_top, odd, 0x88));
        _mm512_storeu_ps(to + (8 + c) * to_row, _mm512_shuffle_f32x4(even_top, even, 0xdd));
        _mm512_storeu_ps(to + (12 + c) * to_row, _mm512_shuffle_f32x4(odd_top, odd, 0xdd));
    }
}
#elif defined(__AVX2__)
/* Pairs of rows are interleaved by ones, then by twos, and their halves put together. */
INLINE void turn_square_float(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row) {
    __m256 a[8], b[8];
    UNROLL for (int i = 0; i < 8; i += 2) {
        __m256 even = _mm256_loadu_ps(from + i * from_row), odd = _mm256_loadu_ps(from + (i + 1) * from_row);
        a[i] = _mm256_unpacklo_ps(even, odd);
        a[i + 1] = _mm256_unpackhi_ps(even, odd);
    }
    UNROLL for (int i = 0; i < 8; i += 4) {
        UNROLL for (int h = 0; h < 2; h++) {
            __m256d low = _mm256_castps_pd(a[i + h]), high = _mm256_castps_pd(a[i + 2 + h]);
            b[i + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, high));
            b[i + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, high));
        }
    }
    UNROLL for (int c = 0; c < 4; c++) { /* columns c and 4 + c */
        _mm256_storeu_ps(to + c * to_row, _mm256_permute2f128_ps(b[c], b[4 + c], 0x20));
        _mm256_storeu_ps(to + (4 + c) * to_row, _mm256_permute2f128_ps(b[c], b[4 + c], 0x31));
    }
}
#endif

#define TURN_SQUARE(type)                                                                                           \
    INLINE void turn_square_##type(const type *from, ptrdiff_t from_row, type *to, ptrdiff_t to_row) {              \
        UNROLL for (int j = 0; j < LANES_##type; j++) {                                                             \
            UNROLL for (int i = 0; i < LANES_##type; i++) {                                                         \
                to[j * to_row + i] = from[i * from_row + j];                                                        \
            }                                                                                                       \
        }                                                                                                           \
    }
#if !defined(__AVX512F__) && !defined(__AVX2__)
TURN_SQUARE(float)
#endif
TURN_SQUARE(double)
#undef TURN_SQUARE

/* to (length, width) = from (width, from_row), of which `length` numbers of each row are read, transposed. */
#define TURN(type)                                                                                                  \
    INLINE void turn_##type(const type *from, ptrdiff_t from_row, int64_t width, int64_t length, type *to) {        \
        int64_t whole = width - width % LANES_##type, at = 0;                                                       \
        for (; at + LANES_##type <= length; at += LANES_##type) {                                                   \
            for (int64_t i = 0; i < whole; i += LANES_##type) {                                                     \
                turn_square_##type(from + i * from_row + at, from_row, to + at * width + i, width);                 \
            }                                                                                                       \
        }                                                                                                           \
        for (int64_t k = 0; k < length; k++) {                                                                      \
            for (int64_t i = k < at ? whole : 0; i < width; i++) {                                                  \
                to[k * width + i] = from[i * from_row + k];                                                         \
            }                                                                                                       \
        }                                                                                                           \
    }
TURN(float)
TURN(double)
#undef TURN

#endif
