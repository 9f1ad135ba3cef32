#ifndef real
#include "winograd.h"
#include "block.h"
#include "threads.h"

#include <math.h>
#include <stdatomic.h>

#define PIXELS 16 /* of a tile: 4 x 4 */
#define EACH_PIXEL _Pragma("GCC unroll 16") for (int p = 0; p < PIXELS; p++)
#define TAPS 9
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

/* Neighbouring numbers, of one tile: `length` images from `image` on, at `at` of their strip. */
typedef struct {
    int64_t row, column, image, at, length; /* row and column of the tile's first output */
} Segment;

static int64_t blocks_of(int64_t length, int64_t size) { return (length + size - 1) / size; }

/* The numbers of all tiles follow each other: cut off the one tile's from `number` on, before `stop`. */
static Segment segment_at(const WinogradPlan *plan, int64_t number, int64_t start, int64_t stop) {
    int64_t tile = number / plan->images, image = number % plan->images, across = blocks_of(plan->out_sizes[1], 2);
    int64_t length = plan->images - image < stop - number ? plan->images - image : stop - number;
    return (Segment){tile / across * 2, tile % across * 2, image, number - start, length};
}

#define TEMPLATE "winograd.c"
#include "each_real.h"
#else

enum { NAME(STRIP) = STRIP_BYTES / sizeof(real), NAME(PAD) = PAD_BYTES / sizeof(real) };

/* How far apart the factors of the 16 products lie in a strip. */
static int64_t NAME(kind_of)(const WinogradPlan *plan) { return plan->ins * NAME(STRIP) + NAME(PAD); }

typedef struct {
    const WinogradPlan *plan;
    const real *x, *w, *bias;
    real *out;
    real *kernels, *memory; /* (groups, 16, outs, ins); (workers, strips, 16, ins * STRIP + PAD) */
    int relu;
    int64_t numbers;   /* of one channel's tiles */
    atomic_llong next; /* the first block that no worker has taken */
} NAME(Winograd);

static const real NAME(zeros)[NAME(STRIP)];

/* G g G' of one output channel's kernels: 16 numbers for each input channel, `kind` apart. */
static void NAME(transform_kernels)(void *context, int64_t index) {
    const NAME(Winograd) *work = context;
    const WinogradPlan *plan = work->plan;
    int64_t group = index / plan->outs, out = index % plan->outs, kind = plan->outs * plan->ins;
    const real *w = work->w + group * plan->w_group + out * plan->w_out + (plan->flipped ? TAPS - 1 : 0);
    real *to = work->kernels + group * PIXELS * kind + out * plan->ins;
    int step = plan->flipped ? -1 : 1;
    for (int64_t in = 0; in < plan->ins; in++, w += plan->w_in, to++) {
        real half[4][3];
        for (int c = 0; c < 3; c++) {
            real top = w[c * step], middle = w[(3 + c) * step], bottom = w[(6 + c) * step];
            half[0][c] = top;
            half[1][c] = (top + middle + bottom) / 2;
            half[2][c] = (top - middle + bottom) / 2;
            half[3][c] = bottom;
        }
        for (int r = 0; r < 4; r++) {
            to[(4 * r + 0) * kind] = half[r][0];
            to[(4 * r + 1) * kind] = (half[r][0] + half[r][1] + half[r][2]) / 2;
            to[(4 * r + 2) * kind] = (half[r][0] - half[r][1] + half[r][2]) / 2;
            to[(4 * r + 3) * kind] = half[r][2];
        }
    }
}

/* B' d B of 16 vectors. */
INLINE void NAME(transform_pixels)(NAME(vector) d[PIXELS]) {
    UNROLL for (int c = 0; c < 4; c++) {
        NAME(vector) *p = d + c, first = p[0], third = p[8];
        p[0] = first - third;
        p[8] = third - p[4];
        third = p[4] + third;
        p[12] = p[4] - p[12];
        p[4] = third;
    }
    UNROLL for (int r = 0; r < 4; r++) {
        NAME(vector) *p = d + 4 * r, first = p[0], third = p[2];
        p[0] = first - third;
        p[2] = third - p[1];
        third = p[1] + third;
        p[3] = p[1] - p[3];
        p[1] = third;
    }
}

