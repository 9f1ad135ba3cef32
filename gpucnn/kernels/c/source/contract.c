#ifndef real
#include "contract.h"
#include "block.h"
#include "cuts.h"
#include "sums.h"
#include "threads.h"

#include <stddef.h>

#define PANEL_BYTES (1 << 17) /* of x that are packed at a time: they stay in the second cache */
#define MOST_PIECES 4   /* of a panel: wide blocks of places, whose results are neighbours in memory */
#define WORTH_PACKING 6 /* blocks of outs that read the same places */
#define AHEAD 8         /* channels whose numbers are asked for before they are copied */
#define LINE_BYTES 64
#define ROWS_TOGETHER 4 /* that one task fills side by side */
#define LEAST_TASKS 16  /* enough for the threads to share evenly */
#define WORTH_SHARING (1 << 20) /* multiply-adds that outweigh waking a thread, some 8 microseconds */

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
    real *parts;                                /* results, of each part of the channels */
    int relu;                                   /* whether results are no less than 0 */
    int64_t out_parts, row_parts, column_parts; /* that different tasks take */
} NAME(Work);

/* Neighbouring numbers that one block takes: what it sums up, and where that begins in x. */
typedef struct {
    NAME(Block) block;
    int64_t at, taken;
    Sums sums;
    const real *x;
} NAME(Piece);

/* Copies what some pieces read, one loop after the other, to `panel`, and has them read it there: every block of outs
 * reads it again, and channels that lie a multiple of 4096 bytes apart evict each other from the caches. For the same
 * reason the processor's own foresight is of no use; the numbers to come are asked for here. */
static void NAME(pack)(const Sums *sums, NAME(Piece) *pieces, int piece_count, real *panel) {
    ptrdiff_t ahead = sums->count[0] > 1 ? sums->x[0] : AHEAD * sums->x[3];
    const real *x = pieces[0].x;
    int64_t summed = sums->count[0] * sums->count[1] * sums->count[2] * sums->count[3], term = 0;
    for (int64_t i = 0; i < sums->count[0]; i++) {
        for (int64_t j = 0; j < sums->count[1]; j++) {
            for (int64_t k = 0; k < sums->count[2]; k++) {
                const real *from = x + i * sums->x[0] + j * sums->x[1] + k * sums->x[2];
                for (int64_t l = 0; l < sums->count[3]; l++, from += sums->x[3], term++) {
                    real *to = panel;
                    for (int p = 0; p < piece_count; p++) {
                        int64_t at = pieces[p].at - pieces[0].at, taken = pieces[p].taken;
                        for (int64_t line = 0; line < taken; line += LINE_BYTES / sizeof(real)) {
                            __builtin_prefetch(from + ahead + at + line);
                        }
                        if (taken == BLOCK_VECTORS * NAME(LANES)) { /* a length that the compiler knows */
                            memcpy(to + term * taken, from + at, BLOCK_VECTORS * NAME(LANES) * sizeof(real));
                        } else {
                            memcpy(to + term * taken, from + at, taken * sizeof(real));
                        }
                        to += summed * taken;
                    }
                }
            }
        }
    }
    for (int p = 0; p < piece_count; p++) {
        pieces[p].x = panel;
        for (int i = 3, step = pieces[p].taken; i >= 0; step *= sums->count[i], i--) {
            pieces[p].sums.x[i] = step;
        }
        panel += summed * pieces[p].taken;
    }
}

/* Cuts `length` numbers of so many outs into pieces; returns how many. */
static int NAME(cut_pieces)(int64_t outs, int64_t length, NAME(Piece) *pieces) {
    int count = 0;
    for (int64_t at = 0; at < length; at += pieces[count++].taken) {
        pieces[count].at = at;
        pieces[count].block = NAME(block_for)(outs, length - at, &pieces[count].taken);
    }
    return count;
}

/* What one run of places in one row sums up, and where it begins. */
typedef struct {
    Sums sums;
    const real *x, *w;
} NAME(Line);

