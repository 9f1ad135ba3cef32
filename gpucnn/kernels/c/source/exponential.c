#ifndef real
#include "activation.h"
#include "pieces.h"

#define TEMPLATE "exponential.c"
#include "each_real.h"
#else
#include "elements.h"
#include "exponential.h"

EACH(sigmoid, out[i] = NAME(sigmoid_of)(x[i]))
EACH(sigmoid_backward, out[i] = x[i] * y[i] * (1 - y[i]))
EACH(scaled_tanh, real value = NAME(tanh_of)(b * x[i]); changed[i] = value; out[i] = a * value)
EACH(scaled_tanh_backward, out[i] = (1 - y[i] * y[i]) * a * x[i])
#undef EACH

void NAME(sigmoid)(const real *x, int64_t length, real *out) {
    run_pieces(NAME(sigmoid_piece), &(NAME(Elements)){.x = x, .out = out, .length = length}, length);
}

void NAME(sigmoid_backward)(const real *grad, const real *y, int64_t length, real *out) {
    run_pieces(NAME(sigmoid_backward_piece), &(NAME(Elements)){.x = grad, .y = y, .out = out, .length = length}, length);
}

void NAME(scaled_tanh)(const real *x, double amplitude, double slope, int64_t length, real *tanh, real *out) {
    NAME(Elements) elements = {.x = x, .a = (real)amplitude, .b = (real)slope, .changed = tanh, .out = out, .length = length};
    run_pieces(NAME(scaled_tanh_piece), &elements, length);
}

void NAME(scaled_tanh_backward)(const real *grad, const real *tanh, double factor, int64_t length, real *out) {
    NAME(Elements) elements = {.x = grad, .y = tanh, .a = (real)factor, .out = out, .length = length};
    run_pieces(NAME(scaled_tanh_backward_piece), &elements, length);
}
#endif
