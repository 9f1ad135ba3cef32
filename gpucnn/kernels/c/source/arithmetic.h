/* Arithmetic of whole arrays of one length. */
#ifndef GPUCNN_ARITHMETIC_H
#define GPUCNN_ARITHMETIC_H

#include <stdint.h>

/* out = x + y; out may be x or y. */
void add_float(const float *x, const float *y, int64_t length, float *out);
void add_double(const double *x, const double *y, int64_t length, double *out);

/* out = *factor · x; out may be x. */
void scale_by_float(const float *x, const float *factor, int64_t length, float *out);
void scale_by_double(const double *x, const double *factor, int64_t length, double *out);

/* out = x. */
void copy_float(const float *x, int64_t length, float *out);
void copy_double(const double *x, int64_t length, double *out);

/* out (rows, length) += values (rows,), each along its row. */
void add_to_rows_float(const float *values, int64_t rows, int64_t length, float *out);
void add_to_rows_double(const double *values, int64_t rows, int64_t length, double *out);

/* out = value. */
void fill_float(double value, int64_t length, float *out);
void fill_double(double value, int64_t length, double *out);

#endif
