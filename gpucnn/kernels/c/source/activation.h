/* Activations and dropout, element by element over `length` of them. */
#ifndef GPUCNN_ACTIVATION_H
#define GPUCNN_ACTIVATION_H

#include <stdint.h>

/* out = x where x > 0 or is NaN, else 0. */
void relu_float(const float *x, int64_t length, float *out);
void relu_double(const double *x, int64_t length, double *out);

/* out = grad where y > 0, else 0. */
void relu_backward_float(const float *grad, const float *y, int64_t length, float *out);
void relu_backward_double(const double *grad, const double *y, int64_t length, double *out);

/* out = value where x > 0, else slope * value: forward with x as value, backward with the gradient. */
void leaky_relu_float(const float *value, const float *x, double slope, int64_t length, float *out);
void leaky_relu_double(const double *value, const double *x, double slope, int64_t length, double *out);

/* scales = scale where they are at least p, else 0; out = x * scales. */
void dropout_float(const float *x, double p, double scale, int64_t length, float *scales, float *out);
void dropout_double(const double *x, double p, double scale, int64_t length, double *scales, double *out);

/* out = x * y. */
void multiply_float(const float *x, const float *y, int64_t length, float *out);
void multiply_double(const double *x, const double *y, int64_t length, double *out);

/* out = 1 / (1 + exp(-x)). This and what follows is in exponential.c. */
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
