#ifndef real
#include "norm.h"
#include "threads.h"

#define SUM_BLOCK 4096 /* numbers added in their own precision; blocks are added up in double precision */
#define SUMS 4 /* vectors added side by side */
#define WORTH_SHARING (1 << 17) /* numbers that outweigh waking a thread */

#define TEMPLATE "norm.c"
#include "each_real.h"
#else

typedef struct {
    const real *x, *grad, *mean, *inverse, *weight, *bias;
    real *means, *variances, *grad_weight, *grad_bias, *out;
    int own;
    int64_t length;
} NAME(Norm);

/* The sum over a row of `term`, of vectors a and b there and of `mean`. */
#define ROW_SUM(name, term)                                                                                         \
    static double NAME(name)(const real *a_row, const real *b_row, const real mean, int64_t length) {               \
        const int64_t lanes = (int64_t)(sizeof(NAME(vector)) / sizeof(real));                                       \
        double total = 0;                                                                                           \
        (void)mean, (void)b_row;                                                                                    \
        for (int64_t start = 0; start < length; start += SUM_BLOCK) {                                               \
            int64_t i = start, stop = length - start < SUM_BLOCK ? length : start + SUM_BLOCK;                      \
            NAME(vector) sum[SUMS] = {{0}};                                                                         \
            for (; i + SUMS * lanes <= stop; i += SUMS * lanes) {                                                   \
                UNROLL for (int v = 0; v < SUMS; v++) {                                                             \
                    NAME(vector) a = *(const NAME(vector) *)(a_row + i + v * lanes);                                \
                    NAME(vector) b = *(const NAME(vector) *)(b_row + i + v * lanes);                                \
                    (void)b;                                                                                        \
                    sum[v] += term;                                                                                 \
                }                                                                                                   \
            }                                                                                                       \
            NAME(vector) all = (sum[0] + sum[1]) + (sum[2] + sum[3]);                                               \
            for (int l = 0; l < lanes; l++) {                                                                       \
                total += ((const real *)&all)[l];                                                                   \
            }                                                                                                       \
            for (; i < stop; i++) {                                                                                 \
                real a = a_row[i], b = b_row[i];                                                                    \
                (void)b;                                                                                            \
                total += term;                                                                                      \
            }                                                                                                       \
        }                                                                                                           \
        return total;                                                                                               \
    }

ROW_SUM(sum_of_row, a)
ROW_SUM(sum_of_squares, (a - mean) * (a - mean))
ROW_SUM(sum_of_products, a * (b - mean))
#undef ROW_SUM

static void NAME(statistics_of_row)(void *context, int64_t row) {
    const NAME(Norm) *n = context;
    const real *x = n->x + row * n->length;
    real mean = (real)(NAME(sum_of_row)(x, x, 0, n->length) / n->length);
    n->means[row] = mean;
    n->variances[row] = (real)(NAME(sum_of_squares)(x, x, mean, n->length) / n->length);
}

static void NAME(forward_of_row)(void *context, int64_t row) {
    const NAME(Norm) *n = context;
    const real *restrict x = n->x + row * n->length;
    const real mean = n->mean[row], factor = n->inverse[row] * n->weight[row], bias = n->bias[row];
    real *restrict out = n->out + row * n->length;
    for (int64_t i = 0, length = n->length; i < length; i++) {
        out[i] = (x[i] - mean) * factor + bias;
    }
}

static void NAME(backward_of_row)(void *context, int64_t row) {
    const NAME(Norm) *n = context;
    const real *restrict x = n->x + row * n->length, *restrict grad = n->grad + row * n->length;
    const real mean = n->mean[row], inverse = n->inverse[row], factor = n->weight[row] * inverse;
    real *restrict out = n->out + row * n->length;
    const int64_t length = n->length;
    double grad_bias = NAME(sum_of_row)(grad, grad, 0, length);
    double grad_weight = NAME(sum_of_products)(grad, x, mean, length) * inverse;
    n->grad_bias[row] = (real)grad_bias;
    n->grad_weight[row] = (real)grad_weight;
    const real level = n->own ? (real)(grad_bias / length) : 0;
    const real slope = n->own ? (real)(grad_weight * inverse / length) : 0;
    for (int64_t i = 0; i < length; i++) {
        out[i] = (grad[i] - level - (x[i] - mean) * slope) * factor;
    }
}

static void NAME(each_row)(Task task, NAME(Norm) *context, int64_t rows) {
    run_if(rows * context->length >= WORTH_SHARING, task, context, rows);
}

void NAME(norm_statistics)(const real *x, int64_t rows, int64_t length, real *mean, real *variance) {
    NAME(Norm) context = {.x = x, .length = length, .means = mean, .variances = variance};
    NAME(each_row)(NAME(statistics_of_row), &context, rows);
}

void NAME(norm_forward)(const real *x, const real *mean, const real *inverse, const real *weight, const real *bias,
                        int64_t rows, int64_t length, real *out) {
    NAME(Norm) context = {.x = x, .mean = mean, .inverse = inverse, .weight = weight, .bias = bias, .length = length,
                          .out = out};
    NAME(each_row)(NAME(forward_of_row), &context, rows);
}

void NAME(norm_backward)(const real *grad, const real *x, const real *mean, const real *inverse, const real *weight,
                         int own, int64_t rows, int64_t length, real *grad_weight, real *grad_bias, real *out) {
    NAME(Norm) context = {.x = x, .grad = grad, .mean = mean, .inverse = inverse, .weight = weight, .own = own,
                          .length = length, .grad_weight = grad_weight, .grad_bias = grad_bias, .out = out};
    NAME(each_row)(NAME(backward_of_row), &context, rows);
}
#endif
