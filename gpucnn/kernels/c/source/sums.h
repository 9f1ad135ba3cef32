/* Sums along rows, and over parts. */
#ifndef GPUCNN_SUMS_H
#define GPUCNN_SUMS_H

#include <stdint.h>

/* out[r] = the sum of x (rows, length) along row r; added up in an order that depends on the length alone. */
void row_sums_float(const float *x, int64_t rows, int64_t length, float *out);
void row_sums_double(const double *x, int64_t rows, int64_t length, double *out);

/* out (length) = the sum over x (parts, length), one part after the other. */
void add_parts_float(const float *x, int64_t parts, int64_t length, float *out);
void add_parts_double(const double *x, int64_t parts, int64_t length, double *out);

#endif
