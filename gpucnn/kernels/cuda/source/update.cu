#include "common.cuh"

// One optimizer step, a thread for each element. What changes from step to step comes by value, or from device memory
// where `scales` is not null: size, root, shrink and halt, and where halt is not 0 nothing changes.

__device__ inline bool halted(const double *scales) { return scales && scales[3] != 0; }

KERNEL sgd(Integer count, const double *scales, double size, double decay, const REAL *gradient, REAL *parameters) {
    Integer i = thread_number();
    if (i < count && !halted(scales)) {
        REAL given = parameters[i];
        parameters[i] = given - (REAL)(scales ? scales[0] : size) * (gradient[i] + (REAL)decay * given);
    }
}

KERNEL momentum(Integer count, const double *scales, double size, double momentum, double decay, const REAL *gradient,
                REAL *velocity, REAL *parameters) {
    Integer i = thread_number();
    if (i < count && !halted(scales)) {
        REAL given = parameters[i];
        REAL moved = (REAL)momentum * velocity[i] + (gradient[i] + (REAL)decay * given);
        velocity[i] = moved;
        parameters[i] = given - (REAL)(scales ? scales[0] : size) * moved;
    }
}

KERNEL nesterov(Integer count, const double *scales, double size, double momentum, double decay, const REAL *gradient,
                REAL *velocity, REAL *parameters) {
    Integer i = thread_number();
    if (i < count && !halted(scales)) {
        REAL given = parameters[i], d = gradient[i] + (REAL)decay * given;
        REAL moved = (REAL)momentum * velocity[i] + d;
        velocity[i] = moved;
        parameters[i] = given - (REAL)(scales ? scales[0] : size) * (d + (REAL)momentum * moved);
    }
}

KERNEL adam(Integer count, const double *scales, double size, double root, double shrink, double beta1, double beta2,
            double eps, double decay, const REAL *gradient, REAL *mean, REAL *square, REAL *parameters) {
    Integer i = thread_number();
    if (i < count && !halted(scales)) {
        REAL given = parameters[i], d = gradient[i] + (REAL)decay * given;
        REAL first = (REAL)beta1 * mean[i] + (REAL)(1 - beta1) * d;
        REAL second = (REAL)beta2 * square[i] + (REAL)(1 - beta2) * (d * d);
        mean[i] = first;
        square[i] = second;
        REAL step = first / ((REAL)(scales ? scales[1] : root) * sqrt(second) + (REAL)eps);
        parameters[i] = (REAL)(scales ? scales[2] : shrink) * given - (REAL)(scales ? scales[0] : size) * step;
    }
}

// v, square and mean are moved; `centered` is 1 or 0.
KERNEL rmsprop(Integer count, const double *scales, double size, double alpha, double eps, double momentum,
               double decay, double centered, const REAL *gradient, REAL *velocity, REAL *square, REAL *mean,
               REAL *parameters) {
    Integer i = thread_number();
    if (i < count && !halted(scales)) {
        REAL given = parameters[i], d = gradient[i] + (REAL)decay * given;
        REAL first = (REAL)alpha * mean[i] + (REAL)(1 - alpha) * d;
        REAL second = (REAL)alpha * square[i] + (REAL)(1 - alpha) * (d * d);
        mean[i] = first;
        square[i] = second;
        REAL variance = second - (REAL)centered * (first * first);
        REAL moved = (REAL)momentum * velocity[i] + d / (sqrt(variance < 0 ? 0 : variance) + (REAL)eps);
        velocity[i] = moved;
        parameters[i] = given - (REAL)(scales ? scales[0] : size) * moved;
    }
}

// `nesterov` is 1 or 0. Where it halts `out` is of no use.
KERNEL muon_direction(Integer count, const double *scales, double momentum, double nesterov, const REAL *gradient,
                      REAL *average, REAL *out) {
    Integer i = thread_number();
    if (i < count) {
        REAL given = gradient[i], moved = average[i] + (REAL)(1 - momentum) * (given - average[i]);
        out[i] = nesterov ? given + (REAL)momentum * (moved - given) : moved;
        if (!halted(scales)) average[i] = moved;
    }
}

// Clipping: each block has `part` neighbouring elements of an array of `length`, first to sum their squares, then to
// scale them by what all blocks' sums say.

KERNEL squares(Integer length, Integer part, const REAL *x, double *sums) {
    Integer start = blockIdx.x * part, stop = start + part < length ? start + part : length;
    REAL sum = 0;
    for (Integer i = start + threadIdx.x; i < stop; i += blockDim.x) {
        sum += x[i] * x[i];
    }
    double total = block_sum(sum);
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = total;
    }
}

KERNEL clip(Integer length, Integer part, Integer parts, const double *sums, double most, REAL *norm, REAL *x) {
    double sum = 0;
    for (Integer i = threadIdx.x; i < parts; i += blockDim.x) {
        sum += sums[i];
    }
    double root = sqrt(block_sum(sum)), scale = most / (root + 1e-6);  // as in PyTorch
    if (norm && blockIdx.x == 0 && threadIdx.x == 0) {
        *norm = (REAL)root;
    }
    Integer start = blockIdx.x * part, stop = start + part < length ? start + part : length;
    for (Integer i = start + threadIdx.x; scale < 1 && i < stop; i += blockDim.x) {
        x[i] *= (REAL)scale;
    }
}

// After `squares` of the same cut: x divided by its norm, or by eps where that is larger.
KERNEL unit(Integer length, Integer part, Integer parts, const double *sums, double eps, REAL *x) {
    double sum = 0;
    for (Integer i = threadIdx.x; i < parts; i += blockDim.x) {
        sum += sums[i];
    }
    double norm = sqrt(block_sum(sum));
    REAL divisor = (REAL)(norm < eps ? eps : norm);
    Integer start = blockIdx.x * part, stop = start + part < length ? start + part : length;
    for (Integer i = start + threadIdx.x; i < stop; i += blockDim.x) {
        x[i] /= divisor;
    }
}

KERNEL clip_values(Integer count, double most, REAL *x) {
    Integer i = thread_number();
    if (i < count) {
        REAL value = x[i], limit = (REAL)most;
        x[i] = value > limit ? limit : value < -limit ? -limit : value;  // a NaN stays one
    }
}

KERNEL scale(Integer count, double factor, REAL *x) {
    Integer i = thread_number();
    if (i < count) {
        x[i] *= (REAL)factor;
    }
}
