#ifndef real
#include "weight_gradient.h"
#include "cuts.h"
#include "sums.h"
#include "threads.h"
#include "vector.h"

#include <stddef.h>

#define SEGMENT_BYTES 4096 /* of each channel, some lines or a part of one, that are read at a time: those of a block
                            * stay in the first cache */
#define MOST_TILES 16      /* whose sums are kept at a time: all 15 of a window of 5 x 5, where a tile has 2 taps */
#define MOST_RUNS 32
#define HANDED_NUMBERS (BLOCK_ROWS * MOST_HANDED_IMAGES) /* of the gradient, made of that by pooled results */
#define MOST_ZEROS 1024    /* numbers; longer runs with a tap that reads zeros are cut */
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

/* Neighbouring taps of the third axis, at one tap of the first two and one input channel. Where the third axis has one
 * tap alone, neighbouring input channels at that tap take their place. */
typedef struct {
    int64_t in, depth, height, width;
    int taps;
} Tile;

/* Whether place `at` of an axis meets the input at this tap. */
static int meets(const Overlap *tap, int64_t at) { return at >= tap->first && at < tap->first + tap->places; }

/* Whether the taps of a tile are input channels. */
static int of_channels(const WeightPlan *plan) { return plan->kernel[2] == 1; }

/* How many there are of what a tile takes some of. */
static int64_t along(const WeightPlan *plan) { return of_channels(plan) ? plan->ins : plan->kernel[2]; }

static int64_t tile_count(const WeightPlan *plan) {
    int64_t lines = plan->kernel[0] * plan->kernel[1] * (of_channels(plan) ? 1 : plan->ins);
    return lines * blocks_of(along(plan), BLOCK_TAPS);
}

static Tile tile_of(const WeightPlan *plan, int64_t index) {
    int64_t blocks = blocks_of(along(plan), BLOCK_TAPS), line = index / blocks;
    int64_t first = cut(along(plan), index % blocks, blocks), last = cut(along(plan), index % blocks + 1, blocks);
    int64_t height = line % plan->kernel[1], depth = line / plan->kernel[1] % plan->kernel[0];
    int64_t in = line / plan->kernel[1] / plan->kernel[0];
    return of_channels(plan) ? (Tile){first, depth, height, 0, (int)(last - first)}
                             : (Tile){in, depth, height, first, (int)(last - first)};
}

#define TEMPLATE "weight_gradient.c"
#include "each_real.h"
#else

typedef struct {
    const WeightPlan *plan;
    const PoolPlan *pooling; /* or NULL; then grad is that by the pooled results, and `won` says which were largest */
    const real *x, *grad;
    const uint8_t *won;
    real *parts;
} NAME(Gradient);

/* Neighbouring numbers that are multiplied pair by pair; a tap that does not meet the input there reads zeros. */
typedef struct {
    const real *grad, *x[BLOCK_TAPS];
    int64_t length;
} NAME(Run);

static const real NAME(zeros)[MOST_ZEROS];

