/* Losses of each number of x against that of target, (rows, length): *total = scale * their sum; gradient (rows,
 * length), where it is not NULL, becomes that of *total by x. `sums` (rows,) is memory. */
#ifndef GPUCNN_LOSSES_H
#define GPUCNN_LOSSES_H

#include <stdint.h>

/* positive and weight (rows,), of logit_loss, may be NULL: they are 1. beta is of smooth_error. */
typedef struct {
    int64_t rows, length;
    const void *positive, *weight;
    double beta, scale;
} LossPlan;

#define LOSS(name)                                                                                                  \
    void name##_float(const LossPlan *plan, const float *x, const float *target, float *gradient, double *sums,     \
                      float *total);                                                                                \
    void name##_double(const LossPlan *plan, const double *x, const double *target, double *gradient, double *sums, \
                       double *total);
LOSS(squared_error)  /* (x - target)^2 */
LOSS(absolute_error) /* |x - target| */
LOSS(smooth_error)   /* with d = |x - target|: d^2 / (2 beta) where d < beta, else d - beta / 2 */
LOSS(logit_loss)     /* weight ((1 - target) x + (1 + (positive - 1) target) log(1 + exp(-x))) */
#undef LOSS

#endif
