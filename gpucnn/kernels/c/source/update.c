#ifndef real
#include "pieces.h"
#include "update.h"

#include <math.h>

#define sqrt_float sqrtf
#define sqrt_double sqrt

#define TEMPLATE "update.c"
#include "each_real.h"
#else

typedef struct {
    const real *gradient;
    real *parameters, *first, *second, *third; /* velocity; or mean and square; or velocity, square and mean */
    real lr, momentum, decay, beta1, beta2, rest1, rest2, root, eps, shrink, centered;
    int64_t length;
} NAME(Update);

/* A task that runs `statement` for each element i of its piece; `d` is the gradient with its decay. */
#define EACH(name, statement)                                                                                       \
    static void NAME(name##_piece)(void *context, int64_t piece) {                                                  \
        const NAME(Update) u = *(const NAME(Update) *)context;                                                      \
        const real *restrict g = u.gradient;                                                                        \
        real *restrict p = u.parameters, *restrict v = u.first, *restrict square = u.second, *restrict mean = u.third; \
        int64_t stop = piece_stop(piece, u.length);                                                                 \
        (void)v, (void)square, (void)mean;                                                                          \
        for (int64_t i = piece_start(piece); i < stop; i++) {                                                       \
            real d = g[i] + u.decay * p[i];                                                                         \
            statement;                                                                                              \
        }                                                                                                           \
    }

EACH(sgd, p[i] -= u.lr * d)
EACH(momentum, real moved = u.momentum * v[i] + d; v[i] = moved; p[i] -= u.lr * moved)
EACH(nesterov, real moved = u.momentum * v[i] + d; v[i] = moved; p[i] -= u.lr * (d + u.momentum * moved))
EACH(adam, real first = u.beta1 * v[i] + u.rest1 * d; real spread = u.beta2 * square[i] + u.rest2 * (d * d);
     v[i] = first; square[i] = spread; p[i] = u.shrink * p[i] - u.lr * (first / (u.root * NAME(sqrt)(spread) + u.eps)))
EACH(rmsprop, real first = u.beta1 * mean[i] + u.rest1 * d; real second = u.beta1 * square[i] + u.rest1 * (d * d);
     mean[i] = first; square[i] = second; real variance = second - u.centered * (first * first);
     real moved = u.momentum * v[i] + d / (NAME(sqrt)(variance < 0 ? 0 : variance) + u.eps); v[i] = moved;
     p[i] -= u.lr * moved)
#undef EACH

/* Runs the pieces; where `scales` is given it holds the step's size, root and shrink, and whether to halt. */
static void NAME(run_update)(Task task, NAME(Update) *update, const double *scales) {
    if (scales) {
        if (scales[3] != 0) {
            return;
        }
        update->lr = (real)scales[0];
        update->root = (real)scales[1];
        update->shrink = (real)scales[2];
    }
    run_pieces(task, update, update->length);
}

void NAME(sgd)(const real *gradient, const double *scales, double lr, double decay, int64_t length, real *parameters) {
    NAME(Update) update = {.gradient = gradient, .parameters = parameters, .lr = (real)lr, .decay = (real)decay,
                           .length = length};
    NAME(run_update)(NAME(sgd_piece), &update, scales);
}

void NAME(momentum)(const real *gradient, real *velocity, const double *scales, double lr, double momentum,
                    double decay, int64_t length, real *parameters) {
    NAME(Update) update = {.gradient = gradient, .parameters = parameters, .first = velocity, .lr = (real)lr,
                           .momentum = (real)momentum, .decay = (real)decay, .length = length};
    NAME(run_update)(NAME(momentum_piece), &update, scales);
}

void NAME(nesterov)(const real *gradient, real *velocity, const double *scales, double lr, double momentum,
                    double decay, int64_t length, real *parameters) {
    NAME(Update) update = {.gradient = gradient, .parameters = parameters, .first = velocity, .lr = (real)lr,
                           .momentum = (real)momentum, .decay = (real)decay, .length = length};
    NAME(run_update)(NAME(nesterov_piece), &update, scales);
}

void NAME(adam)(const real *gradient, real *mean, real *square, const double *scales, double lr, double beta1,
                double beta2, double root, double eps, double decay, double shrink, int64_t length, real *parameters) {
    NAME(Update) update = {.gradient = gradient, .parameters = parameters, .first = mean, .second = square,
                           .lr = (real)lr, .decay = (real)decay, .beta1 = (real)beta1, .beta2 = (real)beta2,
                           .rest1 = (real)(1 - beta1), .rest2 = (real)(1 - beta2), .root = (real)root,
                           .eps = (real)eps, .shrink = (real)shrink, .length = length};
    NAME(run_update)(NAME(adam_piece), &update, scales);
}

void NAME(rmsprop)(const real *gradient, real *velocity, real *square, real *mean, const double *scales, double lr,
                   double alpha, double eps, double momentum, double decay, int centered, int64_t length,
                   real *parameters) {
    NAME(Update) update = {.gradient = gradient, .parameters = parameters, .first = velocity, .second = square,
                           .third = mean, .lr = (real)lr, .beta1 = (real)alpha, .rest1 = (real)(1 - alpha),
                           .eps = (real)eps, .momentum = (real)momentum, .decay = (real)decay,
                           .centered = (real)centered, .length = length};
    NAME(run_update)(NAME(rmsprop_piece), &update, scales);
}

typedef struct {
    const real *gradient;
    real *average, *out, momentum, rest;
    int64_t length;
    int nesterov, halted;
} NAME(Direction);

static void NAME(direction_piece)(void *context, int64_t piece) {
    const NAME(Direction) d = *(const NAME(Direction) *)context;
    const real *restrict g = d.gradient;
    real *restrict average = d.average, *restrict out = d.out;
    for (int64_t i = piece_start(piece), stop = piece_stop(piece, d.length); i < stop; i++) {
        real moved = average[i] + d.rest * (g[i] - average[i]);
        out[i] = d.nesterov ? g[i] + d.momentum * (moved - g[i]) : moved;
        average[i] = d.halted ? average[i] : moved;
    }
}

void NAME(muon_direction)(const real *gradient, real *average, const double *scales, double momentum, int nesterov,
                          int64_t length, real *out) {
    NAME(Direction) direction = {gradient, average, out, (real)momentum, (real)(1 - momentum), length, nesterov,
                                 scales && scales[3] != 0};
    run_pieces(NAME(direction_piece), &direction, length);
}
#endif