static NAME(Line) NAME(line_of)(const NAME(Work) *work, const Part *part, int64_t row, const Run *run, int64_t start) {
    const Plan *plan = work->plan;
    const int64_t *o = plan->out_sizes, *s = plan->in_sizes;
    const Meeting *d = plan->tables + row / o[1], *h = plan->tables + o[0] + row % o[1], *m = &run->meeting;
    ptrdiff_t n = plan->images, line = s[2] * n, plane = s[1] * line, volume = s[0] * plane;
    Sums sums = inwards(
        (int64_t[]){part->in_stop - part->in, d->count, h->count, m->count},
        (ptrdiff_t[]){volume, plan->source_step[0] * plane, plan->source_step[1] * line, plan->source_step[2] * n},
        (ptrdiff_t[]){plan->w_in, plan->tap_step[0] * plan->w_tap[0], plan->tap_step[1] * plan->w_tap[1],
                      plan->tap_step[2] * plan->w_tap[2]});
    return (NAME(Line)){
        sums,
        work->x + (part->group * plan->ins + part->in) * volume + d->source * plane + h->source * line +
            (m->source + start - run->start) * n,
        work->w + part->group * plan->w_group + part->in * plan->w_in + d->tap * plan->w_tap[0] +
            h->tap * plan->w_tap[1] + m->tap * plan->w_tap[2]};
}

/* How many of `length` neighbouring numbers are filled together: as many as fit into a panel, or one block of them. */
static int64_t NAME(filled_together)(const Sums *sums, int64_t length) {
    int64_t wide = BLOCK_VECTORS * NAME(LANES), summed = sums->count[0] * sums->count[1] * sums->count[2] * sums->count[3];
    int64_t pieces = PANEL_BYTES / (summed * wide * (int64_t)sizeof(real) + 1);
    pieces = pieces < 1 ? 1 : least(pieces, MOST_PIECES);
    return least(length, pieces * wide);
}

/* `length` neighbouring numbers, from `at` on, of each out of a part: those of its first one to `out`, those of the next
 * `out_step` behind them. */
static void NAME(fill)(const NAME(Work) *work, const NAME(Line) *line, const Part *part, int64_t at, int64_t length,
                       real *panel, real *out, ptrdiff_t out_step) {
    const Plan *plan = work->plan;
    const int64_t *count = line->sums.count, start = part->out, stop = part->out_stop;
    const real *bias = work->bias && part->in == 0 ? work->bias + part->group * plan->outs : NULL;
    int64_t blocks = blocks_of(stop - start, length > NAME(LANES) ? BLOCK_ROWS : TALL_ROWS), from = 0;
    int64_t together = PANEL_BYTES / (count[1] * count[2] * count[3] * length * (int64_t)sizeof(real) + 1);
    int packs = blocks >= WORTH_PACKING && length >= 2 * NAME(LANES) && together > 0;
    NAME(Piece) pieces[MOST_PIECES + 3], *piece;
    int piece_count = NAME(cut_pieces)(stop - start, length, pieces);
    together = packs ? together : count[0];
    do { /* once at least: with nothing to sum up the bias is written */
        int64_t ins = least(count[0] - from, together);
        int relu = work->relu && from + ins == count[0];
        for (piece = pieces; piece < pieces + piece_count; piece++) {
            piece->sums = line->sums;
            piece->sums.count[0] = ins;
            piece->x = line->x + from * line->sums.x[0] + at + piece->at;
        }
        if (packs) {
            NAME(pack)(&pieces[0].sums, pieces, piece_count, panel);
        }
        for (int64_t b = 0; b < blocks; b++) {
            int64_t first = start + (stop - start) * b / blocks, last = start + (stop - start) * (b + 1) / blocks;
            const real *w = line->w + from * line->sums.w[0] + first * plan->w_out;
            for (piece = pieces; piece < pieces + piece_count; piece++) {
                piece->block((int)(last - first), piece->taken, &piece->sums, piece->x, w, plan->w_out,
                             bias ? bias + first : NULL, from == 0, relu,
                             out + (first - start) * out_step + at + piece->at, out_step);
            }
        }
        from += ins;
    } while (from < count[0]);
}

