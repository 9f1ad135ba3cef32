#ifndef real
#include "matrix_vector.h"
#include "threads.h"
#include "vector.h"

#define ROWS 4                   /* of one block, whose sums do not wait for each other */
#define TASK_ROWS 64             /* a multiple of ROWS */
#define WORTH_SHARING (1 << 18)  /* multiply-adds that outweigh waking a thread */

#define TEMPLATE "matrix_vector.c"
#include "each_real.h"
#else

typedef struct {
    const real *w, *x, *bias;
    int64_t rows, columns;
    int relu;
    real *out;
} NAME(Product);

/* `rows` rows from `row` on. */
INLINE void NAME(block)(const NAME(Product) *p, int64_t row, const int rows) {
    enum { LANES = sizeof(NAME(vector)) / sizeof(real) };
    NAME(vector) sum[ROWS] = {{0}};
    const real *w = p->w + row * p->columns;
    int64_t at = 0, rest = p->columns % LANES;
    for (; at < p->columns - rest; at += LANES) {
        NAME(vector) x = *(const NAME(vector) *)(p->x + at);
        UNROLL for (int r = 0; r < rows; r++) {
            sum[r] += x * *(const NAME(vector) *)(w + r * p->columns + at);
        }
    }
    if (rest) {
        NAME(vector) x = NAME(load_some)(p->x + at, rest);
        UNROLL for (int r = 0; r < rows; r++) {
            sum[r] += x * NAME(load_some)(w + r * p->columns + at, rest);
        }
    }
    UNROLL for (int r = 0; r < rows; r++) {
        real total = NAME(total)(sum[r]) + (p->bias ? p->bias[row + r] : 0);
        p->out[row + r] = p->relu && total < 0 ? 0 : total;
    }
}

static void NAME(some_rows)(void *context, int64_t index) {
    const NAME(Product) *p = context;
    int64_t row = index * TASK_ROWS, stop = row + TASK_ROWS < p->rows ? row + TASK_ROWS : p->rows;
    for (; row + ROWS <= stop; row += ROWS) {
        NAME(block)(p, row, ROWS);
    }
    for (; row < stop; row++) {
        NAME(block)(p, row, 1);
    }
}

void NAME(matrix_vector)(const real *w, int64_t rows, int64_t columns, const real *x, const real *bias, int relu,
                         real *out) {
    NAME(Product) product = {w, x, bias, rows, columns, relu, out};
    run_if(rows * columns >= WORTH_SHARING, NAME(some_rows), &product, (rows + TASK_ROWS - 1) / TASK_ROWS);
}
#endif
