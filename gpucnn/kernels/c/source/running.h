/* The statistics (length,) of batch normalisation. */
#ifndef GPUCNN_RUNNING_H
#define GPUCNN_RUNNING_H

#include <stdint.h>

/* out = 1 / sqrt(variance + eps). */
void norm_inverse_float(const float *variance, double eps, int64_t length, float *out);
void norm_inverse_double(const double *variance, double eps, int64_t length, double *out);

/* running += (factor * batch - running) * momentum. */
void norm_move_float(const float *batch, double factor, double momentum, int64_t length, float *running);
void norm_move_double(const double *batch, double factor, double momentum, int64_t length, double *running);

#endif
