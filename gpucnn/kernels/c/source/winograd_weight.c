#ifndef real
#include "winograd.h"
#include "square.h"

#define TEMPLATE "winograd_weight.c"
#include "each_real.h"
#else
#include "winograd_tile.h"

/* A y of four vectors, `step` apart, to six, `to_step` apart. */
INLINE void NAME(transform_four)(const NAME(vector) *y, const int step, NAME(vector) *to, const int to_step) {
    NAME(vector) even = y[0] + y[2 * step], odd = y[step] + y[3 * step];
    NAME(vector) even_2 = y[0] + 4 * y[2 * step], odd_2 = 2 * y[step] + 8 * y[3 * step];
    to[0] = y[0];
    to[to_step] = even + odd;
    to[2 * to_step] = even - odd;
    to[3 * to_step] = even_2 + odd_2;
    to[4 * to_step] = even_2 - odd_2;
    to[5 * to_step] = y[3 * step];
}

READ_TILE(read_gradients, OUT_SIDE, NAME(transform_four), LOAD_ALL, STORE_ALL)
READ_TILE(read_some_gradients, OUT_SIDE, NAME(transform_four), NAME(load_some), NAME(store_some))

/* The gradients of `outs` channels from `channel` on, at the numbers [start, stop), to (36, outs * STRIP + PAD). */
static void NAME(read_gradient_strip)(const NAME(Winograd) *work, int64_t channel, int64_t outs, int64_t start,
                                      int64_t stop, real *strip) {
    const WinogradPlan *plan = work->plan;
    const int64_t *size = plan->out_sizes;
    ptrdiff_t kind = NAME(kind_of)(outs), steps[OUT_SIDE * OUT_SIDE];
    const real *from[OUT_SIDE * OUT_SIDE];
    for (int64_t number = start; number < stop;) {
        Segment segment = segment_at(plan, number, start, stop);
        NAME(find_pixels)(work->grad + channel * size[0] * size[1] * plan->images, size, plan->images, segment.row,
                          segment.column, segment.image, OUT_SIDE, from, steps);
        real *to = strip + segment.at;
        for (int64_t o = 0; o < outs; o++, to += NAME(STRIP)) {
            int64_t at = 0;
            for (; at + NAME(LANES) <= segment.length; at += NAME(LANES)) {
                NAME(read_gradients)(from, steps, at, NAME(LANES), to, kind);
            }
            if (at < segment.length) {
                NAME(read_some_gradients)(from, steps, at, segment.length - at, to, kind);
            }
            for (int p = 0; p < OUT_SIDE * OUT_SIDE; p++) {
                from[p] += steps[p];
            }
        }
        number += segment.length;
    }
}

/* sums (outs, ins) += gradients (outs, STRIP) * pixels (ins, STRIP) transposed, over `length` numbers; `first`: sums
 * begin with these. */
static void NAME(multiply)(const real *gradients, int64_t outs, const real *pixels, int64_t ins, int64_t length,
                           int first, real *sums) {
    real panel[NAME(STRIP) * BLOCK_VECTORS * NAME(LANES)] __attribute__((aligned(64)));
    int64_t blocks = blocks_of(outs, BLOCK_ROWS);
    for (int64_t at = 0, taken = 0; at < ins; at += taken) {
        NAME(Block) block = NAME(block_for)(BLOCK_ROWS, ins - at, &taken);
        const Sums loops = {{1, 1, 1, length}, {0, 0, 0, taken}, {0, 0, 0, 1}};
        NAME(turn)(pixels + at * NAME(STRIP), NAME(STRIP), taken, length, panel);
        for (int64_t b = 0; b < blocks; b++) {
            int64_t out = cut(outs, b, blocks), rows = cut(outs, b + 1, blocks) - out;
            block((int)rows, taken, &loops, panel, gradients + out * NAME(STRIP), NAME(STRIP), NULL, first, 0,
                  sums + out * ins + at, ins);
        }
    }
}

