#ifndef real
#include "gather.h"
#include "threads.h"
#include "vector.h"

#include <math.h>

#define SIDE 16 /* of the square of images and pixels that is transposed in registers */
#define TOGETHER 512 /* images whose pixels are turned before they are written */
#define LINE 64 /* bytes that come from memory together */
#define WORTH_SHARING (1 << 17) /* pixels in bytes that outweigh waking a thread */
#define FLOATS_WORTH_SHARING (1 << 17) /* pixels in floats */

typedef VECTOR(uint8_t, SIDE) row_of_bytes;

#if defined(__clang__)
#define INTERLEAVE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define INTERLEAVE(a, b, ...) __builtin_shuffle(a, b, (row_of_bytes){__VA_ARGS__})
#endif

/* Four perfect shuffles of sixteen rows transpose them. */
INLINE void transpose(row_of_bytes rows[SIDE]) {
    UNROLL for (int round = 0; round < 4; round++) {
        row_of_bytes shuffled[SIDE];
        UNROLL for (int i = 0; i < SIDE / 2; i++) {
            row_of_bytes a = rows[i], b = rows[i + SIDE / 2];
            shuffled[2 * i] = INTERLEAVE(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            shuffled[2 * i + 1] = INTERLEAVE(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(rows, shuffled, sizeof(shuffled));
    }
}

/* The number of the value that belongs to a pixel, where `shared` neighbouring pixels have one. */
INLINE int64_t number(int64_t pixel, int64_t shared) {
    return shared == 1 ? pixel : pixel < shared ? 0 : pixel / shared;
}

#define TEMPLATE "gather.c"
#include "each_real.h"
#else

typedef struct {
    const void *images; /* bytes or floats */
    const int64_t *indices;
    int64_t count, pixels, shifted, scaled; /* the last two: neighbouring pixels that share one number */
    const real *shift, *scale;
    real *out;
} NAME(Gather);

/* The pixels [p, p + SIDE) of `count` images of the batch, at most TOGETHER, from number `first` on. */
static void NAME(gather_rows)(const NAME(Gather) *g, int64_t first, int64_t count, int64_t p) {
    uint8_t turned[SIDE][TOGETHER];
    const uint8_t *images = (const uint8_t *)g->images + p;
    const int64_t *indices = g->indices + first, pixels = g->pixels;
    int64_t start = 0;
    for (; start + SIDE <= count; start += SIDE) {
        row_of_bytes rows[SIDE];
        UNROLL for (int i = 0; i < SIDE; i++) {
            const uint8_t *image = images + indices[start + i] * pixels;
            __builtin_prefetch(image + LINE);
            rows[i] = *(const row_of_bytes *)image;
        }
        transpose(rows);
        UNROLL for (int j = 0; j < SIDE; j++) {
            *(row_of_bytes *)&turned[j][start] = rows[j];
        }
    }
    for (; start < count; start++) {
        for (int j = 0; j < SIDE; j++) {
            turned[j][start] = images[indices[start] * pixels + j];
        }
    }
    for (int j = 0; j < SIDE; j++) {
        real shift = g->shift[number(p + j, g->shifted)], scale = g->scale[number(p + j, g->scaled)];
        real *restrict out = g->out + (p + j) * g->count + first;
        for (int64_t i = 0; i < count; i++) {
            out[i] = ((real)turned[j][i] - shift) * scale;
        }
    }
}

/* The pixels of one line of every image. */
static void NAME(gather_line)(void *context, int64_t task) {
    const NAME(Gather) *g = context;
    int64_t p = task * LINE, stop = p + LINE < g->pixels ? p + LINE : g->pixels;
    for (; p + SIDE <= stop; p += SIDE) {
        for (int64_t first = 0; first < g->count; first += TOGETHER) {
            NAME(gather_rows)(g, first, g->count - first < TOGETHER ? g->count - first : TOGETHER, p);
        }
    }
    for (int64_t i = 0; i < g->count; i++) {
        for (int64_t rest = p; rest < stop; rest++) {
            real byte = ((const uint8_t *)g->images)[g->indices[i] * g->pixels + rest];
            byte -= g->shift[number(rest, g->shifted)];
            g->out[rest * g->count + i] = byte * g->scale[number(rest, g->scaled)];
        }
    }
}

void NAME(gather)(const uint8_t *images, int64_t size, const int64_t *indices, int64_t count, const real *shift,
                  int64_t shifts, const real *scale, int64_t scales, int64_t pixels, real *out) {
    for (int64_t i = 0; i < count; i++) {
        if (indices[i] < 0 || indices[i] >= size / pixels) {
            *out = (real)NAN;
            return;
        }
    }
    NAME(Gather) g = {images, indices, count, pixels, pixels / shifts, pixels / scales, shift, scale, out};
    int64_t tasks = (pixels + LINE - 1) / LINE;
    run_if(count * pixels >= WORTH_SHARING, NAME(gather_line), &g, tasks);
}

static void NAME(gather_pixel)(void *context, int64_t pixel) {
    const NAME(Gather) *g = context;
    const float *images = (const float *)g->images + pixel;
    const real shift = g->shift[pixel / g->shifted], scale = g->scale[pixel / g->scaled];
    real *restrict out = g->out + pixel * g->count;
    for (int64_t i = 0; i < g->count; i++) {
        out[i] = ((real)images[g->indices[i] * g->pixels] - shift) * scale;
    }
}

void NAME(gather_floats)(const float *images, int64_t size, const int64_t *places, const real *shift, int64_t shifts,
                         const real *scale, int64_t scales, int64_t pixels, int64_t count, real *out) {
    NAME(Gather) g = {images, places, count, pixels, pixels / shifts, pixels / scales, shift, scale, out};
    (void)size;
    run_if(count * pixels >= FLOATS_WORTH_SHARING, NAME(gather_pixel), &g, pixels);
}
#endif
