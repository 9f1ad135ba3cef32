/* out (rows) = w (rows, columns) · x (columns) + bias, with relu no less than 0: the linear map of one image.
 *
 * Its numbers are neighbours along what is summed, not along images, so that is where the vectors run. */
#ifndef GPUCNN_MATRIX_VECTOR_H
#define GPUCNN_MATRIX_VECTOR_H

#include <stdint.h>

void matrix_vector_float(const float *w, int64_t rows, int64_t columns, const float *x, const float *bias, int relu,
                         float *out);
void matrix_vector_double(const double *w, int64_t rows, int64_t columns, const double *x, const double *bias,
                          int relu, double *out);

#endif