/* One share of a group's outs, over one part of the numbers. */
static void NAME(add_part)(const NAME(Winograd) *work, int64_t group, int64_t part, int64_t share, real *memory) {
    const WinogradPlan *plan = work->plan;
    int64_t numbers = numbers_of(plan), strips = blocks_of(numbers, NAME(STRIP));
    int64_t first = cut(strips, part, plan->parts), last = cut(strips, part + 1, plan->parts);
    int64_t out = cut(plan->outs, share, plan->shares), outs = cut(plan->outs, share + 1, plan->shares) - out;
    int64_t kind = NAME(kind_of)(plan->ins), grad_kind = NAME(kind_of)(outs), both = PIXELS * (kind + grad_kind);
    real *sums = work->kernels + ((group * plan->parts + part) * PIXELS * plan->outs + out) * plan->ins;
    for (int64_t strip = first; strip < last; strip += plan->strips) {
        int64_t together = last - strip < plan->strips ? last - strip : plan->strips;
        for (int64_t s = 0; s < together; s++) {
            int64_t start = (strip + s) * NAME(STRIP);
            int64_t stop = start + NAME(STRIP) < numbers ? start + NAME(STRIP) : numbers;
            NAME(read_strip)(plan, work->x, group, start, stop, memory + s * both);
            NAME(read_gradient_strip)(work, group * plan->outs + out, outs, start, stop,
                                      memory + s * both + PIXELS * kind);
        }
        for (int p = 0; p < PIXELS; p++) {
            for (int64_t s = 0; s < together; s++) {
                int64_t left = numbers - (strip + s) * NAME(STRIP);
                const real *pixels = memory + s * both;
                NAME(multiply)(pixels + PIXELS * kind + p * grad_kind, outs, pixels + p * kind, plan->ins,
                               left < NAME(STRIP) ? left : NAME(STRIP), strip + s == first,
                               sums + p * plan->outs * plan->ins);
            }
        }
    }
}

/* One worker: task after task, until none is left. The results do not depend on which worker does a task. */
static void NAME(add_parts)(void *context, int64_t worker) {
    NAME(Winograd) *work = context;
    const WinogradPlan *plan = work->plan;
    int64_t both = NAME(kind_of)(plan->ins) + NAME(kind_of)(plan->outs);
    int64_t size = plan->strips * PIXELS * both;
    for (;;) {
        int64_t index = atomic_fetch_add(&work->next, 1), shared = index / plan->shares;
        if (shared >= plan->groups * plan->parts) {
            return;
        }
        NAME(add_part)(work, shared / plan->parts, shared % plan->parts, index % plan->shares,
                       work->memory + worker * size);
    }
}

/* G' z of six vectors, `step` apart. */
INLINE void NAME(transform_sums)(const NAME(vector) *z, const int step, NAME(vector) *to) {
    NAME(vector) sum = (z[step] + z[2 * step]) * (real)(1 / 6.0), sum_2 = z[3 * step] + z[4 * step];
    to[0] = z[0] * (real)0.25 - sum + sum_2 * (real)(1 / 24.0);
    to[1] = (z[2 * step] - z[step]) * (real)(1 / 6.0) + (z[3 * step] - z[4 * step]) * (real)(1 / 12.0);
    to[2] = sum_2 * (real)(1 / 6.0) - sum + z[5 * step];
}

/* The gradient by the kernels of one out, from the sums of all parts. */
static void NAME(finish)(void *context, int64_t index) {
    const NAME(Winograd) *work = context;
    const WinogradPlan *plan = work->plan;
    int64_t group = index / plan->outs, out = index % plan->outs, kind = plan->outs * plan->ins;
    for (int64_t in = 0; in < plan->ins; in += NAME(LANES)) {
        const real *sums = work->kernels + group * plan->parts * PIXELS * kind + out * plan->ins + in;
        int64_t count = plan->ins - in < NAME(LANES) ? plan->ins - in : NAME(LANES);
        NAME(vector) z[PIXELS] = {{0}}, half[SIDE * 3], taps[TAPS];
        for (int64_t part = 0; part < plan->parts; part++) {
            for (int p = 0; p < PIXELS; p++, sums += kind) {
                z[p] += NAME(load_some)(sums, count);
            }
        }
        UNROLL for (int c = 0; c < SIDE; c++) {
            NAME(transform_sums)(z + c, SIDE, half + 3 * c);
        }
        UNROLL for (int r = 0; r < 3; r++) {
            NAME(transform_sums)(half + r, 3, taps + 3 * r);
        }
        real *to = work->out + (index * plan->ins + in) * TAPS;
        for (int64_t i = 0; i < count; i++, to += TAPS) {
            UNROLL for (int t = 0; t < TAPS; t++) {
                to[t] = ((const real *)(taps + t))[i];
            }
        }
    }
}

void NAME(winograd_weight)(const WinogradPlan *plan, const real *x, const real *grad, real *memory, real *out) {
    int64_t kernels = plan->groups * plan->outs * plan->ins * PIXELS;
    NAME(Winograd) work = {.plan = plan, .x = x, .grad = grad, .out = out, .kernels = memory,
                           .memory = memory + plan->parts * kernels};
    NAME(run_workers)(NAME(add_parts), &work);
    run_if(kernels * plan->parts * TAPS >= WORTH_SHARING, NAME(finish), &work, plan->groups * plan->outs);
}
#endif
