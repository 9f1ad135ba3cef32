#ifndef real
#include "rows_product.h"
#include "block.h"
#include "cuts.h"
#include "square.h"
#include "sums.h"
#include "threads.h"

#define STRIP_BYTES 1024   /* of each row that are multiplied at a time: a panel of b stays in the first cache */
#define ROWS_TOGETHER 128  /* of a, whose strips stay in the second cache */
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

#define TEMPLATE "rows_product.c"
#include "each_real.h"
#else

enum { NAME(STRIP) = STRIP_BYTES / sizeof(real), NAME(WIDTH) = BLOCK_VECTORS * NAME(LANES) };

typedef struct {
    const RowsPlan *plan;
    const real *a, *b;
    real *parts;
} NAME(Rows);

/* A strip of neighbouring rows: so many numbers of each, `step` apart. */
typedef struct {
    const real *numbers;
    int64_t rows, length;
    ptrdiff_t step;
} NAME(Strip);

/* A strip of rows of a or b; of longer rows it is copied to `kept`, as rows that lie a multiple of 4096 bytes apart evict
 * each other from the caches. */
static NAME(Strip) NAME(strip_of)(const RowsPlan *plan, const real *numbers, int64_t rows, int64_t length, real *kept) {
    if (plan->summed <= NAME(STRIP)) {
        return (NAME(Strip)){numbers, rows, length, plan->summed};
    }
    for (int64_t r = 0; r < rows; r++) {
        memcpy(kept + r * NAME(STRIP), numbers + r * plan->summed, length * sizeof(real));
    }
    return (NAME(Strip)){kept, rows, length, NAME(STRIP)};
}

/* out (rows, columns) += the products of a strip of a by that of the columns [start, stop), b; `first`: it begins with
 * these. */
static void NAME(multiply)(const RowsPlan *plan, const NAME(Strip) *strip, const real *b, int64_t start, int64_t stop,
                           int first, real *out) {
    static _Thread_local real kept[NAME(STRIP) * NAME(WIDTH)] __attribute__((aligned(64)));
    static _Thread_local real panel[NAME(STRIP) * NAME(WIDTH)] __attribute__((aligned(64)));
    int64_t blocks = blocks_of(strip->rows, BLOCK_ROWS);
    for (int64_t at = start, taken = 0; at < stop; at += taken) {
        NAME(Block) block = NAME(block_for)(BLOCK_ROWS, stop - at, &taken);
        const Sums sums = {{1, 1, 1, strip->length}, {0, 0, 0, taken}, {0, 0, 0, 1}};
        NAME(Strip) columns = NAME(strip_of)(plan, b + at * plan->summed, taken, strip->length, kept);
        NAME(turn)(columns.numbers, columns.step, taken, strip->length, panel);
        for (int64_t i = 0; i < blocks; i++) {
            int64_t row = cut(strip->rows, i, blocks), rows = cut(strip->rows, i + 1, blocks) - row;
            block((int)rows, taken, &sums, panel, strip->numbers + row * strip->step, strip->step, NULL, first, 0,
                  out + row * plan->columns + at, plan->columns);
        }
    }
}

/* One share of the columns, over one part of what is summed. */
static void NAME(share)(void *context, int64_t index) {
    const NAME(Rows) *work = context;
    const RowsPlan *plan = work->plan;
    static _Thread_local real kept[ROWS_TOGETHER * NAME(STRIP)] __attribute__((aligned(64)));
    int64_t part = index / plan->shares, share = index % plan->shares, panels = blocks_of(plan->columns, NAME(WIDTH));
    int64_t from = cut(plan->summed, part, plan->parts), to = cut(plan->summed, part + 1, plan->parts);
    int64_t start = cut(panels, share, plan->shares) * NAME(WIDTH);
    int64_t stop = least(plan->columns, cut(panels, share + 1, plan->shares) * NAME(WIDTH));
    real *out = work->parts + part * plan->rows * plan->columns;
    for (int64_t row = 0; row < plan->rows; row += ROWS_TOGETHER) {
        for (int64_t at = from; at < to; at += NAME(STRIP)) {
            NAME(Strip) strip = NAME(strip_of)(plan, work->a + row * plan->summed + at,
                                               least(ROWS_TOGETHER, plan->rows - row), least(NAME(STRIP), to - at), kept);
            NAME(multiply)(plan, &strip, work->b + at, start, stop, at == from, out + row * plan->columns);
        }
    }
}

void NAME(rows_product)(const RowsPlan *plan, const real *a, const real *b, real *parts, real *out) {
    int64_t numbers = plan->rows * plan->columns;
    NAME(Rows) work = {plan, a, b, plan->parts > 1 ? parts : out};
    run_if(numbers * plan->summed >= WORTH_SHARING, NAME(share), &work, plan->parts * plan->shares);
    if (plan->parts > 1) {
        NAME(add_parts)(parts, plan->parts, numbers, out);
    }
}
#endif
