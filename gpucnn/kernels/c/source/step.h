/* What changes from one training step to the next, and what is noted of each. */
#ifndef GPUCNN_STEP_H
#define GPUCNN_STEP_H

#include <stdint.h>

/* Take row `now[3]` of the tables integers (steps, 2) and numbers (steps, groups, 3): now becomes (start, seed, step,
 * step + 1), the first three of each of scales (groups, 4) the numbers. */
void begin_step(const int64_t *integers, const double *numbers, int64_t groups, int64_t *now, double *scales);

void count(int64_t more, int64_t *counter);

/* losses[*step] = *loss; corrects[*step] = how many of `images` columns of scores (classes, images) have their first
 * largest at their label, where NaN is the largest. Unless the loss is finite the last of each of scales (groups, 4)
 * becomes 1. */
void tally_float(const int64_t *labels, const float *loss, const int64_t *step, double *losses, int64_t *corrects,
                 double *scales, int64_t groups, int64_t classes, int64_t images, const float *scores);
void tally_double(const int64_t *labels, const double *loss, const int64_t *step, double *losses, int64_t *corrects,
                  double *scales, int64_t groups, int64_t classes, int64_t images, const double *scores);

#endif
