#ifndef real
#include "clip.h"
#include "pieces.h"

#include <math.h>

#define LANES 8 /* sums side by side */

#define TEMPLATE "clip.c"
#include "each_real.h"
#else

typedef struct {
    real *x, factor;
    int64_t length;
} NAME(Clip);

void NAME(square_sum)(double *sums, int64_t number, int64_t length, const real *x) {
    double sum[LANES] = {0}, total = 0;
    int64_t i = 0;
    for (; i + LANES <= length; i += LANES) {
        UNROLL for (int l = 0; l < LANES; l++) {
            sum[l] += (double)x[i + l] * x[i + l];
        }
    }
    for (; i < length; i++) {
        sum[0] += (double)x[i] * x[i];
    }
    for (int l = 0; l < LANES; l++) {
        total += sum[l];
    }
    sums[number] = total;
}

void NAME(norm_of)(const double *sums, int64_t count, real *norm) {
    double total = 0;
    for (int64_t i = 0; i < count; i++) {
        total += sums[i];
    }
    *norm = (real)sqrt(total);
}

static void NAME(scale_piece)(void *context, int64_t piece) {
    const NAME(Clip) *c = context;
    for (int64_t i = piece_start(piece), stop = piece_stop(piece, c->length); i < stop; i++) {
        c->x[i] *= c->factor;
    }
}

static void NAME(limit_piece)(void *context, int64_t piece) {
    const NAME(Clip) *c = context;
    for (int64_t i = piece_start(piece), stop = piece_stop(piece, c->length); i < stop; i++) {
        real value = c->x[i];
        c->x[i] = value > c->factor ? c->factor : value < -c->factor ? -c->factor : value;
    }
}

void NAME(clip_norm)(const real *norm, double most, int64_t length, real *x) {
    double factor = most / ((double)*norm + 1e-6); /* as in PyTorch */
    if (factor < 1) {
        run_pieces(NAME(scale_piece), &(NAME(Clip)){x, (real)factor, length}, length);
    }
}

void NAME(unit_norm)(const real *norm, double eps, int64_t length, real *x) {
    double divisor = *norm < eps ? eps : (double)*norm;
    run_pieces(NAME(scale_piece), &(NAME(Clip)){x, (real)(1 / divisor), length}, length);
}

void NAME(scale)(double factor, int64_t length, real *x) {
    run_pieces(NAME(scale_piece), &(NAME(Clip)){x, (real)factor, length}, length);
}

void NAME(clip_value)(double most, int64_t length, real *x) {
    run_pieces(NAME(limit_piece), &(NAME(Clip)){x, (real)most, length}, length);
}
#endif
