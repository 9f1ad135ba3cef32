#ifndef real
#include "weight_gradient.h"
#include "threads.h"
#include "vector.h"

#include <stddef.h>

#define SEGMENT_BYTES 4096 /* of each channel that are read at a time: those of a block stay in the first cache */
#define MOST_TILES 12      /* whose sums are kept at a time */
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

/* Neighbouring taps of the third axis, at one tap of the first two. */
typedef struct {
    int64_t depth, height, width;
    int taps;
} Tile;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t cut(int64_t length, int64_t part, int64_t parts) { return length * part / parts; }
static int64_t blocks_of(int64_t length, int64_t size) { return (length + size - 1) / size; }

static int64_t tile_count(const WeightPlan *plan) {
    return plan->kernel[0] * plan->kernel[1] * blocks_of(plan->kernel[2], BLOCK_TAPS);
}

static Tile tile_of(const WeightPlan *plan, int64_t index) {
    int64_t along = blocks_of(plan->kernel[2], BLOCK_TAPS), line = index / along;
    int64_t first = cut(plan->kernel[2], index % along, along), last = cut(plan->kernel[2], index % along + 1, along);
    return (Tile){line / plan->kernel[1], line % plan->kernel[1], first, (int)(last - first)};
}

#define TEMPLATE "weight_gradient.c"
#include "each_real.h"
#else

typedef struct {
    const WeightPlan *plan;
    const real *x, *grad;
    real *parts;
} NAME(Gradient);

/* Runs of numbers that are multiplied pair by pair: one of neighbouring places, or, with a stride, one a place. */
typedef struct {
    const real *x, *grad;
    int64_t count, length;
    ptrdiff_t x_step, grad_step; /* to the next run */
    ptrdiff_t x_tap, grad_row;   /* to the next tap, to the next out */
} NAME(Runs);

INLINE NAME(vector) NAME(some)(const real *from, int64_t count) {
    NAME(vector) values = {0};
    for (int64_t i = 0; i < count; i++) {
        values[i] = from[i];
    }
    return values;
}

/* sums[r][t] += the products of out r and tap t, lane by lane. */
INLINE void NAME(multiply)(const int rows, const int taps, const NAME(Runs) *runs,
                           NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    const int64_t lanes = sizeof(NAME(vector)) / sizeof(real);
    NAME(vector) sum[BLOCK_ROWS][BLOCK_TAPS], x[BLOCK_TAPS];
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int t = 0; t < taps; t++) {
            sum[r][t] = sums[r][t];
        }
    }
    for (int64_t run = 0; run < runs->count; run++) {
        const real *xs = runs->x + run * runs->x_step, *grads = runs->grad + run * runs->grad_step;
        int64_t at = 0;
        for (; at + lanes <= runs->length; at += lanes) {
            UNROLL for (int t = 0; t < taps; t++) {
                x[t] = *(const NAME(vector) *)(xs + t * runs->x_tap + at);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                NAME(vector) grad = *(const NAME(vector) *)(grads + r * runs->grad_row + at);
                UNROLL for (int t = 0; t < taps; t++) {
                    sum[r][t] += grad * x[t];
                }
            }
        }
        if (at < runs->length) {
            UNROLL for (int t = 0; t < taps; t++) {
                x[t] = NAME(some)(xs + t * runs->x_tap + at, runs->length - at);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                NAME(vector) grad = NAME(some)(grads + r * runs->grad_row + at, runs->length - at);
                UNROLL for (int t = 0; t < taps; t++) {
                    sum[r][t] += grad * x[t];
                }
            }
        }
    }
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int t = 0; t < taps; t++) {
            sums[r][t] = sum[r][t];
        }
    }
}

#define TAPS(rows)                                                                                                  \
    static void NAME(multiply_##rows)(int taps, const NAME(Runs) *runs, NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) { \
        switch (taps) {                                                                                             \
        case 1: NAME(multiply)(rows, 1, runs, sums); break;                                                         \
        case 2: NAME(multiply)(rows, 2, runs, sums); break;                                                         \
        case 3: NAME(multiply)(rows, least(3, BLOCK_TAPS), runs, sums); break;                                      \
        case 4: NAME(multiply)(rows, least(4, BLOCK_TAPS), runs, sums); break;                                      \
        }                                                                                                           \
    }
