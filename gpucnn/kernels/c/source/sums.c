#ifndef real
#include "sums.h"
#include "threads.h"

#define SUM_BLOCK 4096 /* numbers added in their own precision; blocks are added up in double precision */
#define ROW_PARTS 8 /* so that a few long rows are shared too */
#define WORTH_SHARING (1 << 18) /* numbers that outweigh waking a thread */
#define FEW_ROWS 64

#define TEMPLATE "sums.c"
#include "each_real.h"
#else

typedef struct {
    const real *x;
    int64_t rows, length, parts;
    double *sums; /* (rows, parts) */
} NAME(RowSums);

/* The sum of at most SUM_BLOCK numbers, in four vectors. */
static double NAME(block_sum)(const real *x, int64_t length) {
    const int64_t lanes = (int64_t)(sizeof(NAME(vector)) / sizeof(real));
    NAME(vector) sum[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * lanes <= length; i += 4 * lanes) {
        UNROLL for (int v = 0; v < 4; v++) {
            sum[v] += *(const NAME(vector) *)(x + i + v * lanes);
        }
    }
    for (; i + lanes <= length; i += lanes) {
        sum[0] += *(const NAME(vector) *)(x + i);
    }
    NAME(vector) all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    double total = 0;
    for (int l = 0; l < lanes; l++) {
        total += ((const real *)&all)[l];
    }
    for (; i < length; i++) {
        total += x[i];
    }
    return total;
}

static void NAME(sum_part)(void *context, int64_t task) {
    const NAME(RowSums) *s = context;
    int64_t row = task / s->parts, part = task % s->parts, blocks = (s->length + SUM_BLOCK - 1) / SUM_BLOCK;
    double sum = 0;
    for (int64_t b = blocks * part / s->parts; b < blocks * (part + 1) / s->parts; b++) {
        int64_t left = s->length - b * SUM_BLOCK;
        sum += NAME(block_sum)(s->x + row * s->length + b * SUM_BLOCK, left < SUM_BLOCK ? left : SUM_BLOCK);
    }
    s->sums[task] = sum;
}

/* At most FEW_ROWS rows. */
static void NAME(sum_rows)(const real *x, int64_t rows, int64_t length, real *out) {
    double sums[FEW_ROWS * ROW_PARTS];
    NAME(RowSums) context = {x, rows, length, length < ROW_PARTS * SUM_BLOCK ? 1 : ROW_PARTS, sums};
    run_if(rows * length >= WORTH_SHARING, NAME(sum_part), &context, rows * context.parts);
    for (int64_t row = 0; row < rows; row++) {
        double sum = 0;
        for (int64_t part = 0; part < context.parts; part++) {
            sum += sums[row * context.parts + part];
        }
        out[row] = (real)sum;
    }
}

void NAME(row_sums)(const real *x, int64_t rows, int64_t length, real *out) {
    for (int64_t row = 0; row < rows; row += FEW_ROWS) {
        NAME(sum_rows)(x + row * length, rows - row < FEW_ROWS ? rows - row : FEW_ROWS, length, out + row);
    }
}

void NAME(add_parts)(const real *restrict x, int64_t parts, int64_t length, real *restrict out) {
    for (int64_t part = 0; part < parts; part++, x += length) {
        for (int64_t i = 0; i < length; i++) {
            out[i] = part ? out[i] + x[i] : x[i];
        }
    }
}
#endif
