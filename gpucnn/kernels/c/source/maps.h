/* Whole maps (channels, pixels, images): pooling over all of each. */
#ifndef GPUCNN_MAPS_H
#define GPUCNN_MAPS_H

#include <stdint.h>

/* out (channels, images) = the mean over the pixels. */
void map_means_float(const float *x, int64_t channels, int64_t pixels, int64_t images, float *out);
void map_means_double(const double *x, int64_t channels, int64_t pixels, int64_t images, double *out);

/* out (channels, pixels, images) = grad (channels, images) / pixels. */
void map_shares_float(const float *grad, int64_t channels, int64_t pixels, int64_t images, float *out);
void map_shares_double(const double *grad, int64_t channels, int64_t pixels, int64_t images, double *out);

#endif
