#ifndef real
#include "transpose.h"
#include "square.h"
#include "threads.h"

#define ROWS 16              /* of x that a task turns: whole lines of what is written */
#define WORTH_SHARING 100000 /* numbers */

#define TEMPLATE "transpose.c"
#include "each_real.h"
#else

typedef struct {
    const real *x;
    int64_t rows, columns;
    real *out;
} NAME(Transposition);

/* ROWS rows of x, by squares; what is left on both sides one by one. */
static void NAME(turn_rows)(void *context, int64_t index) {
    const NAME(Transposition) *work = context;
    int64_t first = index * ROWS, last = first + ROWS < work->rows ? first + ROWS : work->rows;
    int64_t square_rows = last - (last - first) % NAME(LANES);
    for (int64_t column = 0; column < work->columns; column += NAME(LANES)) {
        int64_t stop = column + NAME(LANES) < work->columns ? column + NAME(LANES) : work->columns, row = first;
        for (; stop - column == NAME(LANES) && row < square_rows; row += NAME(LANES)) {
            NAME(turn_square)(work->x + row * work->columns + column, work->columns,
                              work->out + column * work->rows + row, work->rows);
        }
        for (int64_t c = column; c < stop; c++) {
            for (int64_t r = row; r < last; r++) {
                work->out[c * work->rows + r] = work->x[r * work->columns + c];
            }
        }
    }
}

void NAME(transpose)(const real *x, int64_t rows, int64_t columns, real *out) {
    NAME(Transposition) work = {x, rows, columns, out};
    run_if(rows * columns >= WORTH_SHARING, NAME(turn_rows), &work, (rows + ROWS - 1) / ROWS);
}
#endif
