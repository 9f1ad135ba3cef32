/* The exponential function and what is made of it, without branches, so that the compiler turns a loop of it into
 * vectors; included for each real type. */
#ifndef GPUCNN_EXPONENTIAL_H
#define GPUCNN_EXPONENTIAL_H

#include "exponent.h"

#include <string.h>

#define TERMS_float 8 /* of Taylor's series: the first one left out is below half a unit in the last place */
#define TERMS_double 14
#define LOGARITHM_TERMS_float 8 /* the same, of that of the logarithm */
#define LOGARITHM_TERMS_double 16

#endif

/* For x of at most 0, which is n * ln 2 + r with n whole: e to the power of r, less 1, and 2 to the power of n. */
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

/* e to the power of x, at most 0. */
INLINE real NAME(exponential_of)(real x) {
    real power, rest = NAME(exponential_of_rest)(x, &power);
    return x < NAME(LEAST) ? 0 : power * rest + power;
}

INLINE real NAME(sigmoid_of)(real x) {
    real small = NAME(exponential_of)(x < 0 ? x : -x); /* at most 1: small ones keep digits */
    return (x >= 0 ? 1 : small) / (1 + small);
}

/* With m = exp(-2 |x|) - 1 it is -m / (2 + m), with the sign of x. */
INLINE real NAME(tanh_of)(real x) {
    real power, rest = NAME(exponential_of_rest)(-2 * (x < 0 ? -x : x), &power);
    real less = power * rest + (power - 1); /* where nothing cancels */
    real size = -less / (2 + less);
    return x < 0 ? -size : size;
}

/* The logarithm of 1 + exp(x), which is log(1 + s) + max(x, 0) with s = exp(-|x|): with w = s / (2 + s), at most 1/3,
 * log(1 + s) is 2 w (1 + w^2 / 3 + w^4 / 5 + ...). */
INLINE real NAME(softplus_of)(real x) {
    real small = NAME(exponential_of)(x < 0 ? x : -x), w = small / (2 + small), square = w * w, sum = 0;
    _Pragma("GCC unroll 16") for (int k = NAME(LOGARITHM_TERMS) - 1; k >= 0; k--) {
        sum = sum * square + (real)(1.0 / (2 * k + 1));
    }
    return 2 * w * sum + (x > 0 ? x : 0);
}
