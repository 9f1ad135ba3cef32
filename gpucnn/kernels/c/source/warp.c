#ifndef real
#include "warp.h"
#include "threads.h"

#define WORTH_SHARING 10000 /* pixels that outweigh waking a thread */

/* A pixel of one channel; 0 outside. */
static inline int pixel(const uint8_t *image, int64_t height, int64_t width, int64_t row, int64_t column) {
    int inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? image[row * width + column] : 0;
}

#define TEMPLATE "warp.c"
#include "each_real.h"
#else

typedef struct {
    const uint8_t *images;
    int64_t channels, height, width;
    uint8_t *out;
    const real *displacements, *maps;
} NAME(Warp);

static real NAME(clip)(real value, int64_t length) {
    return value < -1 ? -1 : value > (real)length ? (real)length : value;
}

/* The largest whole number not above `value`, which is -1 or more. */
static real NAME(whole)(real value) { return (real)((int64_t)(value + 1) - 1); }

/* The mean of the four pixels about a point of one channel, each weighted by its nearness, rounded. */
static uint8_t NAME(sample)(const NAME(Warp) *work, const uint8_t *image, real row, real column) {
    real top = NAME(whole)(row), left = NAME(whole)(column), down = row - top, right = column - left;
    int64_t r = (int64_t)top, c = (int64_t)left, h = work->height, w = work->width;
    real value = (1 - down) * (1 - right) * pixel(image, h, w, r, c) + (1 - down) * right * pixel(image, h, w, r, c + 1) +
                 down * (1 - right) * pixel(image, h, w, r + 1, c) + down * right * pixel(image, h, w, r + 1, c + 1);
    return (uint8_t)(value + (real)0.5);
}

static void NAME(warp_image)(void *context, int64_t index) {
    const NAME(Warp) *work = context;
    const real *map = work->maps + index * 4;
    int64_t h = work->height, w = work->width;
    const real *further = work->displacements ? work->displacements + index * 2 * h * w : NULL;
    real middle_row = (h - 1) / (real)2, middle_column = (w - 1) / (real)2;
    const uint8_t *image = work->images + index * work->channels * h * w;
    uint8_t *out = work->out + index * work->channels * h * w;
    for (int64_t i = 0; i < h; i++) {
        for (int64_t j = 0; j < w; j++) {
            real down = i - middle_row - map[2], right = j - middle_column - map[3];
            real row = map[0] * down + map[1] * right + middle_row;
            real column = map[0] * right - map[1] * down + middle_column;
            if (further) {
                row += further[i * w + j];
                column += further[(h + i) * w + j];
            }
            row = NAME(clip)(row, h);
            column = NAME(clip)(column, w);
            for (int64_t channel = 0; channel < work->channels; channel++) {
                out[(channel * h + i) * w + j] = NAME(sample)(work, image + channel * h * w, row, column);
            }
        }
    }
}

void NAME(warp)(const uint8_t *images, int64_t count, int64_t channels, int64_t height, int64_t width, uint8_t *out,
                const real *displacements, const real *maps) {
    NAME(Warp) work = {images, channels, height, width, out, displacements, maps};
    run_if(count * channels * height * width >= WORTH_SHARING, NAME(warp_image), &work, count);
}
#endif