TAPS(1)
TAPS(2)
TAPS(3)
TAPS(4)
TAPS(5)
TAPS(6)
#undef TAPS

static void NAME(multiply_block)(int rows, int taps, const NAME(Runs) *runs,
                                 NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    static void (*const of_rows[])(int, const NAME(Runs) *, NAME(vector)[BLOCK_ROWS][BLOCK_TAPS]) = {
        NAME(multiply_1), NAME(multiply_2), NAME(multiply_3), NAME(multiply_4), NAME(multiply_5), NAME(multiply_6)};
    of_rows[rows - 1](taps, runs, sums);
}

/* Add the products at places [start, stop) of one row, for `taps` taps from `width` on: all of them meet the input. */
static void NAME(add_places)(const WeightPlan *plan, int rows, int64_t width, int taps, const real *x_line,
                             const real *grad_line, ptrdiff_t grad_row, int64_t start, int64_t stop,
                             NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    if (start >= stop) {
        return;
    }
    int64_t n = plan->images, stride = plan->stride[2];
    const Overlap *tap = plan->overlaps + plan->kernel[0] + plan->kernel[1] + width;
    NAME(Runs) runs = {x_line + (start * stride + tap->offset) * n, grad_line + start * n, 1, (stop - start) * n,
                       0, 0, plan->dilation[2] * n, grad_row};
    if (stride != 1) {
        runs.count = stop - start;
        runs.length = n;
        runs.x_step = stride * n;
        runs.grad_step = n;
    }
    NAME(multiply_block)(rows, taps, &runs, sums);
}

/* Add the products of one tile at places [start, stop): together where all its taps meet the input, else one by one. */
static void NAME(add_tile)(const WeightPlan *plan, int rows, const Tile *tile, const real *x_line,
                           const real *grad_line, ptrdiff_t grad_row, int64_t start, int64_t stop,
                           NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    const Overlap *tap = plan->overlaps + plan->kernel[0] + plan->kernel[1] + tile->width;
    int64_t from = start, to = stop;
    for (int t = 0; t < tile->taps; t++) {
        from = most(from, tap[t].first);
        to = least(to, tap[t].first + tap[t].places);
    }
    to = most(from, to);
    NAME(add_places)(plan, rows, tile->width, tile->taps, x_line, grad_line, grad_row, from, to, sums);
    for (int t = 0; t < tile->taps; t++) {
        int64_t first = most(start, tap[t].first), last = least(stop, tap[t].first + tap[t].places);
        NAME(vector) one[BLOCK_ROWS][BLOCK_TAPS];
        if (first >= last || (first >= from && last <= to)) {
            continue;
        }
        for (int r = 0; r < rows; r++) {
            one[r][0] = sums[r][t];
        }
        NAME(add_places)(plan, rows, tile->width + t, 1, x_line, grad_line, grad_row, first, least(last, from), one);
        NAME(add_places)(plan, rows, tile->width + t, 1, x_line, grad_line, grad_row, most(first, to), last, one);
        for (int r = 0; r < rows; r++) {
            sums[r][t] = one[r][0];
        }
    }
}

/* Whether place `at` of an axis meets the input at this tap. */
static int NAME(meets)(const Overlap *tap, int64_t at) { return at >= tap->first && at < tap->first + tap->places; }

