/* Images of bytes turned, scaled and moved, sampled between pixels.
 *
 * `maps` (count, 4) has for every image the cosine and the sine of its turn, each over the scale, and how far it is
 * moved down and to the right, in pixels; turn and scale are about the centre. `displacements` (count, 2, height,
 * width), or NULL, is how much further down and to the right each pixel is sampled. What lies outside an image is 0.
 */
#ifndef GPUCNN_WARP_H
#define GPUCNN_WARP_H

#include <stdint.h>

void warp_float(const uint8_t *images, int64_t count, int64_t channels, int64_t height, int64_t width, uint8_t *out,
                const float *displacements, const float *maps);
void warp_double(const uint8_t *images, int64_t count, int64_t channels, int64_t height, int64_t width, uint8_t *out,
                 const double *displacements, const double *maps);

#endif
