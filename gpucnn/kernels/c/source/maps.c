#ifndef real
#include "maps.h"
#include "threads.h"

#define WORTH_SHARING (1 << 17) /* numbers that outweigh waking a thread */

#define TEMPLATE "maps.c"
#include "each_real.h"
#else

typedef struct {
    const real *x;
    int64_t pixels, images;
    real *out;
} NAME(Maps);

static void NAME(mean_of_channel)(void *context, int64_t channel) {
    const NAME(Maps) *m = context;
    const real *restrict x = m->x + channel * m->pixels * m->images;
    real *restrict out = m->out + channel * m->images;
    for (int64_t i = 0; i < m->images; i++) {
        out[i] = x[i];
    }
    for (int64_t p = 1; p < m->pixels; p++) {
        for (int64_t i = 0; i < m->images; i++) {
            out[i] += x[p * m->images + i];
        }
    }
    for (int64_t i = 0; i < m->images; i++) {
        out[i] /= (real)m->pixels;
    }
}

static void NAME(shares_of_channel)(void *context, int64_t channel) {
    const NAME(Maps) *m = context;
    const real *restrict grad = m->x + channel * m->images;
    real *restrict out = m->out + channel * m->pixels * m->images;
    for (int64_t i = 0; i < m->images; i++) {
        out[i] = grad[i] / (real)m->pixels;
    }
    for (int64_t p = 1; p < m->pixels; p++) {
        for (int64_t i = 0; i < m->images; i++) {
            out[p * m->images + i] = out[i];
        }
    }
}

void NAME(map_means)(const real *x, int64_t channels, int64_t pixels, int64_t images, real *out) {
    NAME(Maps) maps = {x, pixels, images, out};
    run_if(channels * pixels * images >= WORTH_SHARING, NAME(mean_of_channel), &maps, channels);
}

void NAME(map_shares)(const real *grad, int64_t channels, int64_t pixels, int64_t images, real *out) {
    NAME(Maps) maps = {grad, pixels, images, out};
    run_if(channels * pixels * images >= WORTH_SHARING, NAME(shares_of_channel), &maps, channels);
}
#endif
