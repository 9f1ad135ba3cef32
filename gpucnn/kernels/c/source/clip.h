/* Clipping gradients, in place, by their norm or their values; and scaling them. */
#ifndef GPUCNN_CLIP_H
#define GPUCNN_CLIP_H

#include <stdint.h>

/* sums[number] = the sum of the squares of `length` numbers, in an order that depends on their number alone. */
void square_sum_float(double *sums, int64_t number, int64_t length, const float *x);
void square_sum_double(double *sums, int64_t number, int64_t length, const double *x);

/* norm = the root of the sum of `count` sums. */
void norm_of_float(const double *sums, int64_t count, float *norm);
void norm_of_double(const double *sums, int64_t count, double *norm);

/* x *= most / (norm + 1e-6) where that is less than 1. */
void clip_norm_float(const float *norm, double most, int64_t length, float *x);
void clip_norm_double(const double *norm, double most, int64_t length, double *x);

/* x /= norm, or eps where that is larger. */
void unit_norm_float(const float *norm, double eps, int64_t length, float *x);
void unit_norm_double(const double *norm, double eps, int64_t length, double *x);

/* x *= factor. */
void scale_float(double factor, int64_t length, float *x);
void scale_double(double factor, int64_t length, double *x);

/* x = x limited to +-most. */
void clip_value_float(double most, int64_t length, float *x);
void clip_value_double(double most, int64_t length, double *x);

#endif
