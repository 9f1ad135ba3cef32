/* Batch normalisation over x (rows, length): each channel is a row. All other arrays have a number for each row. */
#ifndef GPUCNN_NORM_H
#define GPUCNN_NORM_H

#include <stdint.h>

/* mean and (biased) variance of each row. */
void norm_statistics_float(const float *x, int64_t rows, int64_t length, float *mean, float *variance);
void norm_statistics_double(const double *x, int64_t rows, int64_t length, double *mean, double *variance);

/* out = (x - mean) * inverse * weight + bias; with `relu` what is below 0 becomes 0. */
void norm_forward_float(const float *x, const float *mean, const float *inverse, const float *weight,
                        const float *bias, int relu, int64_t rows, int64_t length, float *out);
void norm_forward_double(const double *x, const double *mean, const double *inverse, const double *weight,
                         const double *bias, int relu, int64_t rows, int64_t length, double *out);

/* The gradients of norm_forward by x (out), weight and bias; `own`: mean and inverse are x's own, and depend on it. */
void norm_backward_float(const float *grad, const float *x, const float *mean, const float *inverse,
                         const float *weight, const float *bias, int relu, int own, int64_t rows, int64_t length,
                         float *grad_weight, float *grad_bias, float *out);
void norm_backward_double(const double *grad, const double *x, const double *mean, const double *inverse,
                          const double *weight, const double *bias, int relu, int own, int64_t rows, int64_t length,
                         double *grad_weight, double *grad_bias, double *out);

#endif
