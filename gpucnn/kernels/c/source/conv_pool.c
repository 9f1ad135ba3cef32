#ifndef real
#include "conv_pool.h"
#include "cuts.h"
#include "threads.h"

#define LEAST_TASKS 16          /* enough for the threads to share evenly */
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

/* The most places of what is read that one place meets along an axis; `table` has `places`. */
static int64_t reach(const Meeting *table, int64_t places) {
    int64_t reached = 1;
    for (int64_t place = 0; place < places; place++) {
        reached = most(reached, table[place].count);
    }
    return reached;
}

#define TEMPLATE "conv_pool.c"
#include "each_real.h"
#else

typedef struct {
    const Plan *plan;
    const PoolPlan *pooling;
    const real *x, *w, *bias;
    uint8_t *winners;
    real *out;
    int relu;
    int64_t out_parts, column_parts; /* that different tasks take */
} NAME(Pooled);

/* Pools the rows of one out, `rows` lines of `columns` places in memory, of which the first is place `first`. */
static void NAME(pool_row_of)(const NAME(Pooled) *work, int64_t out, int64_t row, int64_t place, int64_t stop,
                              int64_t first, int64_t columns, const real *results) {
    const PoolPlan *pooling = work->pooling;
    ptrdiff_t to = ((out * pooling->places[1] + row) * pooling->places[2] + place) * pooling->images;
    struct NAME(PoolLine) line = {row, place, stop, first, columns, results, NULL,
                                  work->winners ? work->winners + to : NULL, work->out + to};
    NAME(pool_max_line)(pooling, &line, work->relu);
}

/* Some places of a pooled row, for a part of one group's outs. */
static void NAME(pooled_part)(void *context, int64_t index) {
    const NAME(Pooled) *work = context;
    const Plan *plan = work->plan;
    const PoolPlan *pooling = work->pooling;
    const int64_t *p = pooling->places;
    static _Thread_local real results[POOLED_BYTES / sizeof(real)] __attribute__((aligned(64)));
    int64_t column = index % work->column_parts, rest = index / work->column_parts, row = rest % p[1];
    int64_t out_part = rest / p[1] % work->out_parts, group = rest / p[1] / work->out_parts;
    int64_t place = cut(p[2], column, work->column_parts), stop = cut(p[2], column + 1, work->column_parts);
    const Meeting *h = pooling->tables + p[0] + row, *w = pooling->tables + p[0] + p[1];
    Part part = {group, 0, plan->ins, cut(plan->outs, out_part, work->out_parts), cut(plan->outs, out_part + 1, work->out_parts),
                 h->source, h->source + h->count, w[place].source, w[stop - 1].source + w[stop - 1].count};
    NAME(contract_part)(plan, work->x, work->w, work->bias, &part, results);
    int64_t columns = part.place_stop - part.place;
    for (int64_t out = part.out; out < part.out_stop; out++) {
        NAME(pool_row_of)(work, group * plan->outs + out, row, place, stop, part.place, columns,
                          results + (out - part.out) * h->count * columns * plan->images);
    }
}

void NAME(conv_pool)(const Plan *plan, const PoolPlan *pooling, const real *x, const real *w, const real *bias,
                     uint8_t *winners, int relu, real *out) {
    const int64_t *p = pooling->places, *o = plan->out_sizes;
    int64_t numbers = reach(pooling->tables + p[0], p[1]) * reach(pooling->tables + p[0] + p[1], p[2]) * plan->images;
    int64_t fitting = POOLED_BYTES / (int64_t)sizeof(real) / numbers; /* places times outs */
    int64_t blocks = blocks_of(plan->outs, BLOCK_ROWS), out_parts = blocks_of(blocks, most(1, fitting / BLOCK_ROWS));
    int64_t columns = most(1, fitting / (blocks_of(blocks, out_parts) * BLOCK_ROWS));
    NAME(Pooled) work = {plan, pooling, x, w, bias, winners, out, relu, out_parts, blocks_of(p[2], columns)};
    int64_t products = plan->groups * plan->outs * plan->ins * least(plan->w_in, plan->w_out) * o[1] * o[2] * plan->images;
    int sharing = products >= WORTH_SHARING;
    int64_t tasks = plan->groups * p[1] * out_parts;
    if (sharing && tasks * work.column_parts < LEAST_TASKS && plan->images >= BLOCK_VECTORS * NAME(LANES)) {
        work.column_parts = least(p[2], blocks_of(LEAST_TASKS, tasks));
    }
    if (sharing && tasks * work.column_parts < LEAST_TASKS) {
        work.out_parts = most(out_parts, least(blocks, blocks_of(LEAST_TASKS * out_parts, tasks * work.column_parts)));
    }
    run_if(sharing, NAME(pooled_part), &work, plan->groups * p[1] * work.out_parts * work.column_parts);
}
#endif
