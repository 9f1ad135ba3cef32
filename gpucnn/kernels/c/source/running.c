#ifndef real
#include "running.h"

#include <math.h>

#define sqrt_float sqrtf
#define sqrt_double sqrt

#define TEMPLATE "running.c"
#include "each_real.h"
#else

void NAME(norm_inverse)(const real *variance, double eps, int64_t length, real *out) {
    for (int64_t i = 0; i < length; i++) {
        out[i] = 1 / NAME(sqrt)(variance[i] + (real)eps);
    }
}

void NAME(norm_move)(const real *batch, double factor, double momentum, int64_t length, real *running) {
    for (int64_t i = 0; i < length; i++) {
        real moved = batch[i] * (real)factor;
        running[i] += (moved - running[i]) * (real)momentum;
    }
}
#endif