/* A part whose rows are few: side by side, as rows read the same lines. */
static void NAME(fill_part)(const NAME(Work) *work, const Part *part, real *out, ptrdiff_t row_step,
                            ptrdiff_t out_step) {
    const Plan *plan = work->plan;
    const Run *runs = (const Run *)(plan->tables + plan->out_sizes[0] + plan->out_sizes[1]);
    static _Thread_local real panel[PANEL_BYTES / sizeof(real)] __attribute__((aligned(64)));
    for (const Run *run = runs; run < runs + plan->run_count; run++) {
        int64_t start = run->start > part->place ? run->start : part->place;
        int64_t stop = least(run->start + run->places, part->place_stop);
        NAME(Line) lines[ROWS_TOGETHER];
        for (int64_t r = part->row; start < stop && r < part->row_stop; r++) {
            lines[r - part->row] = NAME(line_of)(work, part, r, run, start);
        }
        int64_t length = (stop - start) * plan->images;
        for (int64_t at = 0, taken = 0; at < length; at += taken) {
            taken = NAME(filled_together)(&lines[0].sums, length - at);
            for (int64_t r = 0; r < part->row_stop - part->row; r++) {
                NAME(fill)(work, lines + r, part, at, taken, panel,
                           out + r * row_step + (start - part->place) * plan->images, out_step);
            }
        }
    }
}

void NAME(contract_part)(const Plan *plan, const real *x, const real *w, const real *bias, const Part *part, real *out) {
    NAME(Work) work = {.plan = plan, .x = x, .w = w, .bias = bias};
    int64_t rows = part->row_stop - part->row, row_step = (part->place_stop - part->place) * plan->images;
    for (int64_t row = 0; row < rows; row += ROWS_TOGETHER) {
        Part some = *part;
        some.row = part->row + row, some.row_stop = least(some.row + ROWS_TOGETHER, part->row_stop);
        NAME(fill_part)(&work, &some, out + row * row_step, row_step, rows * row_step);
    }
}

/* Part number `index` of all: those that sum up the same channels are neighbours. */
static void NAME(fill_rows)(void *context, int64_t index) {
    const NAME(Work) *work = context;
    const Plan *plan = work->plan;
    const int64_t *o = plan->out_sizes;
    int64_t rows = o[0] * o[1], column = index % work->column_parts, rest = index / work->column_parts;
    int64_t row_part = rest % work->row_parts, out_part = rest / work->row_parts % work->out_parts;
    int64_t group = rest / work->row_parts / work->out_parts, in_part = group / plan->groups;
    int64_t blocks = blocks_of(plan->outs, BLOCK_ROWS); /* whole ones for each task */
    Part part = {group % plan->groups,
                 cut(plan->ins, in_part, plan->in_parts), cut(plan->ins, in_part + 1, plan->in_parts),
                 cut(blocks, out_part, work->out_parts) * BLOCK_ROWS,
                 least(plan->outs, cut(blocks, out_part + 1, work->out_parts) * BLOCK_ROWS),
                 cut(rows, row_part, work->row_parts), cut(rows, row_part + 1, work->row_parts),
                 cut(o[2], column, work->column_parts), cut(o[2], column + 1, work->column_parts)};
    ptrdiff_t row_step = o[2] * plan->images;
    real *out = work->parts + ((group * plan->outs + part.out) * rows + part.row) * row_step;
    NAME(fill_part)(work, &part, out + part.place * plan->images, row_step, rows * row_step);
}

void NAME(contract)(const Plan *plan, const real *x, const real *w, const real *bias, int relu, real *parts, real *out) {
    const int64_t *o = plan->out_sizes;
    int64_t rows = o[0] * o[1], blocks = blocks_of(plan->outs, BLOCK_ROWS), row_parts = blocks_of(rows, ROWS_TOGETHER);
    int64_t tasks = plan->in_parts * plan->groups * row_parts, one = plan->in_parts == 1;
    NAME(Work) work = {plan, x, w, bias, one ? out : parts, relu && one, 1, row_parts, 1};
    int64_t columns = least(o[2], o[2] * plan->images / (BLOCK_VECTORS * NAME(LANES))); /* that fill a block each */
    if (tasks < LEAST_TASKS && columns > 1) {
        work.column_parts = least(columns, blocks_of(LEAST_TASKS, tasks));
        tasks *= work.column_parts;
    }
    if (tasks < LEAST_TASKS) {
        work.out_parts = least(blocks, blocks_of(LEAST_TASKS, tasks));
        tasks *= work.out_parts;
    }
    int64_t taps = least(plan->w_in, plan->w_out), numbers = plan->groups * plan->outs * rows * o[2] * plan->images;
    run_if(numbers * plan->ins * taps >= WORTH_SHARING, NAME(fill_rows), &work, tasks);
    if (!one) {
        NAME(add_parts)(parts, plan->in_parts, numbers, out);
    }
    for (int64_t i = 0; !one && relu && i < numbers; i++) {
        out[i] = out[i] < 0 ? 0 : out[i];
    }
}
#endif
