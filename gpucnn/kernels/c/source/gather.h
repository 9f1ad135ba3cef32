/* Images, chosen by number, as normalised floating numbers in batch-last memory. */
#ifndef GPUCNN_GATHER_H
#define GPUCNN_GATHER_H

#include <stdint.h>

/* out[p, i] = (images[indices[i], p] - shift) * scale for images (any number, pixels), `size` bytes in all, and out
 * (pixels, count). There is one shift, or one for each channel, or for each pixel: `shifts` of them; `scales` alike.
 * Where an index is that of no image, out[0] is NaN, and nothing else is written. */
void gather_float(const uint8_t *images, int64_t size, const int64_t *indices, int64_t count, const float *shift,
                  int64_t shifts, const float *scale, int64_t scales, int64_t pixels, float *out);
void gather_double(const uint8_t *images, int64_t size, const int64_t *indices, int64_t count, const double *shift,
                   int64_t shifts, const double *scale, int64_t scales, int64_t pixels, double *out);

/* The same of floating images; places are not checked. */
void gather_floats_float(const float *images, int64_t size, const int64_t *places, const float *shift, int64_t shifts,
                         const float *scale, int64_t scales, int64_t pixels, int64_t count, float *out);
void gather_floats_double(const float *images, int64_t size, const int64_t *places, const double *shift,
                          int64_t shifts, const double *scale, int64_t scales, int64_t pixels, int64_t count,
                          double *out);

#endif
