#ifndef real
#include "losses.h"
#include "threads.h"
#include "vector.h"

#define WORTH_SHARING (1 << 15) /* losses that outweigh waking a thread */
#define SIDE_BY_SIDE 16         /* losses that are added up by themselves, whatever the vectors are */

#define TEMPLATE "losses.c"
#include "each_real.h"
#else
#include "exponential.h"

typedef struct {
    const LossPlan *plan;
    const real *x, *target;
    real *gradient;
    double *sums;
} NAME(Loss);

/* A row's losses and gradients, `loss` and `slope` of x, target t, d = x - t, beta, and the row's positive weight p. */
#define LOSS(name, loss, slope)                                                                                     \
    static void NAME(name##_row)(void *context, int64_t row) {                                                      \
        const NAME(Loss) *l = context;                                                                              \
        const int64_t length = l->plan->length;                                                                     \
        const real *positive = l->plan->positive, *weight = l->plan->weight, beta = (real)l->plan->beta;            \
        const real p = positive ? positive[row] : 1, w = weight ? weight[row] : 1, scale = (real)l->plan->scale * w;\
        const real *restrict xs = l->x + row * length, *restrict targets = l->target + row * length;                \
        double sums[SIDE_BY_SIDE] = {0}, total = 0;                                                                 \
        (void)p, (void)beta;                                                                                        \
        for (int64_t start = 0; start < length; start += SIDE_BY_SIDE) {                                            \
            real slopes[SIDE_BY_SIDE], x_here[SIDE_BY_SIDE] = {0}, t_here[SIDE_BY_SIDE] = {0};                      \
            int64_t count = length - start < SIDE_BY_SIDE ? length - start : SIDE_BY_SIDE;                          \
            memcpy(x_here, xs + start, (size_t)count * sizeof(real));                                               \
            memcpy(t_here, targets + start, (size_t)count * sizeof(real));                                          \
            for (int i = 0; i < SIDE_BY_SIDE; i++) {                                                                \
                const real x = x_here[i], t = t_here[i], d = x - t;                                                 \
                (void)d;                                                                                            \
                slopes[i] = (slope) * scale;                                                                        \
                sums[i] += i < count ? (double)(loss) : 0;                                                          \
            }                                                                                                       \
            if (l->gradient) {                                                                                      \
                memcpy(l->gradient + row * length + start, slopes, (size_t)count * sizeof(real));                   \
            }                                                                                                       \
        }                                                                                                           \
        for (int i = 0; i < SIDE_BY_SIDE; i++) {                                                                    \
            total += sums[i];                                                                                       \
        }                                                                                                           \
        l->sums[row] = total * (double)w;                                                                           \
    }                                                                                                               \
    void NAME(name)(const LossPlan *plan, const real *x, const real *target, real *gradient, double *sums,          \
                    real *result) {                                                                                 \
        NAME(Loss) context = {plan, x, target, gradient, sums};                                                     \
        double total = 0;                                                                                           \
        run_if(plan->rows * plan->length >= WORTH_SHARING, NAME(name##_row), &context, plan->rows);                 \
        for (int64_t row = 0; row < plan->rows; row++) {                                                            \
            total += sums[row];                                                                                     \
        }                                                                                                           \
        *result = (real)(total * plan->scale);                                                                      \
    }

/* 1, -1, or d where it is 0 or not a number. */
#define SIGN(d) ((d) > 0 ? 1 : (d) < 0 ? -1 : (d))
#define SIZE(d) ((d) < 0 ? -(d) : (d))

LOSS(squared_error, d * d, 2 * d)
LOSS(absolute_error, SIZE(d), SIGN(d))
LOSS(smooth_error, SIZE(d) < beta ? d * d / (2 * beta) : SIZE(d) - beta / 2, SIZE(d) < beta ? d / beta : SIGN(d))
LOSS(logit_loss, (1 - t) * x + (1 + (p - 1) * t) * NAME(softplus_of)(-x),
     (1 - t) - (1 + (p - 1) * t) * NAME(sigmoid_of)(-x))
#undef SIZE
#undef SIGN
#undef LOSS
#endif