/* sums[r][t] += the products of out r and tap t, lane by lane. */
INLINE void NAME(multiply)(const int rows, const int taps, const NAME(Run) *run, int64_t count, ptrdiff_t grad_row,
                           NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    const int64_t lanes = sizeof(NAME(vector)) / sizeof(real);
    NAME(vector) sum[BLOCK_ROWS][BLOCK_TAPS], x[BLOCK_TAPS];
    UNROLL for (int r = 0; r < rows; r++) {
        UNROLL for (int t = 0; t < taps; t++) {
            sum[r][t] = sums[r][t];
        }
    }
    for (; count > 0; count--, run++) {
        const real *grads = run->grad;
        int64_t at = 0;
        for (; at + lanes <= run->length; at += lanes) {
            UNROLL for (int t = 0; t < taps; t++) {
                x[t] = *(const NAME(vector) *)(run->x[t] + at);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                NAME(vector) grad = *(const NAME(vector) *)(grads + r * grad_row + at);
                IN_REGISTER(grad); /* else it is read again for every tap, and reading is what takes the time */
                UNROLL for (int t = 0; t < taps; t++) {
                    sum[r][t] += grad * x[t];
                }
            }
        }
        if (at < run->length) {
            UNROLL for (int t = 0; t < taps; t++) {
                x[t] = NAME(load_some)(run->x[t] + at, run->length - at);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                NAME(vector) grad = NAME(load_some)(grads + r * grad_row + at, run->length - at);
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
    static void NAME(multiply_##rows)(int taps, const NAME(Run) *runs, int64_t count, ptrdiff_t grad_row,           \
                                      NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {                                  \
        switch (taps) {                                                                                             \
        case 1: NAME(multiply)(rows, 1, runs, count, grad_row, sums); break;                                        \
        case 2: NAME(multiply)(rows, 2, runs, count, grad_row, sums); break;                                        \
        case 3: NAME(multiply)(rows, BLOCK_TAPS < 3 ? BLOCK_TAPS : 3, runs, count, grad_row, sums); break;          \
        case 4: NAME(multiply)(rows, BLOCK_TAPS < 4 ? BLOCK_TAPS : 4, runs, count, grad_row, sums); break;          \
        }                                                                                                           \
    }
TAPS(1)
TAPS(2)
TAPS(3)
TAPS(4)
TAPS(5)
TAPS(6)
#undef TAPS

static void NAME(multiply_block)(int rows, int taps, const NAME(Run) *runs, int64_t count, ptrdiff_t grad_row,
                                 NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    static void (*const of_rows[])(int, const NAME(Run) *, int64_t, ptrdiff_t, NAME(vector)[BLOCK_ROWS][BLOCK_TAPS]) = {
        NAME(multiply_1), NAME(multiply_2), NAME(multiply_3), NAME(multiply_4), NAME(multiply_5), NAME(multiply_6)};
    of_rows[rows - 1](taps, runs, count, grad_row, sums);
}

/* The next run of places from `place` on, before `stop`: many where all taps of the tile meet the input and follow each
 * other in memory, else one. Returns the place behind it. */
static int64_t NAME(next_run)(const WeightPlan *plan, const Tile *tile, const real *x_line, const real *grad,
                              int64_t place, int64_t stop, NAME(Run) *run) {
    const Overlap *tap = plan->overlaps + plan->kernel[0] + plan->kernel[1] + tile->width;
    int64_t n = plan->images, end = stop, tap_step = of_channels(plan) ? 0 : 1;
    ptrdiff_t channel = of_channels(plan) ? plan->in_sizes[0] * plan->in_sizes[1] * plan->in_sizes[2] * n : 0;
    for (int t = 0; t < tile->taps; t++, tap += tap_step) {
        int meet = meets(tap, place);
        end = meet ? least(end, tap->first + tap->places) : place + 1;
        run->x[t] = meet ? x_line + t * channel + (place * plan->stride[2] + tap->offset) * n : NAME(zeros);
    }
    end = plan->stride[2] == 1 ? end : place + 1;
    run->grad = grad;
    run->length = (end - place) * n;
    return end;
}

/* Cut off what a run has beyond as many numbers as there are zeros; returns how many were cut off. */
static int64_t NAME(shorten)(const Tile *tile, NAME(Run) *run) {
    int64_t over = run->length - MOST_ZEROS;
    for (int t = 0; t < tile->taps; t++) {
        if (run->x[t] == NAME(zeros) && over > 0) {
            run->length = MOST_ZEROS;
            return over;
        }
    }
    return 0;
}

/* The places of some rows that are looked at: [start, stop) of each row from `row` up to `row_stop`. Their gradient, that
 * of place `start` of `row` first, has `grad_line` numbers from a row to the next and `grad_row` from an out to the
 * next. */
typedef struct {
    int64_t row, row_stop, start, stop;
    const real *grad;
    ptrdiff_t grad_line, grad_row;
} NAME(Places);

/* Runs of one tile that are multiplied together, so that its sums are read and written once for many. */
typedef struct {
    NAME(Run) runs[MOST_RUNS];
    int64_t count;
} NAME(Runs);

static void NAME(multiply_runs)(NAME(Runs) *runs, int rows, int taps, ptrdiff_t grad_row,
                                NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    if (runs->count > 0) {
        NAME(multiply_block)(rows, taps, runs->runs, runs->count, grad_row, sums);
    }
    runs->count = 0;
}

/* Add the products of one tile at the places of one row, or keep them in `runs`; `grad` is that of the first place. */
static void NAME(add_line)(const WeightPlan *plan, int rows, const Tile *tile, const real *x_line, const real *grad,
                           const NAME(Places) *places, NAME(Runs) *runs,
                           NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    const ptrdiff_t grad_row = places->grad_row;
    for (int64_t place = places->start; place < places->stop;) {
        const real *here = grad + (place - places->start) * plan->images;
        place = NAME(next_run)(plan, tile, x_line, here, place, places->stop, runs->runs + runs->count);
        for (int64_t over = 1; over > 0;) {
            NAME(Run) rest = runs->runs[runs->count];
            over = NAME(shorten)(tile, runs->runs + runs->count++);
            if (runs->count == MOST_RUNS) {
                NAME(multiply_runs)(runs, rows, tile->taps, grad_row, sums);
            }
            if (over > 0) {
                rest.grad += MOST_ZEROS;
                for (int t = 0; t < tile->taps; t++) {
                    rest.x[t] += rest.x[t] == NAME(zeros) ? 0 : MOST_ZEROS;
                }
                rest.length = over;
                runs->runs[runs->count] = rest;
            }
        }
    }
}

/* Add the products of one tile at some places; x is that of the group. */
static void NAME(add_tile)(const WeightPlan *plan, int rows, const Tile *tile, const real *x,
                           const NAME(Places) *places, NAME(vector) sums[BLOCK_ROWS][BLOCK_TAPS]) {
    const int64_t *o = plan->out_sizes, *s = plan->in_sizes;
    const Overlap *d = plan->overlaps + tile->depth, *h = plan->overlaps + plan->kernel[0] + tile->height;
    ptrdiff_t line = s[2] * plan->images;
    NAME(Runs) runs;
    runs.count = 0;
    for (int64_t row = places->row; row < places->row_stop; row++) {
        int64_t depth = row / o[1], height = row % o[1];
        if (meets(d, depth) && meets(h, height)) {
            int64_t at_depth = depth * plan->stride[0] + d->offset, at_height = height * plan->stride[1] + h->offset;
            NAME(add_line)(plan, rows, tile, x + ((tile->in * s[0] + at_depth) * s[1] + at_height) * line,
                           places->grad + (row - places->row) * places->grad_line, places, &runs, sums);
        }
    }
    NAME(multiply_runs)(&runs, rows, tile->taps, places->grad_row, sums);
}

/* Have `places` read the gradient of `rows` outs from `channel` on, which is made here of that by the pooled results. */
static void NAME(hand_on)(const NAME(Gradient) *work, int64_t channel, int rows, NAME(Places) *places, real *handed) {
    const PoolPlan *pooling = work->pooling;
    const int64_t *s = pooling->sources;
    ptrdiff_t numbers = (places->stop - places->start) * pooling->images;
    places->grad = handed, places->grad_line = numbers, places->grad_row = (places->row_stop - places->row) * numbers;
    for (int r = 0; r < rows; r++) {
        for (int64_t row = places->row; row < places->row_stop; row++, handed += numbers) {
            const Meeting *h = pooling->tables + pooling->places[0] + row;
            ptrdiff_t from = ((channel + r) * s[1] + h->source) * s[2] * pooling->images;
            struct NAME(PoolLine) line = {row, places->start, places->stop, 0, s[2], work->grad + from,
                                          work->won + from, NULL, handed};
            NAME(pool_max_backward_line)(pooling, &line);
        }
    }
}

/* Store the sums over lanes: `weights` are those of the first of `rows` outs. */
static void NAME(store)(const WeightPlan *plan, int rows, const Tile *tiles, int64_t count,
                        NAME(vector) sums[][BLOCK_ROWS][BLOCK_TAPS], real *weights) {
    const int64_t *k = plan->kernel;
    for (int64_t i = 0; i < count; i++) {
        const Tile *tile = tiles + i;
        real *to = weights + ((tile->in * k[0] + tile->depth) * k[1] + tile->height) * k[2] + tile->width;
        int64_t step = of_channels(plan) ? k[0] * k[1] : 1;
        for (int r = 0; r < rows; r++, to += plan->ins * k[0] * k[1] * k[2]) {
            for (int t = 0; t < tile->taps; t++) {
                to[t * step] = NAME(total)(sums[i][r][t]);
            }
        }
    }
}

/* The gradient by the weights of `rows` outs from `out` on, at tiles [first, last), over one part of the rows. */
static void NAME(unit)(const NAME(Gradient) *work, int64_t group, int64_t out, int rows, int64_t first, int64_t last,
                       int64_t part) {
    const WeightPlan *plan = work->plan;
    const int64_t *o = plan->out_sizes, *s = plan->in_sizes, *k = plan->kernel;
    int64_t n = plan->images, count = last - first, channel = group * plan->outs + out;
    const real *x = work->x + group * plan->ins * s[0] * s[1] * s[2] * n;
    ptrdiff_t grad_line = o[2] * n, grad_row = o[0] * o[1] * grad_line;
    static _Thread_local real handed[HANDED_NUMBERS] __attribute__((aligned(64)));
    int64_t fitting = most(1, SEGMENT_BYTES / (n * (int64_t)sizeof(real))), lines = most(1, fitting / o[2]);
    int64_t segment = blocks_of(o[2], blocks_of(o[2], fitting));
    int64_t row_stop = cut(o[0] * o[1], part + 1, plan->parts);
    Tile tiles[MOST_TILES];
    NAME(vector) sums[MOST_TILES][BLOCK_ROWS][BLOCK_TAPS];
    memset(sums, 0, sizeof(sums[0]) * (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        tiles[i] = tile_of(plan, first + i);
    }
    for (int64_t row = cut(o[0] * o[1], part, plan->parts); row < row_stop; row += lines) {
        for (int64_t start = 0; start < o[2]; start += segment) {
            const real *grad = work->grad + channel * grad_row + row * grad_line + start * n;
            NAME(Places) places = {row,  least(row_stop, row + lines), start, least(o[2], start + segment),
                                   grad, grad_line,                    grad_row};
            if (work->pooling) {
                NAME(hand_on)(work, channel, rows, &places, handed);
            }
            for (int64_t i = 0; i < count; i++) {
                NAME(add_tile)(plan, rows, tiles + i, x, &places, sums[i]);
            }
        }
    }
    real *weights = work->parts + (part * plan->groups * plan->outs + channel) * plan->ins * k[0] * k[1] * k[2];
    NAME(store)(plan, rows, tiles, count, sums, weights);
}

/* One share of the channels and taps, over one part of the rows. */
static void NAME(share)(void *context, int64_t index) {
    const NAME(Gradient) *work = context;
    const WeightPlan *plan = work->plan;
    int64_t blocks = blocks_of(plan->outs, BLOCK_ROWS), tiles = tile_count(plan);
    int64_t chunks = blocks_of(tiles, MOST_TILES), units = plan->groups * blocks * chunks;
    int64_t part = index / plan->shares, share = index % plan->shares;
    for (int64_t u = cut(units, share, plan->shares); u < cut(units, share + 1, plan->shares); u++) {
        int64_t chunk = u % chunks, block = u / chunks % blocks;
        int64_t first = cut(plan->outs, block, blocks), last = cut(plan->outs, block + 1, blocks);
        NAME(unit)(work, u / chunks / blocks, first, (int)(last - first), cut(tiles, chunk, chunks),
                   cut(tiles, chunk + 1, chunks), part);
    }
}

/* The sum over all parts of the rows. */
static void NAME(gradient)(const NAME(Gradient) *work, real *out) {
    const WeightPlan *plan = work->plan;
    const int64_t *o = plan->out_sizes, *k = plan->kernel;
    int64_t weights = plan->groups * plan->outs * plan->ins * k[0] * k[1] * k[2];
    int64_t products = weights * o[0] * o[1] * o[2] * plan->images;
    run_if(products >= WORTH_SHARING, NAME(share), (void *)work, plan->parts * plan->shares);
    if (plan->parts > 1) {
        NAME(add_parts)(work->parts, plan->parts, weights, out);
    }
}

void NAME(weight_gradient)(const WeightPlan *plan, const real *x, const real *grad, real *parts, real *out) {
    NAME(Gradient) work = {plan, NULL, x, grad, NULL, plan->parts > 1 ? parts : out};
    NAME(gradient)(&work, out);
}

void NAME(weight_gradient_pooled)(const WeightPlan *plan, const PoolPlan *pooling, const real *x, const real *grad,
                                  const uint8_t *won, real *parts, real *out) {
    NAME(Gradient) work = {plan, pooling, x, grad, won, plan->parts > 1 ? parts : out};
    NAME(gradient)(&work, out);
}
#endif
