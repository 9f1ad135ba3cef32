/* Tiles of 6 x 6 pixels, which both winograd.c and winograd_weight.c transform; included for each real type. */
#ifndef WINOGRAD_TILE
#define WINOGRAD_TILE

#include "block.h"
#include "cuts.h"
#include "threads.h"
#include "winograd.h"

#include <stdatomic.h>

#define SIDE 6     /* of a tile of pixels */
#define OUT_SIDE 4 /* of the outputs of a tile */
#define PIXELS (SIDE * SIDE)
#define TAPS 9
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */
#define EACH_OF_SIX _Pragma("GCC unroll 6")

/* Neighbouring numbers, of one tile: `length` images from `image` on, at `at` of their strip. */
typedef struct {
    int64_t row, column, image, at, length; /* row and column of the tile's first output */
} Segment;

/* How many numbers all tiles of one channel have. */
static int64_t numbers_of(const WinogradPlan *plan) {
    return blocks_of(plan->out_sizes[0], OUT_SIDE) * blocks_of(plan->out_sizes[1], OUT_SIDE) * plan->images;
}

/* The numbers of all tiles follow each other: cut off the one tile's from `number` on, before `stop`. */
static Segment segment_at(const WinogradPlan *plan, int64_t number, int64_t start, int64_t stop) {
    int64_t tile = number / plan->images, image = number % plan->images;
    int64_t across = blocks_of(plan->out_sizes[1], OUT_SIDE);
    int64_t length = plan->images - image < stop - number ? plan->images - image : stop - number;
    return (Segment){tile / across * OUT_SIDE, tile % across * OUT_SIDE, image, number - start, length};
}
#endif

/* What the tasks of a convolution, or of its gradient by the kernels, work on. */
typedef struct {
    const WinogradPlan *plan;
    const real *x;
    const real *w, *bias; /* of a convolution */
    const real *grad;     /* of the gradient: that by the outputs */
    real *kernels;        /* (groups, 36, outs, ins), or the gradients by them (groups, parts, 36, outs, ins) */
    real *memory;         /* for each worker, strips of pixels and of products or gradients */
    real *out;
    int relu;
    atomic_llong next; /* the first task that no worker has taken */
} NAME(Winograd);

/* Has the workers take tasks until none is left; one alone where there is little to do. */
static void NAME(run_workers)(Task worker, NAME(Winograd) *work) {
    const WinogradPlan *plan = work->plan;
    if (plan->groups * plan->outs * plan->ins * PIXELS * numbers_of(plan) >= WORTH_SHARING) {
        run(worker, work, plan->workers);
    } else {
        worker(work, 0);
    }
}

enum { NAME(STRIP) = STRIP_BYTES / sizeof(real), NAME(PAD) = PAD_BYTES / sizeof(real) };

static const real NAME(zeros)[NAME(STRIP)];

/* How far apart the 36 lots of `channels` lie in a strip. */
INLINE int64_t NAME(kind_of)(int64_t channels) { return channels * NAME(STRIP) + NAME(PAD); }

/* B' d of six vectors, `step` apart, to six, `to_step` apart. */
INLINE void NAME(transform_six)(const NAME(vector) *d, const int step, NAME(vector) *to, const int to_step) {
    NAME(vector) even = d[4 * step] - 4 * d[2 * step], odd = d[3 * step] - 4 * d[step];
    NAME(vector) even_2 = d[4 * step] - d[2 * step], odd_2 = 2 * (d[3 * step] - d[step]);
    NAME(vector) first = 4 * d[0] - 5 * d[2 * step] + d[4 * step];
    NAME(vector) last = 4 * d[step] - 5 * d[3 * step] + d[5 * step];
    to[0] = first;
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = even_2 + odd_2;
    to[4 * to_step] = even_2 - odd_2;
    to[5 * to_step] = last;
}

/* Where the `side` x `side` pixels of a tile begin, whose first is at (row, column), and how far the next channel's lie
 * from them; those outside x are zeros. */
