/* Activations of later networks over `length` numbers: forward of x, and backward, the gradient times the slope at x. */
#ifndef GPUCNN_CURVES_H
#define GPUCNN_CURVES_H

#include <stdint.h>

/* `a` and `b` are the options: of elu alpha, of softplus beta and the threshold, of the others nothing. */
#define CURVE(name)                                                                                                 \
    void name##_float(const float *x, double a, double b, int64_t length, float *out);                              \
    void name##_double(const double *x, double a, double b, int64_t length, double *out);                           \
    void name##_backward_float(const float *grad, const float *x, double a, double b, int64_t length, float *out);  \
    void name##_backward_double(const double *grad, const double *x, double a, double b, int64_t length, double *out);
CURVE(gelu)      /* x times the normal distribution's function at x */
CURVE(gelu_tanh) /* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
CURVE(silu)      /* x / (1 + exp(-x)) */
CURVE(elu)       /* x where x > 0, else a * (exp(x) - 1) */
CURVE(hardswish) /* x * min(max(x + 3, 0), 6) / 6 */
CURVE(softplus)  /* x where a * x > b, else log(1 + exp(a * x)) / a */
#undef CURVE

#endif
