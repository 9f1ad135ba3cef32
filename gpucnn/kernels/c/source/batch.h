/* A minibatch out of a data set in memory: which images, and how they are changed, comes from tables. */
#ifndef GPUCNN_BATCH_H
#define GPUCNN_BATCH_H

#include <stdint.h>

/* places[i] = order[*cursor + i], chosen[i] = labels[places[i]] for i below `count`; 0 behind the order's end. */
void choose(const int64_t *order, int64_t size, const int64_t *cursor, const int64_t *labels, int64_t count,
            int64_t *places, int64_t *chosen);

/* The rows of a table, `row` bytes each, from number *cursor on: `bytes` in all, those that the table of `size` has. */
void copy_rows(const uint8_t *table, int64_t size, const int64_t *cursor, int64_t row, int64_t bytes, uint8_t *out);

/* The images at places (count,), copied one after the other: `bytes` in all; numbers (count,) = 0, 1, 2, ... */
void copy_images(const uint8_t *images, const int64_t *places, int64_t count, int64_t *numbers, int64_t bytes,
                 uint8_t *out);

/* Images (count, channels, height, width) moved by whole pixels, as kernels.numpy.Warp.moved does, with `hidden` boxes
 * an image; NULL for a change that is not made. */
void move(const uint8_t *images, const int64_t *offsets, const uint8_t *flips, const int64_t *boxes, int64_t border,
          int64_t hidden, int64_t count, int64_t channels, int64_t height, int64_t width, uint8_t *out);

#endif
