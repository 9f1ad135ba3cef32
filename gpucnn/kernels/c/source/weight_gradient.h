/* The gradient by a convolution's weight:
 *
 *     out[o, i, t] = sum over places p of grad[o, p] * x[i, p at tap t]
 *
 * Memory is batch-last, so both factors are read along neighbouring numbers, as many at a time as a vector holds. Rows
 * of places are cut into parts whose sums are added up in their order: by the shapes alone, whatever the threads.
 */
#ifndef GPUCNN_WEIGHT_GRADIENT_H
#define GPUCNN_WEIGHT_GRADIENT_H

#include "pool.h"

#include <stdint.h>

#define MOST_HANDED_IMAGES 2048

/* The places along one axis whose tap meets the input: from `first` on. Place p meets it at p * stride + offset. */
typedef struct {
    int64_t first, places, offset;
} Overlap;

typedef struct {
    int64_t groups, outs, ins, images; /* outs and ins are those of one group */
    int64_t out_sizes[3], in_sizes[3], kernel[3], stride[3], dilation[3];
    int64_t parts, shares;             /* of the rows; of the channels and taps, which different threads may take */
    Overlap overlaps[];                /* one a tap of the first axis, then of the second, then of the third */
} WeightPlan;

/* `parts`: (plan->parts, weight...), or NULL where that is 1. */
void weight_gradient_float(const WeightPlan *plan, const float *x, const float *grad, float *parts, float *out);
void weight_gradient_double(const WeightPlan *plan, const double *x, const double *grad, double *parts, double *out);

/* The same, where max-pooling follows: grad and `won` are those of pool_max_backward, of which `pooling` is the plan, over
 * the last two axes; images are no more than MOST_HANDED_IMAGES. */
void weight_gradient_pooled_float(const WeightPlan *plan, const PoolPlan *pooling, const float *x, const float *grad,
                                  const uint8_t *won, float *parts, float *out);
void weight_gradient_pooled_double(const WeightPlan *plan, const PoolPlan *pooling, const double *x, const double *grad,
                                   const uint8_t *won, double *parts, double *out);

#endif
