#ifndef real
#include "contract.h"
#include "threads.h"

#include <math.h>
#include <stddef.h>

#define SOURCE_BYTES (1 << 15) /* of x that a block of places reads at a time: they stay in the first cache */
#define WORTH_PACKING 3 /* blocks of outs that read the same places */
#define MOST_TASKS 64
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

/* Four nested loops over what is summed, the innermost last. */
typedef struct {
    int64_t count[4];
    ptrdiff_t x[4], w[4]; /* steps, in numbers */
} Sums;

/* The loops that do not run just once, pushed inwards: short ones cost, and the last is the quickest. */
static Sums inwards(const int64_t count[4], const ptrdiff_t x[4], const ptrdiff_t w[4]) {
    Sums sums = {{1, 1, 1, 1}, {0}, {0}};
    for (int i = 3, at = 3; i >= 0; i--) {
        if (count[i] != 1) {
            sums.count[at] = count[i];
            sums.x[at] = x[i];
            sums.w[at] = w[i];
            at--;
        }
    }
    return sums;
}

#define TEMPLATE "contract.c"
#include "each_real.h"
#else

typedef struct {
    const Plan *plan;
    const real *x, *w, *bias;
    real *out;
    real least;        /* of the result */
    int64_t out_parts; /* the outs of a group are shared among so many tasks */
} NAME(Work);

typedef VECTOR(integer, VECTOR_BYTES) NAME(integers);

/* max(values, least), but what is not a number stays so. */
INLINE NAME(vector) NAME(at_least)(NAME(vector) values, real least) {
    NAME(vector) leasts = (NAME(vector)){0} + least;
    NAME(integers) below = (NAME(integers))(values < leasts);
    return (NAME(vector))(((NAME(integers))values & ~below) | ((NAME(integers))leasts & below));
}

/* rows x vectors of the result, all sums in registers. `first`: from the bias, where there is one, or from 0. `count`
 * is how many numbers of the only vector there are, where they do not fill it. */
