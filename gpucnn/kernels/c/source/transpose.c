#ifndef real
#include "transpose.h"
#include "threads.h"

#define SIDE 16              /* of the squares that are turned: their lines stay in the first cache */
#define WORTH_SHARING 100000 /* numbers */

#define TEMPLATE "transpose.c"
#include "each_real.h"
#else

typedef struct {
    const real *x;
    int64_t rows, columns;
    real *out;
} NAME(Transposition);

/* SIDE rows of x. */
static void NAME(turn_rows)(void *context, int64_t index) {
    const NAME(Transposition) *work = context;
    int64_t first = index * SIDE, last = first + SIDE < work->rows ? first + SIDE : work->rows;
    for (int64_t start = 0; start < work->columns; start += SIDE) {
        int64_t stop = start + SIDE < work->columns ? start + SIDE : work->columns;
        for (int64_t column = start; column < stop; column++) {
            for (int64_t row = first; row < last; row++) {
                work->out[column * work->rows + row] = work->x[row * work->columns + column];
            }
        }
    }
}

void NAME(transpose)(const real *x, int64_t rows, int64_t columns, real *out) {
    NAME(Transposition) work = {x, rows, columns, out};
    run_if(rows * columns >= WORTH_SHARING, NAME(turn_rows), &work, (rows + SIDE - 1) / SIDE);
}
#endif