INLINE void NAME(find_pixels)(const real *x, const int64_t size[2], int64_t images, int64_t row, int64_t column,
                              int64_t image, const int side, const real **from, ptrdiff_t *steps) {
    for (int p = 0; p < side * side; p++) {
        int64_t r = row + p / side, c = column + p % side;
        int inside = r >= 0 && r < size[0] && c >= 0 && c < size[1];
        from[p] = inside ? x + (r * size[1] + c) * images + image : NAME(zeros);
        steps[p] = inside ? size[0] * size[1] * images : 0;
    }
}

/* B' d B, or A y A', of one vector of each of `side` x `side` pixels, `count` numbers of it, to `to`, `kind` apart. The
 * next channel's pixels, `steps` on, lie in pages of their own: the processor does not foresee that they are read. */
#define READ_TILE(name, side, TRANSFORM, LOAD, STORE)                                                               \
    INLINE void NAME(name)(const real *const from[side * side], const ptrdiff_t steps[side * side], int64_t at,     \
                           int64_t count, real *to, ptrdiff_t kind) {                                               \
        NAME(vector) half[SIDE * side];                                                                             \
        (void)count;                                                                                                \
        UNROLL for (int c = 0; c < side; c++) {                                                                     \
            NAME(vector) column[side];                                                                              \
            UNROLL for (int r = 0; r < side; r++) {                                                                 \
                column[r] = LOAD(from[side * r + c] + at, count);                                                   \
                __builtin_prefetch(from[side * r + c] + steps[side * r + c] + at);                                  \
            }                                                                                                       \
            TRANSFORM(column, 1, half + c, side);                                                                   \
        }                                                                                                           \
        for (int r = 0; r < SIDE; r++, to += SIDE * kind) {                                                         \
            NAME(vector) row[SIDE];                                                                                 \
            TRANSFORM(half + side * r, 1, row, 1);                                                                  \
            EACH_OF_SIX for (int c = 0; c < SIDE; c++) {                                                            \
                STORE(to + c * kind + at, row[c], count);                                                           \
            }                                                                                                       \
        }                                                                                                           \
    }

READ_TILE(read_pixels, SIDE, NAME(transform_six), LOAD_ALL, STORE_ALL)
READ_TILE(read_some_pixels, SIDE, NAME(transform_six), NAME(load_some), NAME(store_some))

/* The tile's pixels of all channels of a group, transformed, to the strip (36, ins * STRIP + PAD). */
static void NAME(read_tile)(const WinogradPlan *plan, const real *x, int64_t group, const Segment *segment,
                            real *strip) {
    const int64_t *size = plan->in_sizes;
    ptrdiff_t kind = NAME(kind_of)(plan->ins), steps[PIXELS];
    const real *from[PIXELS];
    NAME(find_pixels)(x + group * plan->ins * size[0] * size[1] * plan->images, size, plan->images,
                      segment->row - plan->before[0], segment->column - plan->before[1], segment->image, SIDE, from,
                      steps);
    real *to = strip + segment->at;
    for (int64_t in = 0; in < plan->ins; in++, to += NAME(STRIP)) {
        int64_t at = 0;
        for (; at + NAME(LANES) <= segment->length; at += NAME(LANES)) {
            NAME(read_pixels)(from, steps, at, NAME(LANES), to, kind);
        }
        if (at < segment->length) {
            NAME(read_some_pixels)(from, steps, at, segment->length - at, to, kind);
        }
        for (int p = 0; p < PIXELS; p++) {
            from[p] += steps[p];
        }
    }
}

/* The tiles' pixels at the numbers [start, stop), at most a strip. */
static void NAME(read_strip)(const WinogradPlan *plan, const real *x, int64_t group, int64_t start, int64_t stop,
                             real *strip) {
    for (int64_t number = start; number < stop;) {
        Segment segment = segment_at(plan, number, start, stop);
        NAME(read_tile)(plan, x, group, &segment, strip);
        number += segment.length;
    }
}
