/* Pooling over windows: the largest value or the average, and their gradients.
 *
 * All are one walk: for every place that is written, over the places it meets. Forward an output meets the pixels under
 * its window; backward a pixel meets the outputs whose windows reach it. Memory is batch-last: (C, D, H, W, N).
 */
#ifndef GPUCNN_POOL_H
#define GPUCNN_POOL_H

#include "contract.h"

#define NO_TAP 255 /* of a window that passes no gradient on; so a window has at most 255 taps */

typedef struct {
    int64_t channels, images;
    int64_t places[3], sources[3];                   /* sizes of what is written, and of what is read */
    int64_t tap[3], tap_step[3], source_step[3];     /* numbers of taps in a step along each axis; and a Run's steps */
    Meeting tables[];                                /* one a place of the first axis, of the second, of the third */
} PoolPlan;

/* out = the largest x, in `relu` of it and 0; `winners`, unless NULL, the number of its tap, where ReLU lets a gradient
 * through. A NaN is larger than any number. */
void pool_max_float(const PoolPlan *plan, const float *x, uint8_t *winners, int relu, float *out);
void pool_max_double(const PoolPlan *plan, const double *x, uint8_t *winners, int relu, double *out);

/* out = for each pixel the sum of grad over the outputs that it won. */
void pool_max_backward_float(const PoolPlan *plan, const float *grad, const uint8_t *winners, float *out);
void pool_max_backward_double(const PoolPlan *plan, const double *grad, const uint8_t *winners, double *out);

/* Part of a row of places: the places [place, stop) of row number `row` over the first two axes, and what they read and
 * write there. x (the gradient in a backward) and `won` begin with place `first` of the line that the row meets first,
 * and a line has `pitch` places. */
#define POOL_LINE(type)                                                                                             \
    struct PoolLine_##type {                                                                                        \
        int64_t row, place, stop, first, pitch;                                                                     \
        const type *x;                                                                                              \
        const uint8_t *won;                                                                                         \
        uint8_t *winners;                                                                                           \
        type *out;                                                                                                  \
    }
POOL_LINE(float);
POOL_LINE(double);
#undef POOL_LINE

/* pool_max and pool_max_backward of one map's line. */
void pool_max_line_float(const PoolPlan *plan, const struct PoolLine_float *line, int relu);
void pool_max_line_double(const PoolPlan *plan, const struct PoolLine_double *line, int relu);
void pool_max_backward_line_float(const PoolPlan *plan, const struct PoolLine_float *line);
void pool_max_backward_line_double(const PoolPlan *plan, const struct PoolLine_double *line);

/* out = the sum of x under the window, over counts, one for each output. */
void pool_average_float(const PoolPlan *plan, const float *x, const float *counts, float *out);
void pool_average_double(const PoolPlan *plan, const double *x, const double *counts, double *out);

/* out = for each pixel the sum of grad / counts over the windows it lies in. */
void pool_average_backward_float(const PoolPlan *plan, const float *grad, const float *counts, float *out);
void pool_average_backward_double(const PoolPlan *plan, const double *grad, const double *counts, double *out);

#endif
