/* out (columns, rows) = x (rows, columns), transposed. */
#ifndef GPUCNN_TRANSPOSE_H
#define GPUCNN_TRANSPOSE_H

#include <stdint.h>

void transpose_float(const float *x, int64_t rows, int64_t columns, float *out);
void transpose_double(const double *x, int64_t rows, int64_t columns, double *out);

#endif
