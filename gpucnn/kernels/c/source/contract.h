/* Contraction: what convolution forward, its gradient by the input, and the linear map have in common.
 *
 *     out[a, p] = sum over channels c and taps t of w[a, c, t] * x[c, p at t]  (+ bias[a])
 *
 * Memory is batch-last: x (C, D, H, W, N), out (A, D', H', W', N), so that neighbouring places p of one row are
 * neighbours in memory, N numbers each. Where the taps of a window meet the input is in a Plan, made by plans.py.
 */
#ifndef GPUCNN_CONTRACT_H
#define GPUCNN_CONTRACT_H

#include <stdint.h>

/* Along one axis the taps that meet the input at one place: `count` of them from `tap` on, the first at `source`. */
typedef struct {
    int64_t count, tap, source;
} Meeting;

/* Neighbouring places of the last axis with the same taps, from `start` on, whose sources are neighbours too. */
typedef struct {
    int64_t start, places;
    Meeting meeting;
} Run;

typedef struct {
    int64_t groups, outs, ins, images; /* A and C are those of one group */
    int64_t in_parts;                  /* of the channels: what each sums up is added in their order */
    int64_t out_sizes[3], in_sizes[3];
    int64_t w_group, w_out, w_in, w_tap[3]; /* how far apart in w */
    int64_t tap_step[3], source_step[3];    /* from one tap that meets the input to the next */
    int64_t run_count;
    Meeting tables[]; /* one a place of the first axis, then of the second; then the runs of the third */
} Plan;

/* Some channels and outs of a group, some rows over the first two axes, and some places of the third: each from the
 * first to before the second. */
typedef struct {
    int64_t group, in, in_stop, out, out_stop, row, row_stop, place, place_stop;
} Part;

/* Only a part, to out (outs, rows, places, N). */
void contract_part_float(const Plan *plan, const float *x, const float *w, const float *bias, const Part *part,
                         float *out);
void contract_part_double(const Plan *plan, const double *x, const double *w, const double *bias, const Part *part,
                          double *out);

/* `bias` may be NULL; with `relu` results below 0 become 0. `parts`: plan->in_parts
 * arrays like out, or NULL where that is 1. */
void contract_float(const Plan *plan, const float *x, const float *w, const float *bias, int relu, float *parts,
                    float *out);
void contract_double(const Plan *plan, const double *x, const double *w, const double *bias, int relu, double *parts,
                     double *out);

#endif
