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
    int own, relu;
    int64_t length;
} NAME(Norm);

/* The sum over a block of a row of `term`, of vectors a and b there and of `mean`. */
#define BLOCK_SUM(name, term)                                                                                       \
    static double NAME(name)(const real *a_row, const real *b_row, const real mean, int64_t length) {               \
        const int64_t lanes = (int64_t)(sizeof(NAME(vector)) / sizeof(real));                                       \
        double total = 0;                                                                                           \
        (void)mean, (void)b_row;                                                                                    \
        NAME(vector) sum[SUMS] = {{0}};                                                                             \
        int64_t i = 0;                                                                                              \
        for (; i + SUMS * lanes <= length; i += SUMS * lanes) {                                                     \
            UNROLL for (int v = 0; v < SUMS; v++) {                                                                 \
                NAME(vector) a = *(const NAME(vector) *)(a_row + i + v * lanes);                                    \
                NAME(vector) b = *(const NAME(vector) *)(b_row + i + v * lanes);                                    \
                (void)b;                                                                                            \
                sum[v] += term;                                                                                     \
            }                                                                                                       \
        }                                                                                                           \
        NAME(vector) all = (sum[0] + sum[1]) + (sum[2] + sum[3]);                                                   \
        for (int l = 0; l < lanes; l++) {                                                                           \
            total += ((const real *)&all)[l];                                                                       \
        }                                                                                                           \
        for (; i < length; i++) {                                                                                   \
            real a = a_row[i], b = b_row[i];                                                                        \
            (void)b;                                                                                                \
            total += term;                                                                                          \
        }                                                                                                           \
        return total;                                                                                               \
    }

BLOCK_SUM(sum_of, a)
BLOCK_SUM(sum_of_squares, (a - mean) * (a - mean))
BLOCK_SUM(sum_of_products, a * (b - mean))
#undef BLOCK_SUM

/* Block after block, which its two passes find in the first cache. What a block adds to the squares is that about its
 * own mean, and what moving the mean adds: T. Chan, G. Golub, R. LeVeque, Updating Formulae, 1979. */
static void NAME(statistics_of_row)(void *context, int64_t row) {
    const NAME(Norm) *n = context;
    double mean = 0, squares = 0;
    for (int64_t start = 0; start < n->length; start += SUM_BLOCK) {
        int64_t length = n->length - start < SUM_BLOCK ? n->length - start : SUM_BLOCK;
        const real *x = n->x + row * n->length + start;
        double sum = NAME(sum_of)(x, x, 0, length), own = sum / length;
        double rounded = own - (real)own, moved = own - mean; /* squares are about the mean as rounded to `real` */
        squares += NAME(sum_of_squares)(x, x, (real)own, length) - rounded * rounded * length +
                   moved * moved * start * length / (start + length);
        mean += moved * length / (start + length);
    }
    n->means[row] = (real)mean;
    n->variances[row] = (real)(squares / n->length);
}

/* The result before ReLU; the gradient asks for its sign again. */
INLINE real NAME(normalised)(real x, real mean, real factor, real bias) { return (x - mean) * factor + bias; }

static void NAME(forward_of_row)(void *context, int64_t row) {
    const NAME(Norm) *n = context;
    const real *restrict x = n->x + row * n->length;
    const real mean = n->mean[row], factor = n->inverse[row] * n->weight[row], bias = n->bias[row];
    real *restrict out = n->out + row * n->length;
    if (n->relu) {
        for (int64_t i = 0, length = n->length; i < length; i++) {
            real value = NAME(normalised)(x[i], mean, factor, bias);
            out[i] = value <= 0 ? 0 : value;
        }
    } else {
        for (int64_t i = 0, length = n->length; i < length; i++) {
            out[i] = NAME(normalised)(x[i], mean, factor, bias);
        }
    }
}

/* to = grad where ReLU let the result through, else 0. */
static void NAME(through_relu)(const real *restrict grad, const real *restrict x, real mean, real factor, real bias,
                               int64_t length, real *restrict to) {
    for (int64_t i = 0; i < length; i++) {
        real value = grad[i];
        to[i] = NAME(normalised)(x[i], mean, factor, bias) > 0 ? value : 0;
    }
}

/* Block after block; with ReLU the gradient before it is left in `out`, which is all that its own block reads. */
static void NAME(backward_of_row)(void *context, int64_t row) {
    const NAME(Norm) *n = context;
    const int64_t length = n->length;
    const real *restrict x = n->x + row * length;
    const real mean = n->mean[row], inverse = n->inverse[row], factor = n->weight[row] * inverse;
    const real *grad = n->relu ? n->out + row * length : n->grad + row * length;
    real *out = n->out + row * length;
    double grad_bias = 0, grad_weight = 0;
    for (int64_t start = 0; start < length; start += SUM_BLOCK) {
        int64_t count = length - start < SUM_BLOCK ? length - start : SUM_BLOCK;
        if (n->relu) {
            NAME(through_relu)(n->grad + row * length + start, x + start, mean, inverse * n->weight[row], n->bias[row],
                               count, out + start);
        }
        grad_bias += NAME(sum_of)(grad + start, grad + start, 0, count);
        grad_weight += NAME(sum_of_products)(grad + start, x + start, mean, count);
    }
    grad_weight *= inverse;
    n->grad_bias[row] = (real)grad_bias;
    n->grad_weight[row] = (real)grad_weight;
    const real level = n->own ? (real)(grad_bias / length) : 0;
    const real slope = n->own ? (real)(grad_weight * inverse / length) : 0;
#pragma GCC ivdep
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
                        int relu, int64_t rows, int64_t length, real *out) {
    NAME(Norm) context = {.x = x, .mean = mean, .inverse = inverse, .weight = weight, .bias = bias, .relu = relu,
                          .length = length, .out = out};
    NAME(each_row)(NAME(forward_of_row), &context, rows);
}

void NAME(norm_backward)(const real *grad, const real *x, const real *mean, const real *inverse, const real *weight,
                         const real *bias, int relu, int own, int64_t rows, int64_t length, real *grad_weight,
                         real *grad_bias, real *out) {
    NAME(Norm) context = {.x = x, .grad = grad, .mean = mean, .inverse = inverse, .weight = weight, .bias = bias,
                          .relu = relu, .own = own, .length = length, .grad_weight = grad_weight, .grad_bias = grad_bias, .out = out};
    NAME(each_row)(NAME(backward_of_row), &context, rows);
}
#endif
