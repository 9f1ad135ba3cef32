#ifndef real
#include "winograd.h"

#define SUMMED_BYTES (1 << 15) /* of a strip that are multiplied at a time: they stay in the first cache */

#define TEMPLATE "winograd.c"
#include "each_real.h"
#else
#include "winograd_tile.h"

/* G w of three taps, to six, `step` apart. */
INLINE void NAME(transform_taps)(NAME(vector) first, NAME(vector) second, NAME(vector) third, NAME(vector) *to,
                                 const int step) {
    NAME(vector) outer = (first + third) * (real)(1 / 6.0), inner = second * (real)(1 / 6.0);
    NAME(vector) far = first * (real)(1 / 24.0) + third * (real)(1 / 6.0), near = second * (real)(1 / 12.0);
    to[0] = first * (real)0.25;
    to[step] = -outer - inner;
    to[2 * step] = inner - outer;
    to[3 * step] = far + near;
    to[4 * step] = far - near;
    to[5 * step] = third;
}

/* G g G' of a vector of input channels of one output channel, `count` of them, to `to`, `kind` apart. */
INLINE void NAME(transform_some)(const WinogradPlan *plan, const real *w, int64_t count, real *to, ptrdiff_t kind) {
    NAME(vector) taps[TAPS] = {{0}}, half[3 * SIDE], all[SIDE];
    for (int64_t i = 0; i < count; i++) {
        UNROLL for (int t = 0; t < TAPS; t++) {
            ((real *)(taps + t))[i] = w[i * plan->w_in + (plan->flipped ? TAPS - 1 - t : t)];
        }
    }
    UNROLL for (int c = 0; c < 3; c++) {
        NAME(transform_taps)(taps[c], taps[3 + c], taps[6 + c], half + c, 3);
    }
    for (int r = 0; r < SIDE; r++) {
        NAME(transform_taps)(half[3 * r], half[3 * r + 1], half[3 * r + 2], all, 1);
        EACH_OF_SIX for (int c = 0; c < SIDE; c++, to += kind) {
            NAME(store_some)(to, all[c], count);
        }
    }
}

/* G g G' of one output channel's kernels: 36 numbers for each input channel. */
static void NAME(transform_kernels)(void *context, int64_t index) {
    const NAME(Winograd) *work = context;
    const WinogradPlan *plan = work->plan;
    int64_t group = index / plan->outs, out = index % plan->outs, kind = plan->outs * plan->ins;
    const real *w = work->w + group * plan->w_group + out * plan->w_out;
    real *to = work->kernels + group * PIXELS * kind + out * plan->ins;
    for (int64_t in = 0; in < plan->ins; in += NAME(LANES)) {
        int64_t count = plan->ins - in < NAME(LANES) ? plan->ins - in : NAME(LANES);
        NAME(transform_some)(plan, w + in * plan->w_in, count, to + in, kind);
    }
}

/* A' m of six vectors, `step` apart, to four, `to_step` apart. */
INLINE void NAME(transform_products)(const NAME(vector) *m, const int step, NAME(vector) *to, const int to_step) {
    NAME(vector) sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    NAME(vector) sum_2 = m[3 * step] + m[4 * step], difference_2 = m[3 * step] - m[4 * step];
    to[0] = m[0] + sum + sum_2;
    to[to_step] = difference + 2 * difference_2;
    to[2 * to_step] = sum + 4 * sum_2;
    to[3 * to_step] = difference + 8 * difference_2 + m[5 * step];
}

/* `count` numbers of the outputs of one tile and channel, from its products, `kind` apart. */
#define WRITE_OUTPUTS(name, LOAD, STORE)                                                                            \
    INLINE void NAME(name)(const real *products, ptrdiff_t kind, int64_t at, int64_t count, real bias, int relu,    \
                           real *const to[OUT_SIDE * OUT_SIDE]) {                                                   \
        NAME(vector) half[OUT_SIDE * SIDE];                                                                         \
        (void)count;                                                                                                \
        EACH_OF_SIX for (int c = 0; c < SIDE; c++) {                                                                \
            NAME(vector) m[SIDE];                                                                                   \
            EACH_OF_SIX for (int r = 0; r < SIDE; r++) {                                                            \
                m[r] = LOAD(products + (SIDE * r + c) * kind + at, count);                                          \
            }                                                                                                       \
            NAME(transform_products)(m, 1, half + c, SIDE);                                                         \
        }                                                                                                           \
        for (int r = 0; r < OUT_SIDE; r++) {                                                                        \
            NAME(vector) y[OUT_SIDE];                                                                               \
            NAME(transform_products)(half + SIDE * r, 1, y, 1);                                                     \
            UNROLL for (int c = 0; c < OUT_SIDE; c++) {                                                             \
                if (to[OUT_SIDE * r + c]) {                                                                         \
                    NAME(vector) value = y[c] + bias;                                                               \
                    STORE(to[OUT_SIDE * r + c] + at, relu ? NAME(positive)(value) : value, count);                  \
                }                                                                                                   \
            }                                                                                                       \
        }                                                                                                           \
    }
WRITE_OUTPUTS(write_outputs, LOAD_ALL, STORE_ALL)
WRITE_OUTPUTS(write_some_outputs, NAME(load_some), NAME(store_some))
#undef WRITE_OUTPUTS