/* The tile's pixels of all channels, transformed, to the strip (16, ins * STRIP + PAD); those in the padding are 0. */
static void NAME(read_tile)(const NAME(Winograd) *work, int64_t group, const Segment *segment, real *strip) {
    const WinogradPlan *plan = work->plan;
    const int64_t *size = plan->in_sizes;
    ptrdiff_t plane = size[0] * size[1] * plan->images, kind = NAME(kind_of)(plan), steps[PIXELS];
    const real *from[PIXELS];
    for (int p = 0; p < PIXELS; p++) {
        int64_t row = segment->row - plan->before[0] + p / 4, column = segment->column - plan->before[1] + p % 4;
        int inside = row >= 0 && row < size[0] && column >= 0 && column < size[1];
        ptrdiff_t offset = (row * size[1] + column) * plan->images + segment->image;
        from[p] = inside ? work->x + group * plan->ins * plane + offset : NAME(zeros);
        steps[p] = inside ? plane : 0;
    }
    real *to = strip + segment->at;
    for (int64_t in = 0; in < plan->ins; in++, to += NAME(STRIP)) {
        NAME(vector) d[PIXELS];
        int64_t at = 0;
        for (; at + NAME(LANES) <= segment->length; at += NAME(LANES)) {
            EACH_PIXEL {
                d[p] = *(const NAME(vector) *)(from[p] + at);
            }
            NAME(transform_pixels)(d);
            EACH_PIXEL {
                *(NAME(vector) *)(to + p * kind + at) = d[p];
            }
        }
        if (at < segment->length) {
            EACH_PIXEL {
                d[p] = NAME(load_some)(from[p] + at, segment->length - at);
            }
            NAME(transform_pixels)(d);
            EACH_PIXEL {
                NAME(store_some)(to + p * kind + at, d[p], segment->length - at);
            }
        }
        for (int p = 0; p < PIXELS; p++) {
            from[p] += steps[p];
        }
    }
}

/* A' m A of 16 vectors, in the first 4. */
INLINE void NAME(transform_products)(NAME(vector) m[PIXELS]) {
    UNROLL for (int c = 0; c < 4; c++) {
        NAME(vector) *p = m + c, sum = p[4] + p[8], difference = p[4] - p[8];
        p[0] += sum;
        p[4] = difference - p[12];
    }
    UNROLL for (int r = 0; r < 2; r++) {
        NAME(vector) *p = m + 4 * r, sum = p[1] + p[2], difference = p[1] - p[2];
        m[2 * r] = p[0] + sum;
        m[2 * r + 1] = difference - p[3];
    }
}

INLINE NAME(vector) NAME(finished)(const NAME(Winograd) *work, NAME(vector) values) {
    return work->relu ? NAME(positive)(values) : values;
}

/* The tile's outputs of one channel from its products (16, BLOCK_ROWS, STRIP). */
static void NAME(write_tile)(const NAME(Winograd) *work, int64_t channel, const Segment *segment,
                             const real *products) {
    const WinogradPlan *plan = work->plan;
    const int64_t *size = plan->out_sizes;
    const ptrdiff_t kind = BLOCK_ROWS * NAME(STRIP);
    real bias = work->bias ? work->bias[channel] : 0, *to[4];
    for (int p = 0; p < 4; p++) {
        int64_t row = segment->row + p / 2, column = segment->column + p % 2;
        to[p] = row < size[0] && column < size[1]
                    ? work->out + ((channel * size[0] + row) * size[1] + column) * plan->images + segment->image
                    : NULL;
    }
    NAME(vector) m[PIXELS];
    int64_t at = 0;
    for (; at + NAME(LANES) <= segment->length; at += NAME(LANES)) {
        EACH_PIXEL {
            m[p] = *(const NAME(vector) *)(products + p * kind + at);
        }
        NAME(transform_products)(m);
        UNROLL for (int p = 0; p < 4; p++) {
            if (to[p]) {
                *(NAME(vector) *)(to[p] + at) = NAME(finished)(work, m[p] + bias);
            }
        }
    }
    if (at < segment->length) {
        EACH_PIXEL {
            m[p] = NAME(load_some)(products + p * kind + at, segment->length - at);
        }
        NAME(transform_products)(m);
        UNROLL for (int p = 0; p < 4; p++) {
            if (to[p]) {
                NAME(store_some)(to[p] + at, NAME(finished)(work, m[p] + bias), segment->length - at);
            }
        }
    }
}

