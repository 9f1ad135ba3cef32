#ifndef real
#include "step.h"

#include <math.h>

void begin_step(const int64_t *integers, const double *numbers, int64_t groups, int64_t *now, double *scales) {
    int64_t step = now[3];
    now[0] = integers[2 * step];
    now[1] = integers[2 * step + 1];
    now[2] = step;
    now[3] = step + 1;
    for (int64_t group = 0; group < groups; group++) {
        for (int i = 0; i < 3; i++) {
            scales[4 * group + i] = numbers[3 * (step * groups + group) + i];
        }
    }
}

void count(int64_t more, int64_t *counter) { *counter += more; }

#define TEMPLATE "step.c"
#include "each_real.h"
#else

/* The first largest of a column. */
static int64_t NAME(predicted)(const real *scores, int64_t classes, int64_t images) {
    int64_t best = 0;
    for (int64_t i = 1; i < classes; i++) {
        real value = scores[i * images], largest = scores[best * images];
        if (value > largest || (isnan(value) && !isnan(largest))) {
            best = i;
        }
    }
    return best;
}

void NAME(tally)(const int64_t *labels, const real *loss, const int64_t *step, double *losses, int64_t *corrects,
                 double *scales, int64_t groups, int64_t classes, int64_t images, const real *scores) {
    int64_t correct = 0;
    for (int64_t image = 0; image < images; image++) {
        correct += NAME(predicted)(scores + image, classes, images) == labels[image];
    }
    losses[*step] = *loss;
    corrects[*step] = correct;
    if (!isfinite(*loss)) {
        for (int64_t group = 0; group < groups; group++) {
            scales[4 * group + 3] = 1;
        }
    }
}
#endif
