/* Sigmoid and the hyperbolic tangent, element by element over `length` of them. */
#ifndef GPUCNN_EXPONENTIAL_H
#define GPUCNN_EXPONENTIAL_H

#include <stdint.h>

/* out = 1 / (1 + exp(-x)). */
void sigmoid_float(const float *x, int64_t length, float *out);
void sigmoid_double(const double *x, int64_t length, double *out);

/* out = grad * y * (1 - y), with the result y of sigmoid. */
void sigmoid_backward_float(const float *grad, const float *y, int64_t length, float *out);
void sigmoid_backward_double(const double *grad, const double *y, int64_t length, double *out);

/* tanh = tanh(slope * x), out = amplitude * tanh. */
void scaled_tanh_float(const float *x, double amplitude, double slope, int64_t length, float *tanh, float *out);
void scaled_tanh_double(const double *x, double amplitude, double slope, int64_t length, double *tanh, double *out);

/* out = grad * factor * (1 - tanh^2). */
void scaled_tanh_backward_float(const float *grad, const float *tanh, double factor, int64_t length, float *out);
void scaled_tanh_backward_double(const double *grad, const double *tanh, double factor, int64_t length, double *out);

#endif
