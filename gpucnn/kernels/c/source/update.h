/* One optimizer step over flat arrays of `length`, in place and in one pass. Formulas as in interface.Update.
 *
 * `scales`, unless NULL, holds what changes from step to step: lr, root and shrink, which replace those given, and
 * whether to halt, which leaves everything as it is. */
#ifndef GPUCNN_UPDATE_H
#define GPUCNN_UPDATE_H

#include <stdint.h>

/* p -= lr * d, with d = g + decay * p. */
void sgd_float(const float *gradient, const double *scales, double lr, double decay, int64_t length, float *parameters);
void sgd_double(const double *gradient, const double *scales, double lr, double decay, int64_t length, double *parameters);

/* v = momentum * v + d, p -= lr * v. */
void momentum_float(const float *gradient, float *velocity, const double *scales, double lr, double momentum,
                    double decay, int64_t length, float *parameters);
void momentum_double(const double *gradient, double *velocity, const double *scales, double lr, double momentum,
                     double decay, int64_t length, double *parameters);

/* v = momentum * v + d, p -= lr * (d + momentum * v). */
void nesterov_float(const float *gradient, float *velocity, const double *scales, double lr, double momentum,
                    double decay, int64_t length, float *parameters);
void nesterov_double(const double *gradient, double *velocity, const double *scales, double lr, double momentum,
                     double decay, int64_t length, double *parameters);

/* mean = beta1 * mean + (1 - beta1) * d, square = beta2 * square + (1 - beta2) * d * d,
 * p = shrink * p - lr * mean / (root * sqrt(square) + eps). */
void adam_float(const float *gradient, float *mean, float *square, const double *scales, double lr, double beta1,
                double beta2, double root, double eps, double decay, double shrink, int64_t length, float *parameters);
void adam_double(const double *gradient, double *mean, double *square, const double *scales, double lr, double beta1,
                 double beta2, double root, double eps, double decay, double shrink, int64_t length,
                 double *parameters);

/* square and mean as adam's, with alpha for both; v = momentum * v + d / (sqrt(variance) + eps), p -= lr * v, where
 * variance is square, or if centered square - mean * mean, at least 0. */
void rmsprop_float(const float *gradient, float *velocity, float *square, float *mean, const double *scales, double lr,
                   double alpha, double eps, double momentum, double decay, int centered, int64_t length,
                   float *parameters);
void rmsprop_double(const double *gradient, double *velocity, double *square, double *mean, const double *scales,
                    double lr, double alpha, double eps, double momentum, double decay, int centered, int64_t length,
                    double *parameters);

/* average += (1 - momentum) * (g - average); out = average, or if nesterov g + momentum * (average - g). Where it halts
 * the average stays. */
void muon_direction_float(const float *gradient, float *average, const double *scales, double momentum, int nesterov,
                          int64_t length, float *out);
void muon_direction_double(const double *gradient, double *average, const double *scales, double momentum,
                           int nesterov, int64_t length, double *out);

#endif
