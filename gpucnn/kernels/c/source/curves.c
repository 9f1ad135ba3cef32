#ifndef real
#include "curves.h"
#include "pieces.h"

#define FAR 6 /* beyond it erfc is below 1e-16 */
#define SQRT_HALF 0.70710678118654752
#define ROOT 0.79788456080286536 /* of 2 / pi */
#define CUBIC 0.044715
#define COEFFICIENTS 17

/* erfc(z) = t exp(P(u) - z^2) for z from 0 to FAR, with t = 2 / (2 + z) = (5 + 3 u) / 8: the coefficients of P by u, as
 * kernels/numpy/curves.py computes them. W. Press et al., Numerical Recipes, section 6.2, for the form. */
static const double exponent[COEFFICIENTS] = {
    -0.5014367259211934,    0.5153126870232254,     0.005570761973798136,   -0.021523642558541983,
    0.0004935317688098044,  0.0020287653480188118,  -0.0003302206615965457, -0.00019495375091546012,
    8.147430276092458e-05,  9.050513033969472e-06,  -1.361524043276452e-05, 2.0659619884779824e-06,
    1.436270666431987e-06,  -6.386685721046966e-07, -3.882079049118278e-08, 7.218361861126278e-08,
    -9.723813431151705e-09,
};

#define TEMPLATE "curves.c"
#include "each_real.h"
#else
#include "elements.h"
#include "exponential.h"

/* The probability of a standard normal number below x: from erfc(|x| / sqrt 2) / 2, that below -|x|. */
INLINE real NAME(normal_distribution)(real x) {
    real z = (x < 0 ? -x : x) * (real)SQRT_HALF;
    z = z < FAR ? z : FAR;
    real t = 2 / (2 + z), u = (8 * t - 5) / 3, sum = (real)exponent[COEFFICIENTS - 1];
    _Pragma("GCC unroll 17") for (int k = COEFFICIENTS - 2; k >= 0; k--) {
        sum = sum * u + (real)exponent[k];
    }
    real below = (real)0.5 * t * NAME(exponential_of)(sum - z * z);
    return x > 0 ? 1 - below : below;
}

INLINE real NAME(gelu_slope)(real x) {
    real density = NAME(exponential_of)(x * x * (real)-0.5) * (real)(ROOT / 2);
    return NAME(normal_distribution)(x) + x * density;
}

INLINE real NAME(gelu_tanh_slope)(real x) {
    real tanh = NAME(tanh_of)((real)ROOT * (x + (real)CUBIC * x * x * x));
    real inner = (real)ROOT * (1 + (real)(3 * CUBIC) * x * x);
    return (real)0.5 * (1 + tanh) + (real)0.5 * x * (1 - tanh * tanh) * inner;
}

INLINE real NAME(silu_slope)(real x) {
    real share = NAME(sigmoid_of)(x);
    return share * (1 + x * (1 - share));
}

/* exp(x) - 1 for x of at most 0. */
INLINE real NAME(exponential_less_one)(real x) {
    real power, rest = NAME(exponential_of_rest)(x, &power);
    return power * rest + (power - 1);
}

INLINE real NAME(hardswish_of)(real x) {
    real moved = x + 3, low = moved < 0 ? 0 : moved;
    return x * (low > 6 ? 6 : low) / 6;
}

INLINE real NAME(hardswish_slope)(real x) {
    real size = x < 0 ? -x : x;
    return size < 3 ? x / 3 + (real)0.5 : x > 0 ? 1 : 0;
}

EACH(gelu, out[i] = x[i] * NAME(normal_distribution)(x[i]))
EACH(gelu_backward, out[i] = x[i] * NAME(gelu_slope)(y[i]))
EACH(gelu_tanh, real value = x[i];
     out[i] = (real)0.5 * value * (1 + NAME(tanh_of)((real)ROOT * (value + (real)CUBIC * value * value * value))))
EACH(gelu_tanh_backward, out[i] = x[i] * NAME(gelu_tanh_slope)(y[i]))
EACH(silu, out[i] = x[i] * NAME(sigmoid_of)(x[i]))
EACH(silu_backward, out[i] = x[i] * NAME(silu_slope)(y[i]))
EACH(elu, real value = x[i]; real low = a * NAME(exponential_less_one)(value < 0 ? value : value > 0 ? 0 : value);
     out[i] = value > 0 ? value : low)
EACH(elu_backward, real value = y[i]; real low = a * NAME(exponential_of)(value < 0 ? value : value > 0 ? 0 : value);
     out[i] = x[i] * (value > 0 ? 1 : low))
EACH(hardswish, out[i] = NAME(hardswish_of)(x[i]))
EACH(hardswish_backward, out[i] = x[i] * NAME(hardswish_slope)(y[i]))
EACH(softplus, real scaled = a * x[i]; real low = NAME(softplus_of)(scaled) / a; out[i] = scaled > b ? x[i] : low)
EACH(softplus_backward, real scaled = a * y[i]; real low = NAME(sigmoid_of)(scaled); out[i] = x[i] * (scaled > b ? 1 : low))
#undef EACH

#define CURVE(name)                                                                                                 \
    void NAME(name)(const real *x, double a, double b, int64_t length, real *out) {                                 \
        NAME(Elements) elements = {.x = x, .a = (real)a, .b = (real)b, .out = out, .length = length};               \
        run_pieces(NAME(name##_piece), &elements, length);                                                          \
    }                                                                                                               \
    void NAME(name##_backward)(const real *grad, const real *x, double a, double b, int64_t length, real *out) {    \
        NAME(Elements) elements = {.x = grad, .y = x, .a = (real)a, .b = (real)b, .out = out, .length = length};    \
        run_pieces(NAME(name##_backward_piece), &elements, length);                                                 \
    }
CURVE(gelu)
CURVE(gelu_tanh)
CURVE(silu)
CURVE(elu)
CURVE(hardswish)
CURVE(softplus)
#undef CURVE
#endif
