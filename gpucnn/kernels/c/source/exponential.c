#ifndef real
#include "activation.h"
#include "exponent.h"
#include "pieces.h"

#include <string.h>

#define TERMS_float 8 /* of Taylor's series: the first one left out is below half a unit in the last place */
#define TERMS_double 14

#define TEMPLATE "exponential.c"
#include "each_real.h"
#else
#include "elements.h"

/* For x of at most 0, which is n * ln 2 + r with n whole: e to the power of r, less 1, and 2 to the power of n.
 *
 * Without branches, so that the compiler turns a loop of it into vectors. */
INLINE real NAME(exponential_of_rest)(real x, real *power) {
    real least = NAME(LEAST);
    x = x < least ? least : x; /* what is not a number stays so */
    real rounded = x * (real)LOG2E + NAME(ROUND), n = rounded - NAME(ROUND);
    real r = x - n * NAME(LN2_HIGH) - n * NAME(LN2_LOW), sum = 1;
    UNROLL for (int k = NAME(TERMS); k > 1; k--) {
        sum = sum * r * (real)(1.0 / k) + 1;
    }
    natural bits;
    memcpy(&bits, &rounded, sizeof(bits));
    bits = (bits - (natural)NAME(ROUND_BITS) + NAME(BIAS)) << NAME(FRACTION_BITS);
    memcpy(power, &bits, sizeof(bits));
    return sum * r;
}

INLINE real NAME(sigmoid_of)(real x) {
    real low = x < 0 ? x : -x, power, rest = NAME(exponential_of_rest)(low, &power);
    real small = low < NAME(LEAST) ? 0 : power * rest + power; /* at most 1: small ones keep digits */
    return (x >= 0 ? 1 : small) / (1 + small);
}

/* With m = exp(-2 |x|) - 1 it is -m / (2 + m), with the sign of x. */
INLINE real NAME(tanh_of)(real x) {
    real power, rest = NAME(exponential_of_rest)(-2 * (x < 0 ? -x : x), &power);
    real less = power * rest + (power - 1); /* where nothing cancels */
    real size = -less / (2 + less);
    return x < 0 ? -size : size;
}

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
