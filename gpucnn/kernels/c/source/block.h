/* The innermost part of every contraction: a few rows of a product, their sums in registers.
 *
 *     out[r, v] = bias[r] + sum over four nested loops of w[r] * x[v], with relu no less than 0
 */
#ifndef GPUCNN_BLOCK_H
#define GPUCNN_BLOCK_H

#include "vector.h"

/* Four nested loops over what is summed, the innermost last. */
typedef struct {
    int64_t count[4];
    ptrdiff_t x[4], w[4]; /* steps, in numbers */
} Sums;

/* (rows, up to BLOCK_ROWS, or TALL_ROWS of no more than a vector; how many neighbouring numbers v; loops; x; w, and its
 * step from a row to the next; bias or NULL; whether sums start from the bias, else from out; relu; out, and its step
 * from a row to the next) */
typedef void (*Block_float)(int, int64_t, const Sums *, const float *, const float *, ptrdiff_t, const float *, int,
                            int, float *, ptrdiff_t);
typedef void (*Block_double)(int, int64_t, const Sums *, const double *, const double *, ptrdiff_t, const double *, int,
                             int, double *, ptrdiff_t);

/* The widest block for rows of so many numbers, and how many of them it takes; where there is one row alone, it may be
 * a block that takes no more. */
Block_float block_for_float(int64_t rows, int64_t length, int64_t *taken);
Block_double block_for_double(int64_t rows, int64_t length, int64_t *taken);

#endif