#define BLOCK(name, LOAD, STORE)                                                                                    \
    INLINE void NAME(name)(const int rows, const int vectors, int64_t count, const Sums *sums, const real *x,       \
                           const real *w, ptrdiff_t w_row, const real *bias, int first, real least, real *out,      \
                           ptrdiff_t out_row) {                                                                     \
        (void)count;                                                                                                \
        NAME(vector) sum[BLOCK_ROWS][BLOCK_VECTORS];                                                                \
        UNROLL for (int r = 0; r < rows; r++) {                                                                     \
            UNROLL for (int v = 0; v < vectors; v++) {                                                              \
                sum[r][v] = (NAME(vector)){0};                                                                      \
                if (!first) {                                                                                       \
                    sum[r][v] = LOAD(out + r * out_row + v * NAME(LANES), count);                                   \
                } else if (bias) {                                                                                  \
                    sum[r][v] += bias[r];                                                                           \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        for (int64_t i = 0; i < sums->count[0]; i++) {                                                              \
            for (int64_t j = 0; j < sums->count[1]; j++) {                                                          \
                for (int64_t k = 0; k < sums->count[2]; k++) {                                                      \
                    const real *xs = x + i * sums->x[0] + j * sums->x[1] + k * sums->x[2];                          \
                    const real *ws = w + i * sums->w[0] + j * sums->w[1] + k * sums->w[2];                          \
                    for (int64_t l = 0; l < sums->count[3]; l++, xs += sums->x[3], ws += sums->w[3]) {              \
                        UNROLL for (int v = 0; v < vectors; v++) {                                                  \
                            NAME(vector) here = LOAD(xs + v * NAME(LANES), count);                                  \
                            UNROLL for (int r = 0; r < rows; r++) {                                                 \
                                sum[r][v] += ws[r * w_row] * here;                                                  \
                            }                                                                                       \
                        }                                                                                           \
                    }                                                                                               \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
        UNROLL for (int r = 0; r < rows; r++) {                                                                     \
            UNROLL for (int v = 0; v < vectors; v++) {                                                              \
                STORE(out + r * out_row + v * NAME(LANES), NAME(at_least)(sum[r][v], least), count);                \
            }                                                                                                       \
        }                                                                                                           \
    }

enum { NAME(LANES) = sizeof(NAME(vector)) / sizeof(real) };

#define LOAD_ALL(from, count) *(const NAME(vector) *)(from)
#define STORE_ALL(to, values, count) *(NAME(vector) *)(to) = values
BLOCK(whole_block, LOAD_ALL, STORE_ALL)
BLOCK(part_block, NAME(load_some), NAME(store_some))
#undef BLOCK
#undef LOAD_ALL
#undef STORE_ALL

#define CASE(rows, block, vectors)                                                                                  \
    case rows: NAME(block)(rows, vectors, count, sums, x, w, w_row, bias, first, least, out, out_row); break;

#define SIZED(name, block, vectors)                                                                                 \
    static void NAME(name)(int rows, int64_t count, const Sums *sums, const real *x, const real *w,                 \
                           ptrdiff_t w_row, const real *bias, int first, real least, real *out, ptrdiff_t out_row) { \
        switch (rows) {                                                                                             \
            CASE(1, block, vectors)                                                                                 \
            CASE(2, block, vectors)                                                                                 \
            CASE(3, block, vectors)                                                                                 \
            CASE(4, block, vectors)                                                                                 \
            CASE(5, block, vectors)                                                                                 \
            CASE(6, block, vectors)                                                                                 \
        }                                                                                                           \
    }

typedef void (*NAME(Block))(int, int64_t, const Sums *, const real *, const real *, ptrdiff_t, const real *, int,
                            real, real *, ptrdiff_t);
SIZED(wide, whole_block, BLOCK_VECTORS)
SIZED(pair, whole_block, 2)
SIZED(single, whole_block, 1)
SIZED(rest, part_block, 1)
#undef SIZED
#undef CASE

/* Copies what a block of places reads, one loop after the other, to `panel`, and has `sums` read it there: every block of
 * outs reads it again, and channels that lie a multiple of 4096 bytes apart push each other out of the first cache. */
static void NAME(pack)(Sums *sums, const real *x, int64_t lanes, real *panel) {
    real *to = panel;
    for (int64_t i = 0; i < sums->count[0]; i++) {
        for (int64_t j = 0; j < sums->count[1]; j++) {
            for (int64_t k = 0; k < sums->count[2]; k++) {
                const real *from = x + i * sums->x[0] + j * sums->x[1] + k * sums->x[2];
                for (int64_t l = 0; l < sums->count[3]; l++, from += sums->x[3], to += lanes) {
                    memcpy(to, from, lanes * sizeof(real));
                }
            }
        }
    }
    for (int i = 3, step = lanes; i >= 0; step *= sums->count[i], i--) {
        sums->x[i] = step;
    }
}

/* The widest block for so many numbers, and how many of them it takes. */
static NAME(Block) NAME(block_for)(int64_t length, int64_t *taken) {
    static const struct {
        int64_t numbers;
        NAME(Block) block;
    } sizes[] = {{BLOCK_VECTORS * NAME(LANES), NAME(wide)}, {2 * NAME(LANES), NAME(pair)}, {NAME(LANES), NAME(single)}};
    for (int i = 0; i < 3; i++) {
        if (sizes[i].numbers <= length) {
            *taken = sizes[i].numbers;
            return sizes[i].block;
        }
    }
    *taken = length;
    return NAME(rest);
}

/* `length` neighbouring numbers of each of the outs [start, stop) of one group. */
static void NAME(fill_run)(const NAME(Work) *work, const Sums *sums, const real *x, const real *w, const real *bias,
                           real *out, int64_t start, int64_t stop, int64_t length) {
    const Plan *plan = work->plan;
    const int64_t *o = plan->out_sizes;
    ptrdiff_t out_row = o[0] * o[1] * o[2] * plan->images;
    int64_t blocks = (stop - start + BLOCK_ROWS - 1) / BLOCK_ROWS, outer = sums->count[0];
    int64_t inner = sums->count[1] * sums->count[2] * sums->count[3];
    real panel[SOURCE_BYTES / sizeof(real)] __attribute__((aligned(64)));
    for (int64_t at = 0, taken = 0; at < length; at += taken) {
        NAME(Block) block = NAME(block_for)(length - at, &taken);
        int64_t together = SOURCE_BYTES / (inner * taken * (int64_t)sizeof(real) + 1);
        int packs = blocks >= WORTH_PACKING && taken >= 2 * NAME(LANES) && together > 0;
        together = together < 8 && !packs ? 8 : together;
        int64_t from = 0;
        do { /* once at least: with nothing to sum up the bias is written */
            Sums part = *sums;
            part.count[0] = outer - from < together ? outer - from : together;
            const real *source = x + from * sums->x[0] + at;
            if (packs) {
                NAME(pack)(&part, source, taken, panel);
                source = panel;
            }
            for (int64_t b = 0; b < blocks; b++) {
                int64_t first = start + (stop - start) * b / blocks, last = start + (stop - start) * (b + 1) / blocks;
                block((int)(last - first), taken, &part, source, w + from * sums->w[0] + first * plan->w_out,
                      plan->w_out, bias ? bias + first : NULL, from == 0,
                      from + part.count[0] < outer ? -(real)INFINITY : work->least, out + first * out_row + at,
                      out_row);
            }
            from += part.count[0];
        } while (from < outer);
    }
}

/* One row of the last axis, for a part of one group's outs. */
static void NAME(fill_row)(void *context, int64_t index) {
    const NAME(Work) *work = context;
    const Plan *plan = work->plan;
    const int64_t *o = plan->out_sizes, *s = plan->in_sizes;
    int64_t row = index % (o[0] * o[1]), part = index / (o[0] * o[1]) % work->out_parts;
    int64_t group = index / (o[0] * o[1]) / work->out_parts;
    const Meeting *d = plan->tables + row / o[1], *h = plan->tables + o[0] + row % o[1];
    const Run *runs = (const Run *)(plan->tables + o[0] + o[1]);
    ptrdiff_t n = plan->images, line = s[2] * n, plane = s[1] * line, volume = s[0] * plane;
    for (const Run *run = runs; run < runs + plan->run_count; run++) {
        const Meeting *m = &run->meeting;
        Sums sums = inwards(
            (int64_t[]){plan->ins, d->count, h->count, m->count},
            (ptrdiff_t[]){volume, plan->source_step[0] * plane, plan->source_step[1] * line, plan->source_step[2] * n},
            (ptrdiff_t[]){plan->w_in, plan->tap_step[0] * plan->w_tap[0], plan->tap_step[1] * plan->w_tap[1],
                          plan->tap_step[2] * plan->w_tap[2]});
        const real *x = work->x + group * plan->ins * volume + d->source * plane + h->source * line + m->source * n;
        const real *w = work->w + group * plan->w_group + d->tap * plan->w_tap[0] + h->tap * plan->w_tap[1] +
                        m->tap * plan->w_tap[2];
        real *out = work->out + (group * plan->outs * o[0] * o[1] + row) * o[2] * n + run->start * n;
        NAME(fill_run)(work, &sums, x, w, work->bias ? work->bias + group * plan->outs : NULL, out,
                       plan->outs * part / work->out_parts, plan->outs * (part + 1) / work->out_parts,
                       run->places * n);
    }
}

void NAME(contract)(const Plan *plan, const real *x, const real *w, const real *bias, real least, real *out) {
    const int64_t *o = plan->out_sizes;
    int64_t rows = plan->groups * o[0] * o[1], blocks = (plan->outs + BLOCK_ROWS - 1) / BLOCK_ROWS;
    NAME(Work) work = {plan, x, w, bias, out, least, 1};
    if (rows < MOST_TASKS) {
        int64_t parts = MOST_TASKS / rows;
        work.out_parts = parts < blocks ? parts : blocks;
    }
    int64_t tasks = rows * work.out_parts;
    int64_t taps = plan->w_in < plan->w_out ? plan->w_in : plan->w_out;
    if (plan->outs * plan->ins * taps * rows * o[2] * plan->images < WORTH_SHARING) {
        for (int64_t index = 0; index < tasks; index++) {
            NAME(fill_row)(&work, index);
        }
        return;
    }
    run(NAME(fill_row), &work, tasks);
}
#endif