/* The gradient by the weights between `rows` outs from `out` on and one input channel, at tiles [tile, last). */
static void NAME(unit)(const NAME(Gradient) *work, int64_t group, int64_t out, int rows, int64_t in, int64_t tile,
                       int64_t last, int64_t part) {
    const WeightPlan *plan = work->plan;
    const int64_t *o = plan->out_sizes, *s = plan->in_sizes, *k = plan->kernel;
    ptrdiff_t n = plan->images, line = s[2] * n, grad_row = o[0] * o[1] * o[2] * n;
    const real *x = work->x + (group * plan->ins + in) * s[0] * s[1] * line;
    const real *grad = work->grad + (group * plan->outs + out) * grad_row;
    int64_t segment = most(1, SEGMENT_BYTES / (n * (int64_t)sizeof(real)));
    NAME(vector) sums[MOST_TILES][BLOCK_ROWS][BLOCK_TAPS];
    memset(sums, 0, sizeof(sums[0]) * (size_t)(last - tile));
    for (int64_t row = cut(o[0] * o[1], part, plan->parts); row < cut(o[0] * o[1], part + 1, plan->parts); row++) {
        for (int64_t start = 0; start < o[2]; start += segment) {
            for (int64_t index = tile; index < last; index++) {
                Tile at = tile_of(plan, index);
                const Overlap *d = plan->overlaps + at.depth, *h = plan->overlaps + k[0] + at.height;
                int64_t depth = row / o[1], height = row % o[1];
                if (!NAME(meets)(d, depth) || !NAME(meets)(h, height)) {
                    continue;
                }
                const real *x_line = x + ((depth * plan->stride[0] + d->offset) * s[1] + height * plan->stride[1] +
                                          h->offset) * line;
                NAME(add_tile)(plan, rows, &at, x_line, grad + row * o[2] * n, grad_row, start,
                               least(o[2], start + segment), sums[index - tile]);
            }
        }
    }
    for (int64_t index = tile; index < last; index++) {
        Tile at = tile_of(plan, index);
        for (int r = 0; r < rows; r++) {
            real *weights = work->parts + (((part * plan->groups + group) * plan->outs + out + r) * plan->ins + in) *
                                              k[0] * k[1] * k[2] + (at.depth * k[1] + at.height) * k[2] + at.width;
            for (int t = 0; t < at.taps; t++) {
                real total = 0;
                for (size_t lane = 0; lane < sizeof(NAME(vector)) / sizeof(real); lane++) {
                    total += sums[index - tile][r][t][lane];
                }
                weights[t] = total;
            }
        }
    }
}

/* One share of the channels and taps, over one part of the rows. */
static void NAME(share)(void *context, int64_t index) {
    const NAME(Gradient) *work = context;
    const WeightPlan *plan = work->plan;
    int64_t blocks = blocks_of(plan->outs, BLOCK_ROWS), tiles = tile_count(plan);
    int64_t chunks = blocks_of(tiles, MOST_TILES), units = plan->groups * blocks * plan->ins * chunks;
    int64_t part = index / plan->shares, share = index % plan->shares;
    for (int64_t u = cut(units, share, plan->shares); u < cut(units, share + 1, plan->shares); u++) {
        int64_t chunk = u % chunks, in = u / chunks % plan->ins, block = u / chunks / plan->ins % blocks;
        int64_t first = cut(plan->outs, block, blocks), last = cut(plan->outs, block + 1, blocks);
        NAME(unit)(work, u / chunks / plan->ins / blocks, first, (int)(last - first), in, cut(tiles, chunk, chunks),
                   cut(tiles, chunk + 1, chunks), part);
    }
}

void NAME(weight_gradient)(const WeightPlan *plan, const real *x, const real *grad, real *parts, real *out) {
    const int64_t *o = plan->out_sizes, *k = plan->kernel;
    int64_t weights = plan->groups * plan->outs * plan->ins * k[0] * k[1] * k[2];
    NAME(Gradient) work = {plan, x, grad, plan->parts > 1 ? parts : out};
    int64_t tasks = plan->parts * plan->shares;
    if (weights * o[0] * o[1] * o[2] * plan->images < WORTH_SHARING) {
        for (int64_t index = 0; index < tasks; index++) {
            NAME(share)(&work, index);
        }
    } else {
        run(NAME(share), &work, tasks);
    }
    for (int64_t part = 0; plan->parts > 1 && part < plan->parts; part++) {
        for (int64_t i = 0; i < weights; i++) {
            out[i] = part ? out[i] + parts[part * weights + i] : parts[i];
        }
    }
}
#endif