/* The outputs [out, out + rows) of one group at the numbers [start, stop), one strip, whose pixels are in `strip`. */
static void NAME(multiply_strip)(const NAME(Winograd) *work, int64_t group, int64_t out, int rows, int64_t start,
                                 int64_t stop, const real *strip) {
    const WinogradPlan *plan = work->plan;
    const real *kernels = work->kernels + (group * PIXELS * plan->outs + out) * plan->ins;
    const Sums sums = {{1, 1, 1, plan->ins}, {0, 0, 0, NAME(STRIP)}, {0, 0, 0, 1}};
    real products[PIXELS][BLOCK_ROWS][NAME(STRIP)] __attribute__((aligned(64)));
    for (int p = 0; p < PIXELS; p++) {
        const real *pixels = strip + p * NAME(kind_of)(plan);
        for (int64_t at = 0, taken = 0; at < stop - start; at += taken) {
            NAME(Block) block = NAME(block_for)(stop - start - at, &taken);
            block(rows, taken, &sums, pixels + at, kernels + p * plan->outs * plan->ins, plan->ins, NULL, 1,
                  0, products[p][0] + at, NAME(STRIP));
        }
    }
    for (int64_t number = start; number < stop;) {
        Segment segment = segment_at(plan, number, start, stop);
        for (int r = 0; r < rows; r++) {
            NAME(write_tile)(work, group * plan->outs + out + r, &segment, products[0][r] + segment.at);
        }
        number += segment.length;
    }
}

/* All outputs of one group at the numbers [start, stop), a few strips. */
static void NAME(fill_block)(const NAME(Winograd) *work, int64_t group, int64_t start, int64_t stop, real *memory) {
    const WinogradPlan *plan = work->plan;
    int64_t size = PIXELS * NAME(kind_of)(plan), blocks = blocks_of(plan->outs, BLOCK_ROWS);
    real *strip = memory;
    for (int64_t first = start, last; first < stop; first = last, strip += size) {
        last = first + NAME(STRIP) < stop ? first + NAME(STRIP) : stop;
        for (int64_t number = first; number < last;) {
            Segment segment = segment_at(plan, number, first, last);
            NAME(read_tile)(work, group, &segment, strip);
            number += segment.length;
        }
    }
    for (int64_t b = 0; b < blocks; b++) {
        int64_t out = plan->outs * b / blocks, out_stop = plan->outs * (b + 1) / blocks;
        strip = memory;
        for (int64_t first = start; first < stop; first += NAME(STRIP), strip += size) {
            int64_t last = first + NAME(STRIP) < stop ? first + NAME(STRIP) : stop;
            NAME(multiply_strip)(work, group, out, (int)(out_stop - out), first, last, strip);
        }
    }
}

/* One worker: block after block, until none is left. The results do not depend on which worker fills a block. */
static void NAME(fill_blocks)(void *context, int64_t worker) {
    NAME(Winograd) *work = context;
    const WinogradPlan *plan = work->plan;
    int64_t length = plan->strips * NAME(STRIP), blocks = blocks_of(work->numbers, length);
    real *memory = work->memory + worker * plan->strips * PIXELS * NAME(kind_of)(plan);
    for (;;) {
        int64_t index = atomic_fetch_add(&work->next, 1);
        if (index >= plan->groups * blocks) {
            return;
        }
        int64_t start = index % blocks * length, stop = start + length;
        NAME(fill_block)(work, index / blocks, start, stop < work->numbers ? stop : work->numbers, memory);
    }
}

void NAME(winograd)(const WinogradPlan *plan, const real *x, const real *w, const real *bias, int relu,
                    real *memory, real *out) {
    int64_t kernels = plan->groups * plan->outs * plan->ins * PIXELS;
    int64_t numbers = blocks_of(plan->out_sizes[0], 2) * blocks_of(plan->out_sizes[1], 2) * plan->images;
    NAME(Winograd) work = {.plan = plan, .x = x, .w = w, .bias = bias, .out = out, .kernels = memory,
                           .memory = memory + kernels, .relu = relu, .numbers = numbers};
    run_if(kernels * TAPS >= WORTH_SHARING, NAME(transform_kernels), &work, plan->groups * plan->outs);
    if (kernels * numbers >= WORTH_SHARING) {
        run(NAME(fill_blocks), &work, plan->workers);
    } else {
        NAME(fill_blocks)(&work, 0);
    }
}
#endif