/* The tile's outputs of one channel from its products (36, `kind` apart). */
static void NAME(write_tile)(const NAME(Winograd) *work, int64_t channel, const Segment *segment,
                             const real *products, ptrdiff_t kind) {
    const WinogradPlan *plan = work->plan;
    const int64_t *size = plan->out_sizes;
    real bias = work->bias ? work->bias[channel] : 0, *to[OUT_SIDE * OUT_SIDE];
    for (int p = 0; p < OUT_SIDE * OUT_SIDE; p++) {
        int64_t row = segment->row + p / OUT_SIDE, column = segment->column + p % OUT_SIDE;
        to[p] = row < size[0] && column < size[1]
                    ? work->out + ((channel * size[0] + row) * size[1] + column) * plan->images + segment->image
                    : NULL;
    }
    int64_t at = 0;
    for (; at + NAME(LANES) <= segment->length; at += NAME(LANES)) {
        NAME(write_outputs)(products, kind, at, NAME(LANES), bias, work->relu, to);
    }
    if (at < segment->length) {
        NAME(write_some_outputs)(products, kind, at, segment->length - at, bias, work->relu, to);
    }
}

/* products[o] = the sum over inputs of kernels[o] * pixels, for the blocks [first, last) of outs, `length` numbers. */
static void NAME(multiply)(const WinogradPlan *plan, const real *kernels, int64_t first, int64_t last,
                           const real *pixels, int64_t length, real *products) {
    int64_t blocks = blocks_of(plan->outs, BLOCK_ROWS), start = cut(plan->outs, first, blocks);
    for (int64_t at = 0, taken = 0; at < length; at += taken) {
        NAME(Block) block = NAME(block_for)(BLOCK_ROWS, length - at, &taken);
        int64_t together = SUMMED_BYTES / STRIP_BYTES;
        for (int64_t in = 0; in < plan->ins; in += together) {
            int64_t count = plan->ins - in < together ? plan->ins - in : together;
            for (int64_t b = first; b < last; b++) {
                int64_t out = cut(plan->outs, b, blocks), rows = cut(plan->outs, b + 1, blocks) - out;
                const Sums sums = {{1, 1, 1, count}, {0, 0, 0, NAME(STRIP)}, {0, 0, 0, 1}};
                block((int)rows, taken, &sums, pixels + in * NAME(STRIP) + at, kernels + out * plan->ins + in,
                      plan->ins, NULL, in == 0, 0, products + (out - start) * NAME(STRIP) + at, NAME(STRIP));
            }
        }
    }
}

/* One share of a group's outputs at the numbers [start, stop), one strip. */
static void NAME(fill_strip)(const NAME(Winograd) *work, int64_t group, int64_t share, int64_t start, int64_t stop,
                             real *pixels) {
    const WinogradPlan *plan = work->plan;
    int64_t blocks = blocks_of(plan->outs, BLOCK_ROWS);
    int64_t first = cut(blocks, share, plan->shares), last = cut(blocks, share + 1, plan->shares);
    int64_t out = cut(plan->outs, first, blocks), outs = cut(plan->outs, last, blocks) - out;
    int64_t kind = NAME(kind_of)(outs), pixel_kind = NAME(kind_of)(plan->ins);
    const real *kernels = work->kernels + group * PIXELS * plan->outs * plan->ins;
    real *products = pixels + PIXELS * pixel_kind;
    NAME(read_strip)(plan, work->x, group, start, stop, pixels);
    for (int p = 0; p < PIXELS; p++) {
        NAME(multiply)(plan, kernels + p * plan->outs * plan->ins, first, last, pixels + p * pixel_kind, stop - start,
                       products + p * kind);
    }
    for (int64_t number = start; number < stop;) {
        Segment segment = segment_at(plan, number, start, stop);
        for (int64_t o = 0; o < outs; o++) {
            NAME(write_tile)(work, group * plan->outs + out + o, &segment, products + o * NAME(STRIP) + segment.at,
                             kind);
        }
        number += segment.length;
    }
}

/* One worker: strip after strip, until none is left. The results do not depend on which worker fills a strip. */
static void NAME(fill_strips)(void *context, int64_t worker) {
    NAME(Winograd) *work = context;
    const WinogradPlan *plan = work->plan;
    int64_t numbers = numbers_of(plan), strips = blocks_of(numbers, NAME(STRIP)), tasks = strips * plan->shares;
    real *memory = work->memory + worker * PIXELS * (NAME(kind_of)(plan->ins) + NAME(kind_of)(plan->outs));
    for (;;) {
        int64_t index = atomic_fetch_add(&work->next, 1);
        if (index >= plan->groups * tasks) {
            return;
        }
        int64_t start = index % tasks / plan->shares * NAME(STRIP), stop = start + NAME(STRIP);
        NAME(fill_strip)(work, index / tasks, index % plan->shares, start, stop < numbers ? stop : numbers, memory);
    }
}

void NAME(winograd)(const WinogradPlan *plan, const real *x, const real *w, const real *bias, int relu,
                    real *memory, real *out) {
    int64_t kernels = plan->groups * plan->outs * plan->ins * PIXELS;
    NAME(Winograd) work = {.plan = plan, .x = x, .w = w, .bias = bias, .out = out, .kernels = memory,
                           .memory = memory + kernels, .relu = relu};
    run_if(kernels * TAPS >= WORTH_SHARING, NAME(transform_kernels), &work, plan->groups * plan->outs);
    NAME(run_workers)(NAME(fill_strips), &work);
}
#endif
