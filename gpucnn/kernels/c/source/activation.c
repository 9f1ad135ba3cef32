#ifndef real
#include "activation.h"
#include "pieces.h"

#define TEMPLATE "activation.c"
#include "each_real.h"
#else
#include "elements.h"

EACH(relu, real value = x[i]; out[i] = value <= 0 ? 0 : value)
EACH(relu_backward, real value = x[i]; out[i] = y[i] > 0 ? value : 0)
EACH(leaky_relu, real value = x[i]; out[i] = y[i] > 0 ? value : a * value)
EACH(dropout, real scale = changed[i] >= a ? b : 0; changed[i] = scale; out[i] = x[i] * scale)
EACH(multiply, out[i] = x[i] * y[i])
#undef EACH

void NAME(relu)(const real *x, int64_t length, real *out) {
    run_pieces(NAME(relu_piece), &(NAME(Elements)){.x = x, .out = out, .length = length}, length);
}

void NAME(relu_backward)(const real *grad, const real *y, int64_t length, real *out) {
    run_pieces(NAME(relu_backward_piece), &(NAME(Elements)){.x = grad, .y = y, .out = out, .length = length}, length);
}

void NAME(leaky_relu)(const real *value, const real *x, double slope, int64_t length, real *out) {
    NAME(Elements) elements = {.x = value, .y = x, .a = (real)slope, .out = out, .length = length};
    run_pieces(NAME(leaky_relu_piece), &elements, length);
}

void NAME(dropout)(const real *x, double p, double scale, int64_t length, real *scales, real *out) {
    NAME(Elements) elements = {.x = x, .a = (real)p, .b = (real)scale, .changed = scales, .out = out, .length = length};
    run_pieces(NAME(dropout_piece), &elements, length);
}

void NAME(multiply)(const real *x, const real *y, int64_t length, real *out) {
    run_pieces(NAME(multiply_piece), &(NAME(Elements)){.x = x, .y = y, .out = out, .length = length}, length);
}
#endif
