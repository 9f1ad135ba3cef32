#ifndef real
#include "targets.h"
#include "threads.h"
#include "vector.h"

#include <math.h>

#define TASK_PLACES 64
#define WORTH_SHARING (1 << 14) /* exponentials that outweigh waking a thread */

#define log_float logf
#define log_double log

#define TEMPLATE "targets.c"
#include "each_real.h"
#else
#include "exponential.h"

typedef struct {
    const real *logits, *target, *weight;
    int64_t classes, places;
    real smoothing, scale;
    real *gradient, *losses;
} NAME(Entropy);

void NAME(class_targets)(const int64_t *labels, const real *weight, int64_t ignored, double smoothing, int mean,
                         int64_t classes, int64_t places, real *target) {
    double sum = mean ? 0 : 1;
    for (int64_t place = 0; mean && place < places; place++) {
        int64_t label = labels[place];
        sum += label != ignored && label >= 0 && label < classes ? weight[label] : 0;
    }
    real keep = (real)(1 - smoothing), share = (real)(smoothing / (double)classes), whole = (real)sum;
    for (int64_t class = 0; class < classes; class++) {
        for (int64_t place = 0; place < places; place++) {
            int64_t label = labels[place];
            real value = ((label == class ? keep : 0) + share) * weight[class];
            value = label < 0 || label >= classes ? (real)NAN : value;
            target[class * places + place] = (label == ignored ? 0 : value) / whole;
        }
    }
}

/* TASK_PLACES places side by side, or what is left of them. */
static void NAME(entropy_task)(void *context, int64_t task) {
    const NAME(Entropy) *e = context;
    const int64_t first = task * TASK_PLACES, places = e->places;
    const int64_t count = places - first < TASK_PLACES ? places - first : TASK_PLACES;
    const real *logits = e->logits + first, *target = e->target + first;
    const real keep = 1 - e->smoothing, share = e->smoothing / (real)e->classes;
    real largest[TASK_PLACES], sum[TASK_PLACES] = {0}, logarithm[TASK_PLACES];
    real loss[TASK_PLACES] = {0}, targets[TASK_PLACES] = {0};
    memcpy(largest, logits, (size_t)count * sizeof(real));
    for (int64_t class = 1; class < e->classes; class++) {
        for (int64_t i = 0; i < count; i++) {
            real logit = logits[class * places + i];
            largest[i] = logit > largest[i] ? logit : largest[i];
        }
    }
    for (int64_t class = 0; class < e->classes; class++) {
        for (int64_t i = 0; i < count; i++) {
            sum[i] += NAME(exponential_of)(logits[class * places + i] - largest[i]);
        }
    }
    for (int64_t i = 0; i < count; i++) {
        logarithm[i] = NAME(log)(sum[i]);
    }
    for (int64_t class = 0; class < e->classes; class++) {
        const real weight = e->weight ? e->weight[class] : 1;
        for (int64_t i = 0; i < count; i++) {
            real t = (target[class * places + i] * keep + share) * weight;
            real part = t * (logits[class * places + i] - largest[i] - logarithm[i]);
            targets[i] += t;
            loss[i] -= t == 0 ? 0 : part; /* a masked class, whose logit is -inf, costs nothing */
        }
    }
    for (int64_t class = 0; e->gradient && class < e->classes; class++) {
        const real weight = e->weight ? e->weight[class] : 1;
        real *gradient = e->gradient + class * places + first;
        for (int64_t i = 0; i < count; i++) {
            real t = (target[class * places + i] * keep + share) * weight;
            real power = NAME(exponential_of)(logits[class * places + i] - largest[i]);
            gradient[i] = (power / sum[i] * targets[i] - t) * e->scale;
        }
    }
    memcpy(e->losses + first, loss, (size_t)count * sizeof(real));
}

void NAME(target_entropy)(const real *logits, const real *target, const real *weight, int64_t classes, int64_t places,
                          double smoothing, double scale, real *gradient, real *losses, real *total) {
    NAME(Entropy) e = {logits, target, weight, classes, places, (real)smoothing, (real)scale, gradient, losses};
    int64_t tasks = (places + TASK_PLACES - 1) / TASK_PLACES;
    run_if(classes * places >= WORTH_SHARING, NAME(entropy_task), &e, tasks);
    double sum = 0;
    for (int64_t place = 0; place < places; place++) {
        sum += losses[place];
    }
    *total = (real)(sum * scale);
}
#endif
