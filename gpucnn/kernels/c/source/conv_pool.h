/* Convolution and max-pooling of its results, which are in memory a few rows at a time, within the first caches.
 *
 * The pooling is over the last two axes, and its windows do not reach into each other.
 */
#ifndef GPUCNN_CONV_POOL_H
#define GPUCNN_CONV_POOL_H

#include "contract.h"
#include "pool.h"

#define POOLED_BYTES (1 << 17) /* of results that are pooled at a time; one place of BLOCK_ROWS outs has to fit */

/* `bias` and `winners` may be NULL; `winners` and `relu` as in pool_max. */
void conv_pool_float(const Plan *plan, const PoolPlan *pooling, const float *x, const float *w, const float *bias,
                     uint8_t *winners, int relu, float *out);
void conv_pool_double(const Plan *plan, const PoolPlan *pooling, const double *x, const double *w, const double *bias,
                      uint8_t *winners, int relu, double *out);

#endif
